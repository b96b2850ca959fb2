package kubespray

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Saved is a file that was written, and where its former content waits.
type Saved struct {
	FileChange
	// Backup is empty for a file that did not exist.
	Backup string
}

// Save writes the changes, each file whole or not at all, with its mode and
// owner kept, and a copy of the former content beside it under a name that
// Ansible passes over. When one fails the ones before are put back.
func Save(changes []FileChange, now time.Time) ([]Saved, error) {
	var done []Saved
	for _, c := range changes {
		s, err := save(c, now)
		if err != nil {
			return nil, errors.Join(err, Restore(done))
		}
		done = append(done, s)
	}
	return done, nil
}

func save(c FileChange, now time.Time) (Saved, error) {
	s := Saved{FileChange: c}
	present, err := readVars(c.Path)
	switch {
	case err != nil && c.Before != nil:
		return s, err
	case string(present) != string(c.Before):
		return s, &FileError{File: c.Path, Text: "was changed by somebody else a moment ago"}
	}
	if c.Before == nil {
		if err := os.MkdirAll(filepath.Dir(c.Path), 0o755); err != nil {
			return s, err
		}
		return s, replaceFile(c.Path, c.After, 0o600, nil)
	}
	st, err := os.Lstat(c.Path)
	if err != nil {
		return s, err
	}
	s.Backup = backupOf(c.Path, now)
	if err := replaceFile(s.Backup, c.Before, st.Mode().Perm(), st); err != nil {
		return s, err
	}
	return s, replaceFile(c.Path, c.After, st.Mode().Perm(), st)
}

// Restore puts the former content of files back, the last written first.
func Restore(saved []Saved) error {
	var errs []error
	for i := len(saved) - 1; i >= 0; i-- {
		s := saved[i]
		if s.Before == nil {
			errs = append(errs, os.Remove(s.Path))
			continue
		}
		st, err := os.Lstat(s.Path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, replaceFile(s.Path, s.Before, st.Mode().Perm(), st))
	}
	return errors.Join(errs...)
}

// replaceFile writes a file by rename, flushed; owner is taken from like. The
// temporary name begins with a dot, so that Ansible passes over it.
func replaceFile(path string, data []byte, mode fs.FileMode, like fs.FileInfo) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".pullway-*")
	if err != nil {
		return fmt.Errorf("%s: %s", path, cause(err))
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
			err = fmt.Errorf("%s: %s", path, cause(err))
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = own(f, like); err != nil {
		return err
	}
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
