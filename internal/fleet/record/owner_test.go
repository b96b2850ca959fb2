//go:build unix

package record

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A folder that others can write to is neither read nor written: they could have
// a rollback take a record of theirs, or a record written through a link.
func TestOnlyAPrivateFolderIsUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := Store{Dir: dir}
	id := NewID(time.Now())
	refused := func(want bool) {
		t.Helper()
		var e *NotPrivateError
		_, listErr := s.Get("last")
		_, lockErr := s.Lock(Holder{})
		for name, err := range map[string]error{"Save": s.Save(&Run{ID: id, Schema: 1}), "Get": listErr, "Lock": lockErr} {
			if errors.As(err, &e) != want {
				t.Errorf("%s: %v, want refused %v", name, err, want)
			}
		}
	}
	refused(false)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	refused(false)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	refused(true)
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		refused(true)
	}
}
