package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// disk is the file system as the transaction uses it: few operations, each
// durable when it returns. Every operation first asks fault, which tests use to
// fail, kill or freeze the engine at that point; the name is "<operation> <path>".
type disk struct {
	fault func(operation, path string) error
}

func (d disk) at(operation, path string) error {
	if d.fault == nil {
		return nil
	}
	if err := d.fault(operation, path); err != nil {
		return &fs.PathError{Op: operation, Path: path, Err: err}
	}
	return nil
}

// create writes a new file with this content, mode and owner and flushes it.
// An existing file of that name is an error. On failure nothing is left.
func (d disk) create(path string, e Entry) (err error) {
	if err := d.at("create", path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	if err := d.at("write", path); err != nil {
		return err
	}
	if _, err := f.Write(e.Data); err != nil {
		return err
	}
	if err := f.Chown(e.UID, e.GID); err != nil {
		return err
	}
	if err := f.Chmod(fs.FileMode(e.Mode)); err != nil {
		return err
	}
	if err := d.at("fsync", path); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if e.ModTime.IsZero() {
		return nil
	}
	return os.Chtimes(path, e.ModTime, e.ModTime)
}

// rename moves from over to and flushes the folder of both.
func (d disk) rename(from, to string) error {
	if err := d.at("rename", to); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if err := d.syncDir(filepath.Dir(to)); err != nil {
		return err
	}
	if filepath.Dir(from) != filepath.Dir(to) {
		return d.syncDir(filepath.Dir(from))
	}
	return nil
}

// remove deletes one file, link or empty folder; absence is success.
func (d disk) remove(path string) error {
	if err := d.at("unlink", path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

// removeTree deletes a folder of ours and all in it; absence is success.
func (d disk) removeTree(path string) error {
	if err := d.at("unlink", path); err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

// mkdir makes one folder with exactly this mode; an existing folder is an error.
func (d disk) mkdir(path string, mode fs.FileMode) error {
	if err := d.at("mkdir", path); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(path, mode); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

// ensureDir makes a folder and its missing parents with mode 0700.
func (d disk) ensureDir(path string) error {
	if err := d.at("mkdir", path); err != nil {
		return err
	}
	return os.MkdirAll(path, 0o700)
}

// syncDir flushes a folder, so that the names in it survive power loss.
func (d disk) syncDir(path string) error {
	if err := d.at("fsync", path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = f.Sync()
	// Some network file systems cannot flush a folder and say EINVAL.
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// replace puts a complete file of ours (journal, record) in place of the old one.
func (d disk) replace(path string, data []byte, mode fs.FileMode) error {
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	e := Entry{Kind: KindFile, Mode: uint32(mode), UID: os.Geteuid(), GID: os.Getegid(), Data: data}
	if err := d.create(tmp, e); err != nil {
		return err
	}
	if err := d.rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return nil
}

// readBounded reads a regular file of at most limit bytes, not following a link.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return b, nil
}

// sameDevice reports whether two existing paths are on one file system, so that
// a rename between them is possible.
func sameDevice(a, b string) bool {
	var sa, sb unix.Stat_t
	return unix.Stat(a, &sa) == nil && unix.Stat(b, &sb) == nil && sa.Dev == sb.Dev
}
