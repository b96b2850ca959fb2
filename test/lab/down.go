package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Down ends everything of the lab and removes its folder. A second Down does nothing.
func (l *Lab) Down() error {
	if l.reaper != nil {
		defer l.reaper.dismiss()
	}
	err := Down(context.Background(), l.dir)
	if errors.Is(err, ErrNoLab) {
		return nil
	}
	return err
}

// Down ends the lab of that folder (empty: the default one), whichever process made it
// and however that one ended, and removes the folder. ErrNoLab when there is none.
func Down(ctx context.Context, dir string) error {
	dir = Config{Dir: dir}.complete(os.Getenv).Dir
	unlock, err := lockLab(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := loadState(dir); errors.Is(err, ErrNoLab) {
		return err // an unreadable state does not keep us: the folder says enough
	}
	return remove(ctx, dir)
}

// lockLab lets one process at a time make or remove the lab of a folder. Its file is
// outside of that folder, which comes and goes; when no lab is left there at the
// unlock, the file goes too.
func lockLab(ctx context.Context, dir string) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join("/run", "pullway-lab-"+labID(dir)+".lock")
	unlock, err := lock(ctx, path)
	if err != nil {
		return nil, err
	}
	return func() {
		if !exists(stateFile(dir)) {
			_ = os.Remove(path) // while it is held, see lock
		}
		unlock()
	}, nil
}

// clearDead removes what is left of a lab in dir, or refuses one that is in use.
func clearDead(ctx context.Context, dir string, log *slog.Logger) error {
	st, err := loadState(dir)
	if errors.Is(err, ErrNoLab) {
		if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
			return fmt.Errorf("%s: holds files and is no lab's folder", dir)
		}
		return nil
	}
	if err == nil {
		switch running := len(labGroup(labID(dir)).processes()) > 0; {
		case st.Owner != nil && st.Owner.alive():
			return fmt.Errorf("%s: process %d has a lab there", dir, st.Owner.PID)
		case st.Owner == nil && running && st.Ready:
			return fmt.Errorf("%s: a lab is up there (down ends it)", dir)
		}
	}
	log.Info("clearing away what an ended lab left behind", "dir", dir)
	return remove(ctx, dir)
}

// remove ends what is in the lab's control group, unmounts what is mounted below
// its folder, and removes its namespace and the folder. Every part of it may be
// missing. It goes on after an error, but keeps the folder while anything is mounted there.
func remove(ctx context.Context, dir string) error {
	id := labID(dir)
	var errs []error
	if err := labGroup(id).end(ctx); err != nil {
		errs = append(errs, fmt.Errorf("end the lab's processes: %w", err))
	}
	if name := netnsName(id); exists(netnsPath(name)) {
		errs = append(errs, run(ctx, nil, "ip", "netns", "del", name))
	}
	forgetMachines(id, dir)
	if err := unmountBelow(ctx, dir); err != nil {
		return errors.Join(append(errs, err)...)
	}
	return errors.Join(append(errs, os.RemoveAll(dir))...)
}

// forgetMachines removes what systemd-nspawn leaves in /run when it is killed: a
// folder by machine name, and a lock by device and inode of the machine's root.
func forgetMachines(id, dir string) {
	const run = "/run/systemd/nspawn/"
	folders, _ := filepath.Glob(run + "propagate/" + id + "-*") // the pattern is sound
	for _, f := range folders {
		_ = os.Remove(f)
	}
	roots, _ := filepath.Glob(filepath.Join(dir, "nodes/*/root"))
	for _, root := range roots {
		var st unix.Stat_t
		if unix.Stat(root, &st) == nil {
			_ = os.Remove(fmt.Sprintf("%slocks/inode-%d:%d", run, st.Dev, st.Ino))
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// unmountBelow tries again while the kernel lets go of what ended processes held.
func unmountBelow(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var last error
	err := until(ctx, 20*time.Millisecond, func() (bool, error) {
		b, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			return false, err
		}
		mounts := mountsBelow(string(b), dir)
		for _, m := range mounts {
			if err := unix.Unmount(m, 0); err != nil {
				last = fmt.Errorf("unmount %s: %w", m, err)
			}
		}
		return len(mounts) == 0, nil
	})
	if err != nil && last != nil {
		return last
	}
	return err
}
