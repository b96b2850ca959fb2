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

// cache keeps what takes long to make. An entry is a folder that appears
// complete, under its final name, or not at all.
type cache struct {
	dir string
	log *slog.Logger
}

// entry gives the folder of that name and calls make for it, with an empty folder,
// when it does not exist. Several processes may ask at once; one makes it.
func (c cache) entry(ctx context.Context, name string, make func(ctx context.Context, dir string) error) (string, error) {
	final := filepath.Join(c.dir, name)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(c.dir, "."+name+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	start := time.Now()
	c.log.Info("making, once", "what", name)
	tmp := filepath.Join(c.dir, "."+name+".new")
	if err := discard(ctx, tmp); err != nil { // of a process that was killed
		return "", err
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return "", err
	}
	if err := make(ctx, tmp); err != nil {
		return "", errors.Join(fmt.Errorf("make %s: %w", name, err), discard(context.WithoutCancel(ctx), tmp))
	}
	if err := os.Rename(tmp, final); err != nil {
		return "", err
	}
	c.log.Info("made", "what", name, "took", time.Since(start).Round(100*time.Millisecond))
	return final, nil
}

// discard removes a half-made tree. What debootstrap mounts in it (proc, sys) must be
// gone before anything is removed.
func discard(ctx context.Context, dir string) error {
	if err := unmountBelow(ctx, dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// lock takes the lock of that file for this process and waits for it until ctx
// ends. The kernel gives it back when the process ends. The holder may remove the
// file: whoever waited for the removed one takes the lock of the new one instead.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	var held *os.File
	err = until(ctx, 50*time.Millisecond, func() (bool, error) {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return false, err
		}
		switch err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil && isFile(f, path):
			held = f
			return true, nil
		case err == nil || err == unix.EWOULDBLOCK || err == unix.EINTR:
			return false, f.Close()
		}
		f.Close()
		return false, err
	})
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { held.Close() }, nil
}

// isFile tells whether path still is the file that is open as f.
func isFile(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(open, there)
}

// until asks cond again and again, every so often, until it says yes or gives an
// error, or ctx ends.
func until(ctx context.Context, every time.Duration, cond func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if ok, err := cond(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
