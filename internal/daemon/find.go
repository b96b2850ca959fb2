package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd"
)

// Find finds the containerd of this node: the one that the unit
// containerd.service runs and those that procfs shows beside it, without those
// of containers. One that docker started for itself counts only when there is
// no other. A unit that does not run gives a Daemon with PID 0 when nothing
// else runs. The errors are a *NotFoundError and a *SeveralError; the embedded
// containerds of k3s and its like are found, to be recognised by the caller.
func Find(ctx context.Context, opt Options) (*Daemon, error) {
	opt = opt.withDefaults()
	proc := procfs{opt.Proc}
	unit, err := opt.Systemd.Unit(ctx, unitName)
	if err != nil && !errors.Is(err, ErrNoUnit) {
		if ctx.Err() != nil {
			return nil, err
		}
		// systemd is there but does not answer. The process still can be found; that
		// its unit is unknown stops a restart, not a look.
		unit = Unit{}
	}
	found, err := proc.daemons(unit.MainPID)
	if err != nil {
		return nil, err
	}
	var all []Daemon
	for _, p := range found {
		d := Daemon{opt: opt}
		d.fill(proc, p)
		d.Unit = unit
		if p.pid != unit.MainPID && p.unit != unit.Name {
			d.Unit = d.unitNamed(ctx, p.unit)
		}
		all = append(all, d)
	}
	running := slices.ContainsFunc(all, func(d Daemon) bool { return unit.Name != "" && d.Unit.Name == unit.Name })
	if unit.Name != "" && !running && len(unit.ExecStart) > 0 && (len(all) == 0 || unit.ActiveState != "inactive") {
		d := Daemon{opt: opt, Unit: unit, Exe: unit.ExecStart[0], Argv: unit.ExecStart}
		d.Args = containerd.ParseArgs(d.Argv)
		all = append(all, d)
	}
	d, err := choose(all, opt.Address)
	if err != nil {
		return nil, err
	}
	if err := d.askRelease(ctx); err != nil && d.PID != 0 {
		return nil, err
	}
	return d, nil
}

// choose picks the one of several, if that can be told.
func choose(all []Daemon, address string) (*Daemon, error) {
	if address != "" {
		address = strings.TrimPrefix(address, "unix://")
		all = slices.DeleteFunc(all, func(d Daemon) bool { return d.Address() != address })
	}
	if len(all) > 1 {
		if others := slices.DeleteFunc(slices.Clone(all), ofDocker); len(others) > 0 {
			all = others
		}
	}
	switch len(all) {
	case 0:
		return nil, &NotFoundError{Hint: "install or start containerd; on a node with another runtime there is nothing to do"}
	case 1:
		return &all[0], nil
	}
	return nil, &SeveralError{Found: all, Hint: "name the socket that kubelet uses"}
}

// ofDocker recognises the containerd that dockerd starts when there is no other:
// it has no CRI and dies with dockerd.
func ofDocker(d Daemon) bool {
	return strings.HasPrefix(d.Args.ConfigFile, "/var/run/docker/") || strings.HasPrefix(d.Args.ConfigFile, "/run/docker/")
}

// fill takes over what procfs tells.
func (d *Daemon) fill(proc procfs, p process) {
	d.PID, d.Exe, d.Replaced, d.ticks = p.pid, p.exe, p.replaced, p.ticks
	d.Argv = p.argv
	d.Args = containerd.ParseArgs(p.argv)
	d.Started = proc.startTime(p.ticks)
	d.ProxyVariables = proc.proxyVariables(p.pid)
}

// unitNamed asks for a unit that a cgroup named; nothing known of it is no error.
func (d *Daemon) unitNamed(ctx context.Context, name string) Unit {
	if name == "" {
		return Unit{}
	}
	u, err := d.opt.Systemd.Unit(ctx, name)
	if err != nil {
		return Unit{Name: name}
	}
	return u
}

// binary is the path to run for the daemon's own binary: what really runs, even
// when its file was replaced, else the file.
func (d *Daemon) binary() string {
	proc := procfs{d.opt.Proc}
	if d.PID != 0 {
		if ticks, err := proc.started(d.PID); err == nil && ticks == d.ticks {
			return proc.path(d.PID, "exe")
		}
	}
	return d.Exe
}

// argv is a command line for the daemon's own binary, under its own name.
func (d *Daemon) argv(args ...string) []string {
	name := d.Exe
	if len(d.Argv) > 0 {
		name = d.Argv[0]
	}
	return append([]string{name}, args...)
}
