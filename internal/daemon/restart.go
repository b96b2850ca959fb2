package daemon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pullway/pullway/internal/containerd"
)

// restartTime bounds a restart whose context has no deadline: systemd's own
// limits for stopping and for starting are 90 s each.
const restartTime = 3 * time.Minute

// RestartError is a restart that was refused, or failed.
type RestartError struct {
	// Unit is empty when the daemon has none.
	Unit string
	// Refused: nothing was done.
	Refused bool
	Text    string
	Hint    string
}

// Error returns one line.
func (e *RestartError) Error() string { return e.Text }

// Restart restarts containerd through systemd and returns when the unit runs
// again, which says nothing of CRI. It refuses a daemon without a unit, and one
// whose unit runs more than it, as k3s.service does: that would restart kubelet.
// The error is a *RestartError. Call Refresh afterwards.
func (d *Daemon) Restart(ctx context.Context) error {
	switch {
	case d.Unit.Name == "":
		return &RestartError{Refused: true, Text: fmt.Sprintf("containerd (pid %d) belongs to no systemd unit", d.PID),
			Hint: "restart it by the means it was started with"}
	case !d.ownUnit():
		return &RestartError{Unit: d.Unit.Name, Refused: true,
			Text: fmt.Sprintf("unit %s is not containerd's own: restarting it would restart more than containerd", d.Unit.Name),
			Hint: "this distribution runs containerd inside its own service; use its registry settings"}
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, restartTime)
		defer cancel()
	}
	if err := d.opt.withDefaults().Systemd.Restart(ctx, d.Unit.Name); err != nil {
		return &RestartError{Unit: d.Unit.Name, Text: oneLine(err.Error()), Hint: "see journalctl -u " + d.Unit.Name}
	}
	return nil
}

// ownUnit reports whether the unit runs this daemon and nothing else. A unit
// that starts it by a script has another main process, so the usual name counts.
func (d *Daemon) ownUnit() bool {
	return d.Unit.Name == unitName || d.Unit.Name != "kubelet.service" && d.Unit.MainPID == d.PID
}

// Refresh looks again: PID, start time, binary and release as they are after a
// restart. That the daemon does not run is a finding, PID 0, not an error.
func (d *Daemon) Refresh(ctx context.Context) error {
	d.opt = d.opt.withDefaults()
	proc := procfs{d.opt.Proc}
	mine := func(p process) bool {
		other := Daemon{Args: containerd.ParseArgs(p.argv)}
		return other.Address() == d.Address()
	}
	if d.Unit.Name != "" {
		own := d.ownUnit()
		unit, err := d.opt.Systemd.Unit(ctx, d.Unit.Name)
		if err != nil {
			return fmt.Errorf("look again: %w", err)
		}
		d.Unit = unit
		if own {
			mine = func(p process) bool { return p.pid == unit.MainPID || p.unit == unit.Name }
		}
	}
	found, err := proc.daemons(d.Unit.MainPID)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(found, mine); i >= 0 {
		d.fill(proc, found[i])
		return d.askRelease(ctx)
	}
	d.PID, d.Started, d.ticks, d.ProxyVariables = 0, time.Time{}, 0, nil
	return nil
}
