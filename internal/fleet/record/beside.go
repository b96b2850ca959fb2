package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Beside is the path of a file that belongs to a run and stands beside its record,
// such as the log of a playbook.
func (s Store) Beside(id, name string) string { return filepath.Join(s.folder(id), name) }

// CreateBeside makes such a file anew, 0600, for writing.
func (s Store) CreateBeside(id, name string) (*os.File, error) {
	if !ValidID(id) || name == fileName || filepath.Base(name) != name {
		return nil, fmt.Errorf("%q of run %q is not to be written", name, id)
	}
	if err := private(s.Dir); err != nil {
		return nil, err
	}
	if err := s.makeFolder(s.folder(id)); err != nil {
		return nil, err
	}
	return os.OpenFile(s.Beside(id, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

// WriteBeside writes such a file so that it survives a loss of power.
func (s Store) WriteBeside(id, name string, data []byte) error {
	f, err := s.CreateBeside(id, name+".new")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(f.Name(), s.Beside(id, name)), syncDir(s.folder(id)))
}

// ReadBeside reads such a file; nil when there is none.
func (s Store) ReadBeside(id, name string) ([]byte, error) {
	b, err := os.ReadFile(s.Beside(id, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// DropBeside removes such a file; absence is success.
func (s Store) DropBeside(id, name string) error {
	if err := os.Remove(s.Beside(id, name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
