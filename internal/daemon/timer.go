package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"github.com/pullway/pullway/internal/failpoint"
)

// timer is a transient timer of systemd and the service that it starts, both of
// one name without suffix.
type timer struct {
	name, description string
	// command is started every so long, one at a time.
	command []string
	every   time.Duration
}

// timers makes and ends timers.
type timers interface {
	// start makes a timer; one that exists is errTimerExists.
	start(ctx context.Context, t timer) error
	// stop ends a timer. That there is none is no error.
	stop(ctx context.Context, name string) error
}

var errTimerExists = errors.New("the timer exists already")

// busTimers are timers by D-Bus, as systemd-run makes them.
type busTimers struct{ conn *dbus.Conn }

// elapse is an entry of a timer's TimersMonotonic, a(st).
type elapse struct {
	Base string
	USec uint64
}

func (b busTimers) start(ctx context.Context, t timer) error {
	property := func(name string, value any) dbus.Property {
		return dbus.Property{Name: name, Value: godbus.MakeVariant(value)}
	}
	every := uint64(t.every.Microseconds())
	limit := property("TimeoutStartUSec", uint64(mostOfOneStart.Microseconds()))
	both := []dbus.Property{property("Description", t.description), property("CollectMode", "inactive-or-failed")}
	of := append([]dbus.Property{
		property("TimersMonotonic", []elapse{{"OnActiveSec", every}, {"OnUnitInactiveSec", every}}),
		property("AccuracyUSec", uint64(500_000)),
		property("RemainAfterElapse", false),
	}, both...)
	service := append([]dbus.Property{dbus.PropType("oneshot"), dbus.PropExecStart(t.command, false), limit}, both...)
	ended := make(chan string, 1)
	_, err := b.conn.StartTransientUnitAux(ctx, t.name+".timer", "fail", of, []dbus.PropertyCollection{{Name: t.name + ".service", Properties: service}}, ended)
	if busErrorIs(err, "org.freedesktop.systemd1.UnitExists") {
		return errTimerExists
	}
	return jobResult(ctx, "start", t.name+".timer", err, ended)
}

func (b busTimers) stop(ctx context.Context, name string) error {
	ended := make(chan string, 1)
	_, err := b.conn.StopUnitContext(ctx, name+".timer", "replace", ended)
	if busErrorIs(err, "org.freedesktop.systemd1.NoSuchUnit") {
		return nil
	}
	return jobResult(ctx, "stop", name+".timer", err, ended)
}

// pointedTimers are timers with points around what changes.
type pointedTimers struct {
	timers
	hook failpoint.Hook
}

func (p pointedTimers) start(ctx context.Context, t timer) error {
	return p.hook.Around("run", "start of "+t.name+".timer", func() error { return p.timers.start(ctx, t) })
}

func (p pointedTimers) stop(ctx context.Context, name string) error {
	return p.hook.Around("run", "stop of "+name+".timer", func() error { return p.timers.stop(ctx, name) })
}

// jobResult waits for the end of a job that systemd took, if err is nil.
func jobResult(ctx context.Context, verb, unit string, err error, ended <-chan string) error {
	if err != nil {
		return fmt.Errorf("%s %s: %s", verb, unit, oneLine(err.Error()))
	}
	select {
	case r := <-ended:
		if r != "done" {
			return fmt.Errorf("%s %s: the job ended as %q", verb, unit, r)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s %s: %w before the job ended", verb, unit, ctx.Err())
	}
}

func busErrorIs(err error, name string) bool {
	e, ok := errors.AsType[godbus.Error](err)
	return ok && e.Name == name
}

// commandTimers are timers by systemd's commands, where there is no bus.
type commandTimers struct{ run Run }

func (c commandTimers) start(ctx context.Context, t timer) error {
	_ = c.stop(ctx, t.name) // its word would not tell that the timer exists
	every := fmt.Sprintf("%dms", t.every.Milliseconds())
	argv := append([]string{"systemd-run", "--quiet", "--collect", "--unit=" + t.name, "--description=" + t.description,
		"--on-active=" + every, "--on-unit-inactive=" + every, "--timer-property=AccuracySec=500ms", "--property=Type=oneshot",
		"--property=TimeoutStartSec=" + mostOfOneStart.String()}, t.command...)
	out, err := c.run(ctx, Command{Path: "/usr/bin/systemd-run", Argv: argv})
	if err == nil && out.Exit != 0 {
		err = fmt.Errorf("systemd-run: exit status %d: %s", out.Exit, oneLine(string(out.Stderr)))
	}
	return err
}

// stop ignores what systemctl says of a timer that does not exist.
func (c commandTimers) stop(ctx context.Context, name string) error {
	_, err := c.run(ctx, Command{Path: "/usr/bin/systemctl", Argv: []string{"systemctl", "--quiet", "stop", name + ".timer"}})
	return err
}
