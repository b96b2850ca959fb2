package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// checked compares what was read with what the index promised. The comparison
// happens at the end, so a wrong binary fails before its reader says io.EOF.
type checked struct {
	rc   io.ReadCloser
	want Engine
	sum  hash.Hash
	n    int64
}

func newChecked(rc io.ReadCloser, want Engine) *checked {
	return &checked{rc: rc, want: want, sum: sha256.New()}
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.rc.Read(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	if c.n > c.want.Size {
		return 0, fmt.Errorf("embedded engine for %s is longer than the %d bytes of its index", c.want.Arch, c.want.Size)
	}
	if err == io.EOF {
		if got := hex.EncodeToString(c.sum.Sum(nil)); c.n != c.want.Size || got != c.want.SHA256 {
			return n, fmt.Errorf("embedded engine for %s is damaged: %d bytes with hash %s, its index says %d with %s",
				c.want.Arch, c.n, got, c.want.Size, c.want.SHA256)
		}
	}
	return n, err
}

func (c *checked) Close() error { return c.rc.Close() }
