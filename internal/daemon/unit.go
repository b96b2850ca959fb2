package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/dbus"

	"github.com/pullway/pullway/internal/failpoint"
)

// Systemd is what this package needs of systemd.
type Systemd interface {
	// Unit tells of a loaded service. An error that is ErrNoUnit means that there
	// is none of this name, or no systemd at all.
	Unit(ctx context.Context, name string) (Unit, error)
	// Restart restarts a service and returns when it runs again, with an error
	// when it does not.
	Restart(ctx context.Context, name string) error
}

// ErrNoUnit tells that a unit does not exist.
var ErrNoUnit = errors.New("no such unit")

// bus talks to systemd by D-Bus, and by systemctl where that cannot be had.
type bus struct {
	run  Run
	link *Bus
	hook failpoint.Hook
	// booted is nil but in tests.
	booted func() bool
}

func (b bus) open(ctx context.Context) (conn *dbus.Conn, done func(), err error) {
	err = b.hook.Around("connect", "D-Bus", func() error {
		conn, done, err = b.link.open(ctx)
		return err
	})
	if err != nil && done != nil {
		done()
	}
	return conn, done, err
}

// booted reports whether systemd runs this machine, as sd_booted(3) does.
func booted() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// Unit implements Systemd.
func (b bus) Unit(ctx context.Context, name string) (Unit, error) {
	is := booted
	if b.booted != nil {
		is = b.booted
	}
	if !is() {
		return Unit{}, fmt.Errorf("unit %q: %w: systemd does not run this machine", name, ErrNoUnit)
	}
	ctx, cancel := context.WithTimeout(ctx, unitTime)
	defer cancel()
	conn, done, err := b.open(ctx)
	if err != nil {
		return systemctl{b.run}.Unit(ctx, name)
	}
	defer done()
	// All properties at once are four hundred, and some cost systemd a look at the
	// control group.
	properties := map[string]any{}
	for _, p := range []struct{ of, name string }{
		{"Unit", "LoadState"}, {"Unit", "ActiveState"}, {"Unit", "SubState"}, {"Unit", "FragmentPath"},
		{"Service", "KillMode"}, {"Service", "Delegate"}, {"Service", "MainPID"}, {"Service", "ExecStart"},
	} {
		got, err := conn.GetUnitTypePropertyContext(ctx, name, p.of, p.name)
		if err != nil {
			return Unit{}, fmt.Errorf("unit %q: %s", name, oneLine(err.Error()))
		}
		properties[p.name] = got.Value.Value()
		if p.name == "LoadState" && got.Value.Value() != "loaded" {
			break // it has no other properties
		}
	}
	return unitOf(name, properties)
}

// Restart implements Systemd.
func (b bus) Restart(ctx context.Context, name string) error {
	conn, done, err := b.open(ctx)
	if err != nil {
		return systemctl{b.run}.Restart(ctx, name)
	}
	defer done()
	// A unit that failed too often refuses to start until it is reset, and an undo
	// comes just then. That there is nothing to reset is no matter.
	_ = conn.ResetFailedUnitContext(ctx, name)
	// Buffered: go-systemd sends while it holds the lock of its listener.
	ended := make(chan string, 1)
	err = b.hook.Around("queue", "restart of "+name, func() error {
		_, err := conn.RestartUnitContext(ctx, name, "replace", ended)
		return err
	})
	return jobResult(ctx, "restart", name, err, ended)
}

// unitOf reads a unit from its D-Bus properties; what has another type than
// systemd documents is left empty.
func unitOf(name string, properties map[string]any) (Unit, error) {
	text := func(key string) string { s, _ := properties[key].(string); return s }
	if state := text("LoadState"); state != "loaded" {
		return Unit{}, fmt.Errorf("unit %q: %w: its load state is %q", name, ErrNoUnit, state)
	}
	u := Unit{
		Name:         name,
		KillMode:     text("KillMode"),
		Delegate:     "no",
		ActiveState:  text("ActiveState"),
		SubState:     text("SubState"),
		FragmentPath: text("FragmentPath"),
	}
	if delegate, _ := properties["Delegate"].(bool); delegate {
		u.Delegate = "yes"
	}
	if pid, ok := properties["MainPID"].(uint32); ok {
		u.MainPID = int(pid)
	}
	// a(sasbttttuii): path, arguments, and what became of it.
	if commands, _ := properties["ExecStart"].([][]any); len(commands) > 0 && len(commands[0]) > 1 {
		path, _ := commands[0][0].(string)
		argv, _ := commands[0][1].([]string)
		u.ExecStart = commandLine(path, argv)
	}
	return u, nil
}

// commandLine puts the path in the place of the name that the program is told.
func commandLine(path string, argv []string) []string {
	if path == "" {
		return nil
	}
	return append([]string{path}, argv[min(1, len(argv)):]...)
}
