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

	"github.com/pullway/pullway/internal/failpoint"
)

// disk is the file system as the transaction uses it: few operations, each
// durable when it returns. hook is asked before and after each call that changes
// something; it is nil but in tests.
type disk struct {
	hook failpoint.Hook
	// hasty leaves flushing to the kernel; see unflushed.
	hasty bool
}

// unflushed is the same file system for what need not survive a loss of power.
func (d disk) unflushed() disk {
	d.hasty = true
	return d
}

func (d disk) around(operation, path string, do func() error) error {
	return d.hook.Around(operation, path, do)
}

// create writes a new file with this content, mode and owner and flushes it.
// An existing file of that name is an error. On failure nothing is left.
func (d disk) create(path string, e Entry) (err error) {
	var f *os.File
	defer func() {
		if f == nil {
			return
		}
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	if err := d.around("create", path, func() (err error) {
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
		return err
	}); err != nil {
		return err
	}
	if err := d.around("write", path, func() error {
		_, err := f.Write(e.Data)
		return err
	}); err != nil {
		return err
	}
	if err := d.around("chmod", path, func() error {
		return errors.Join(f.Chown(e.UID, e.GID), f.Chmod(fs.FileMode(e.Mode)))
	}); err != nil {
		return err
	}
	if err := d.around("fsync", path, d.flusher(f)); err != nil {
		return err
	}
	if e.ModTime.IsZero() {
		return nil
	}
	return os.Chtimes(path, e.ModTime, e.ModTime)
}

// rename moves from over to and flushes the folder of both.
func (d disk) rename(from, to string) error {
	if err := d.around("rename", to, func() error { return os.Rename(from, to) }); err != nil {
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
	if err := d.around("unlink", path, func() error {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

// removeTree deletes a folder of ours and all in it, one entry after the other;
// absence is success.
func (d disk) removeTree(path string) error {
	if err := d.around("unlink", path, func() error { return os.RemoveAll(path) }); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

// mkdir makes one folder with exactly this mode; an existing folder is an error.
func (d disk) mkdir(path string, mode fs.FileMode) error {
	if err := d.around("mkdir", path, func() error { return os.Mkdir(path, 0o700) }); err != nil {
		return err
	}
	if mode != 0o700 {
		if err := d.around("chmod", path, func() error { return os.Chmod(path, mode) }); err != nil {
			return err
		}
	}
	return d.syncDir(filepath.Dir(path))
}

// ensureDir makes a folder and its missing parents with mode 0700.
func (d disk) ensureDir(path string) error {
	return d.around("mkdir", path, func() error { return os.MkdirAll(path, 0o700) })
}

// flusher makes a file's bytes last, or leaves that to the kernel.
func (d disk) flusher(f *os.File) func() error {
	if d.hasty {
		return func() error { return nil }
	}
	return f.Sync
}

// syncDir flushes a folder, so that the names in it survive power loss.
func (d disk) syncDir(path string) error {
	return d.around("fsync", path, func() error {
		if d.hasty {
			return nil
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
	})
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
