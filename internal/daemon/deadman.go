package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/failpoint"
)

// The units of a dead man's switch. They exist only while a node is being changed.
const (
	switchUnit = "pullway-deadman"
	bootUnit   = "pullway-recover.service"
)

// mostOfOneStart bounds one start of the program: a frozen one would keep the timer
// from starting the next.
const mostOfOneStart = 3 * time.Minute

// DeadMan has systemd start a program from time to time while somebody works on
// the node, and once at the next boot: whoever works may die or be cut off, and
// systemd does not. Nothing of it stays after Disarm.
type DeadMan struct {
	// Program and Args are what is started; Program is an absolute path. None of them
	// holds anything that means something in a unit file: see plainWord.
	Program string
	Args    []string
	// Every is the pause between two starts.
	Every time.Duration
	// Dir is where units of the machine live; "" is /etc/systemd/system.
	Dir string
	// Run starts programs; nil is D-Bus where that can be had, and Exec.
	Run Run
	// Bus is the way to systemd; nil makes a connection each time.
	Bus *Bus
	// Hook is asked around each call that changes something; nil but in tests.
	Hook failpoint.Hook
}

// switchTime bounds each talk with systemd about the switch.
const switchTime = 20 * time.Second

// timers is the way to systemd's timers; close ends it.
func (d DeadMan) timers(ctx context.Context) (t timers, close func()) {
	if d.Run == nil {
		if conn, done, err := d.Bus.open(ctx); err == nil {
			return pointedTimers{busTimers{conn}, d.Hook}, done
		}
	}
	return pointedTimers{commandTimers{d.withDefaults().Run}, d.Hook}, func() {}
}

// plainWord is a word that systemd takes as it is: no blank, quote, backslash, %, $,
// ; or line end (systemd.service, "COMMAND LINES").
var plainWord = regexp.MustCompile(`^[A-Za-z0-9/._=+:@-]+$`)

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
	command := strings.Join(append([]string{d.Program}, d.Args...), " ")
	if !filepath.IsAbs(d.Program) || slices.ContainsFunc(append([]string{d.Program}, d.Args...), func(w string) bool { return !plainWord.MatchString(w) }) {
		return fmt.Errorf("arm the dead man's switch: %q cannot be written into a unit", command)
	}
	text := "[Unit]\nDescription=Put this node back after an interrupted pullway run\nAfter=containerd.service\n\n" +
		"[Service]\nType=oneshot\nTimeoutStartSec=" + mostOfOneStart.String() + "\nExecStart=" + command + "\n"
	if err := d.enable(text); err != nil {
		return errors.Join(fmt.Errorf("arm the dead man's switch: %w", err), d.Disarm(ctx))
	}
	if err := d.setTimer(ctx); err != nil {
		return errors.Join(fmt.Errorf("arm the dead man's switch: %w", err), d.Disarm(ctx))
	}
	return nil
}

// setTimer makes the timer, in the place of one that an earlier engine left.
func (d DeadMan) setTimer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, switchTime)
	defer cancel()
	all, done := d.timers(ctx)
	defer done()
	t := timer{name: switchUnit, description: "Watch over a pullway run", command: append([]string{d.Program}, d.Args...), every: d.Every}
	err := all.start(ctx, t)
	if errors.Is(err, errTimerExists) {
		err = all.stop(ctx, t.name)
		if err == nil {
			err = all.start(ctx, t)
		}
	}
	return err
}

// enable writes the unit for the next boot. systemd reads it then; it need not
// be told now.
func (d DeadMan) enable(text string) error {
	d = d.withDefaults()
	path := filepath.Join(d.Dir, bootUnit)
	if err := d.Hook.Around("write", path, func() error { return os.WriteFile(path, []byte(text), 0o644) }); err != nil {
		return err
	}
	if err := d.Hook.Around("mkdir", filepath.Dir(d.wants()), func() error { return os.MkdirAll(filepath.Dir(d.wants()), 0o755) }); err != nil {
		return err
	}
	if err := d.Hook.Around("symlink", d.wants(), func() error {
		if err := os.Symlink(path, d.wants()); !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	}); err != nil {
		return err
	}
	// The file too: an empty unit after a loss of power would start nothing.
	for _, p := range []string{path, d.Dir, filepath.Dir(d.wants())} {
		if err := d.Hook.Around("fsync", p, func() error { return flush(p) }); err != nil {
			return err
		}
	}
	return nil
}

func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Armed reports whether units of the machine hold a switch, such as one that was
// left by a crash. The timer alone does not count: it ends by itself.
func (d DeadMan) Armed() bool {
	d = d.withDefaults()
	for _, path := range []string{d.wants(), filepath.Join(d.Dir, bootUnit)} {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	return false
}

// command runs one that answers with its exit status alone.
func (d DeadMan) command(ctx context.Context, argv ...string) (out Output, err error) {
	what := argv[0]
	if what == "systemctl" {
		what += " " + argv[2]
	}
	err = d.Hook.Around("run", what, func() error {
		out, err = d.Run(ctx, Command{Path: "/usr/bin/" + argv[0], Argv: argv})
		return err
	})
	return out, err
}

// Forget takes the switch away and has systemd read its units anew, which is
// needed after a boot: there the unit was wanted, and would stay loaded.
func (d DeadMan) Forget(ctx context.Context) error {
	err := d.Disarm(ctx)
	d = d.withDefaults()
	_, runErr := d.command(ctx, "systemctl", "--quiet", "daemon-reload")
	return errors.Join(err, runErr)
}

// Disarm takes the switch away. That it was not armed is no error.
func (d DeadMan) Disarm(ctx context.Context) error {
	paths := d.withDefaults()
	var errs []error
	for _, path := range []string{paths.wants(), filepath.Join(paths.Dir, bootUnit)} {
		errs = append(errs, d.Hook.Around("unlink", path, func() error {
			if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		}))
	}
	ctx, cancel := context.WithTimeout(ctx, switchTime)
	defer cancel()
	all, done := d.timers(ctx)
	defer done()
	return errors.Join(append(errs, all.stop(ctx, switchUnit))...)
}
