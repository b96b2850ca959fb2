package engine

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The directory always holds README.md, so that this compiles before "make
// build" has put engines there. Dot files are left out by go:embed.
//
//go:embed assets
var assets embed.FS

// IndexFile is the name of the index beside the packed engines.
const IndexFile = "index.json"

// Index is written by the packer and read here, so that hashes are known
// without unpacking anything.
type Index struct {
	Engines []IndexEntry `json:"engines"`
}

// IndexEntry is one packed engine.
type IndexEntry struct {
	Arch string `json:"arch"`
	// File is its name beside the index.
	File string `json:"file"`
	// SHA256 and Size are of the unpacked binary.
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// Embedded returns the engines inside this program. Only the small index is
// read, and only once.
func Embedded() *Set { return embedded() }

var embedded = sync.OnceValue(func() *Set {
	sub, err := fs.Sub(assets, "assets")
	if err != nil {
		return &Set{err: err}
	}
	return FromFS(sub)
})

var hexHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// FromFS reads a set from a directory that the packer wrote. A directory without
// an index is an empty set; every other fault shows when an engine is asked for.
func FromFS(dir fs.FS) *Set {
	b, err := fs.ReadFile(dir, IndexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return NewSet()
	}
	if err != nil {
		return &Set{err: err}
	}
	var ix Index
	if err := json.Unmarshal(b, &ix); err != nil {
		return &Set{err: fmt.Errorf("index of embedded engines: %w", err)}
	}
	var engines []Engine
	for _, e := range ix.Engines {
		if !hexHash.MatchString(e.SHA256) || e.Size <= 0 {
			return &Set{err: fmt.Errorf("index of embedded engines: entry %q has no valid hash and size", e.Arch)}
		}
		if _, err := fs.Stat(dir, e.File); err != nil {
			continue // a left-over index: the engine is as good as missing
		}
		engines = append(engines, New(e.Arch, e.SHA256, e.Size, func() (io.ReadCloser, error) {
			f, err := dir.Open(e.File)
			if err != nil {
				return nil, err
			}
			return unpack(f)
		}))
	}
	return NewSet(engines...)
}

// unpacked is a decompressing reader that closes what it reads from.
type unpacked struct {
	*zstd.Decoder
	file io.Closer
}

// maxWindow bounds the memory of unpacking; the packer stays below it.
const maxWindow = 8 << 20

func unpack(f io.ReadCloser) (io.ReadCloser, error) {
	d, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("embedded engine: %w", err)
	}
	return unpacked{d, f}, nil
}

func (u unpacked) Close() error {
	u.Decoder.Close()
	return u.file.Close()
}
