package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// tidy removes what crashes left in the engine's own folder and no journal speaks
// of: files that were being written, and transactions that never came to a record.
// The caller holds the lock, and there is no journal.
func (s store) tidy() error {
	halves := []string{s.path("journal.json.new"), s.path("manifest.json.new"), s.path("key.new"), s.pinsPath() + ".new"}
	if exists(s.path("key.new")) {
		// Only where a key was being made, and then it is needed.
		if _, err := s.key(); err != nil {
			return err
		}
	}
	names, err := os.ReadDir(s.path("transactions"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, n := range names {
		if exists(filepath.Join(s.transactionDir(n.Name()), "record.json")) {
			halves = append(halves, filepath.Join(s.transactionDir(n.Name()), "record.json.new"))
		} else {
			errs = append(errs, s.disk.removeTree(s.transactionDir(n.Name())))
		}
	}
	for _, half := range halves {
		errs = append(errs, s.disk.discard(half))
	}
	return errors.Join(errs...)
}
