package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The units of a dead man's switch. They exist only while a node is being changed.
const (
	switchUnit = "pullway-deadman"
	bootUnit   = "pullway-recover.service"
)

// DeadMan has systemd start a program from time to time while somebody works on
// the node, and once at the next boot: whoever works may die or be cut off, and
// systemd does not. Nothing of it stays after Disarm.
type DeadMan struct {
	// Program and Args are what is started; Program is an absolute path without blanks.
	Program string
	Args    []string
	// Every is the pause between two starts.
	Every time.Duration
	// Dir is where units of the machine live; "" is /etc/systemd/system.
	Dir string
	// Run starts programs; nil is Exec.
	Run Run
}

func (d DeadMan) withDefaults() DeadMan {
	if d.Dir == "" {
		d.Dir = "/etc/systemd/system"
	}
	if d.Run == nil {
		d.Run = Exec
	}
	return d
}

// Available reports whether systemd runs this machine; nothing can be armed without.
func (d DeadMan) Available() bool { return booted() }

func (d DeadMan) wants() string {
	return filepath.Join(d.Dir, "multi-user.target.wants", bootUnit)
}

// Arm sets the switch. It may be armed already. On failure nothing is armed.
func (d DeadMan) Arm(ctx context.Context) error {
	d = d.withDefaults()
	command := d.Program
	for _, a := range d.Args {
		command += " " + a
	}
	text := "[Unit]\nDescription=Put this node back after an interrupted pullway run\nAfter=containerd.service\n\n" +
		"[Service]\nType=oneshot\nExecStart=" + command + "\n"
	if err := d.enable(text); err != nil {
		return errors.Join(fmt.Errorf("arm the dead man's switch: %w", err), d.Disarm(ctx))
	}
	_, _ = d.Run(ctx, Command{Path: "/usr/bin/systemctl", Argv: []string{"systemctl", "--quiet", "stop", switchUnit + ".timer"}})
	every := fmt.Sprintf("%dms", d.Every.Milliseconds())
	argv := append([]string{"systemd-run", "--quiet", "--collect", "--unit=" + switchUnit, "--description=Watch over a pullway run",
		"--on-active=" + every, "--on-unit-inactive=" + every, "--timer-property=AccuracySec=500ms", "--property=Type=oneshot", d.Program}, d.Args...)
	out, err := d.Run(ctx, Command{Path: "/usr/bin/systemd-run", Argv: argv})
	if err == nil && out.Exit != 0 {
		err = fmt.Errorf("systemd-run: exit status %d: %s", out.Exit, oneLine(string(out.Stderr)))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("arm the dead man's switch: %w", err), d.Disarm(ctx))
	}
	return nil
}

// enable writes the unit for the next boot. systemd reads it then; it need not
// be told now.
func (d DeadMan) enable(text string) error {
	path := filepath.Join(d.Dir, bootUnit)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(d.wants()), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(path, d.wants()); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	for _, dir := range []string{d.Dir, filepath.Dir(d.wants())} {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Forget takes the switch away and has systemd read its units anew, which is
// needed after a boot: there the unit was wanted, and would stay loaded.
func (d DeadMan) Forget(ctx context.Context) error {
	err := d.Disarm(ctx)
	d = d.withDefaults()
	_, runErr := d.Run(ctx, Command{Path: "/usr/bin/systemctl", Argv: []string{"systemctl", "--quiet", "daemon-reload"}})
	return errors.Join(err, runErr)
}

// Disarm takes the switch away. That it was not armed is no error.
func (d DeadMan) Disarm(ctx context.Context) error {
	d = d.withDefaults()
	var errs []error
	for _, path := range []string{d.wants(), filepath.Join(d.Dir, bootUnit)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	// Stopping a timer that does not exist fails, which is as good.
	if _, err := d.Run(ctx, Command{Path: "/usr/bin/systemctl", Argv: []string{"systemctl", "--quiet", "stop", switchUnit + ".timer"}}); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
