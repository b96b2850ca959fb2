package node

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/pullway/pullway/internal/protocol"
)

func TestHintOf(t *testing.T) {
	for reason, c := range map[string]struct {
		err  error
		want string
	}{
		"of the file system, wrapped": {fmt.Errorf("stage: %w", &fs.PathError{Op: "open", Path: "/etc", Err: syscall.EROFS}), "read-only"},
		"one of several":              {errors.Join(errors.New("first"), syscall.ENOSPC), "make room"},
		"the engine's own":            {fmt.Errorf("read: %w", &protocol.Error{Text: "x", Hint: "do y"}), "do y"},
		"nothing to say":              {errors.New("strange"), ""},
	} {
		if got := hintOf(c.err); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: hint %q, want %q in it", reason, got, c.want)
		}
	}
}
