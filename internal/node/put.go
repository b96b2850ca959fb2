package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// stagePrefix starts the name of everything that is staged beside a target. A
// leading dot can be no registry host, and the ending is not matched by *.toml.
const stagePrefix = ".pullway-"

// stagedName is where the new state of target is built: beside it, so that a
// rename suffices; for an entry of the hosts directory beside that directory,
// so that containerd never sees it, unless that is another file system.
func stagedName(target, hostsDir, transaction string) string {
	dir := filepath.Dir(target)
	if dir == hostsDir {
		if up := filepath.Dir(hostsDir); sameDevice(up, hostsDir) {
			dir = up
		}
	}
	return filepath.Join(dir, stagePrefix+transaction+"."+filepath.Base(target)+".stage")
}

// keep is where the former state of an item waits until the commit: a hard link
// of a file, the renamed folder of a host directory. Undo renames it back, which
// needs no space on a full disk and keeps times and attributes.
func (i Item) keep() string { return i.Staged + ".keep" }

// aside is where a folder goes on its way out.
func (i Item) aside() string { return i.Staged + ".gone" }

// prepare builds the item's new state beside its target and keeps the old one.
func (d disk) prepare(i Item) error {
	if i.After.Kind != KindAbsent && exists(filepath.Dir(i.Staged)) {
		if err := d.stage(i.Staged, i.After); err != nil {
			return err
		}
	}
	if i.Before.Kind != KindFile {
		return nil
	}
	if err := d.discard(i.keep()); err != nil {
		return err
	}
	return d.around("link", i.keep(), func() error {
		// Without hard links the backup serves.
		_ = os.Link(i.Target, i.keep())
		return nil
	})
}

// apply brings the item's target to its new state. It may be repeated.
func (d disk) apply(i Item) error {
	now, err := TakeEntry(i.Target)
	if err != nil || now.Same(i.After) {
		return err
	}
	if i.After.Kind == KindAbsent && now.Kind != KindDir {
		return d.remove(i.Target)
	}
	if i.After.Kind != KindAbsent && !exists(i.Staged) {
		if err := d.stage(i.Staged, i.After); err != nil {
			return err
		}
	}
	if now.Kind == KindDir {
		if err := d.rename(i.Target, i.keep()); err != nil {
			return err
		}
	}
	if i.After.Kind == KindAbsent {
		return nil
	}
	return d.rename(i.Staged, i.Target)
}

// restore brings the item's target to its former state, whether or not apply
// had reached it, and leaves nothing beside it. It may be repeated.
func (d disk) restore(i Item) error {
	now, err := TakeEntry(i.Target)
	if err != nil {
		return err
	}
	if !now.Same(i.Before) {
		if err := d.putBack(i, now); err != nil {
			return err
		}
	}
	return d.clear(i)
}

func (d disk) putBack(i Item, now Entry) error {
	if i.Before.Kind == KindAbsent && now.Kind != KindDir {
		return d.remove(i.Target)
	}
	from := i.keep()
	if i.Before.Kind != KindAbsent {
		if kept, err := TakeEntry(from); err != nil || !kept.Same(i.Before) {
			from = i.Staged
			if err := d.stage(from, i.Before); err != nil {
				return err
			}
		}
	}
	if now.Kind == KindDir {
		if err := d.discard(i.aside()); err != nil {
			return err
		}
		if err := d.rename(i.Target, i.aside()); err != nil {
			return err
		}
	}
	if i.Before.Kind == KindAbsent {
		return nil
	}
	return d.rename(from, i.Target)
}

// clear removes everything that stands beside the item's target because of it.
func (d disk) clear(i Item) error {
	return errors.Join(d.discard(i.Staged), d.discard(i.keep()), d.discard(i.aside()))
}

// stage builds e at path, in place of anything an earlier try left there.
func (d disk) stage(path string, e Entry) error {
	if err := d.discard(path); err != nil {
		return err
	}
	switch e.Kind {
	case KindFile:
		if hash(e.Data) != e.SHA256 {
			return fmt.Errorf("stage %s: its content is not at hand", path)
		}
		return d.create(path, e)
	case KindSymlink:
		return d.around("symlink", path, func() error {
			if err := os.Symlink(e.Target, path); err != nil {
				return err
			}
			return os.Lchown(path, e.UID, e.GID)
		})
	case KindDir:
		return d.stageDir(path, e)
	default:
		return fmt.Errorf("cannot stage %s: kind %q", path, e.Kind)
	}
}

func (d disk) stageDir(path string, e Entry) error {
	if err := d.mkdir(path, 0o700); err != nil {
		return err
	}
	for _, c := range e.Children {
		if err := d.stage(filepath.Join(path, c.Name), c.Entry); err != nil {
			return err
		}
	}
	if err := d.around("chmod", path, func() error {
		return errors.Join(os.Chown(path, e.UID, e.GID), os.Chmod(path, fs.FileMode(e.Mode)))
	}); err != nil {
		return err
	}
	if !e.ModTime.IsZero() {
		if err := os.Chtimes(path, e.ModTime, e.ModTime); err != nil {
			return err
		}
	}
	return d.syncDir(path)
}

// discard removes something staged, whatever it is.
func (d disk) discard(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return d.removeTree(path)
}
