package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/failpoint"
	"github.com/pullway/pullway/internal/protocol"
)

// deadMan puts the node back when the engine dies or freezes in the middle of a
// transaction; see daemon.DeadMan.
type deadMan interface {
	Arm(ctx context.Context) error
	Disarm(ctx context.Context) error
}

// silence is how long an engine may give no sign of life before it counts as
// dead. Looking for it takes a quarter more each time, so that the node is being
// put back within confirmWithin.
func silence(confirmWithin time.Duration) time.Duration {
	if confirmWithin <= 0 {
		confirmWithin = time.Minute
	}
	return confirmWithin / 2
}

// newDeadMan makes the switch for this engine, or none where there is no systemd
// to hold it.
func newDeadMan(bus *daemon.Bus, confirmWithin time.Duration, hook failpoint.Hook) deadMan {
	exe, err := os.Executable()
	d := daemon.DeadMan{Program: exe, Args: []string{"recover", "--if-silent=" + silence(confirmWithin).String()},
		Every: silence(confirmWithin) / 2, Bus: bus, Hook: hook}
	if err != nil || !d.Available() || strings.ContainsAny(exe, " \t\"'\\%$") {
		return nil
	}
	return d
}

// RecoverIfSilent is Recover as the dead man's switch calls it: it does nothing
// while an engine gives signs of life, ends one that is frozen, settles what it
// left and takes the switch away.
func RecoverIfSilent(ctx context.Context, dir string, after time.Duration, out io.Writer) error {
	e := NewEngine(dir, func(protocol.Step, string) {}, nil)
	left, err := e.store.journal()
	if err != nil || left != nil && left.Phase == PhaseBroken {
		return errors.Join(err, daemon.DeadMan{Hook: e.store.disk.hook}.Disarm(ctx))
	}
	holder, err := e.store.holder()
	if err != nil {
		return err
	}
	if holder != nil {
		if !e.store.lastBeat().silent(uptime(), after) {
			return nil
		}
		if err := e.store.endHolder(*holder); err != nil {
			return err
		}
	}
	e.bySwitch = true
	return e.recover(ctx, out, 2*after)
}

// takeSwitchAway removes a dead man's switch that an engine left. The caller holds
// the lock, so no other engine relies on it.
func (e *Engine) takeSwitchAway(ctx context.Context) error {
	d := e.switches
	d.Hook = e.store.disk.hook
	switch {
	case e.bySwitch && d.Armed():
		return d.Forget(ctx)
	case e.bySwitch, d.Armed():
		return d.Disarm(ctx)
	}
	return nil
}

// endHolder kills the engine that holds the lock without a sign of life. What
// it was doing is settled from the journal, as after any crash.
func (s store) endHolder(holder Holder) error {
	if holder.PID <= 1 {
		return &LockedError{holder}
	}
	exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(holder.PID), "exe"))
	if err != nil || !strings.HasPrefix(filepath.Base(exe), "pullway-node") {
		return fmt.Errorf("process %d holds the node's lock and is no engine", holder.PID)
	}
	if err := unix.Kill(holder.PID, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end the frozen engine %d: %w", holder.PID, err)
	}
	// The kernel gives the lock back when the process is gone.
	deadline := time.Now().Add(10 * time.Second)
	for {
		now, err := s.holder()
		if err != nil || now == nil || now.PID != holder.PID {
			return err
		}
		if time.Now().After(deadline) {
			return &LockedError{*now}
		}
		time.Sleep(20 * time.Millisecond)
	}
}
