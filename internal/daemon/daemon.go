// Package daemon finds the containerd that runs on this node, asks its own
// binary about a configuration, and restarts it through systemd. It knows
// processes and units; what a configuration means is internal/containerd's, and
// whether CRI is well is internal/cri's.
package daemon

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/failpoint"
)

// unitName is the unit of every packaged containerd.
const unitName = "containerd.service"

// Daemon is the containerd of this node as it was when Find or Refresh looked.
type Daemon struct {
	// PID is 0 when the unit exists and does not run.
	PID int
	// Exe is the path of its binary on disk; see Replaced.
	Exe string
	// Replaced: the file at Exe is not what runs, as after an upgrade of the
	// package. A restart starts another release than Release.
	Replaced bool
	// Release of what runs; of Exe when PID is 0.
	Release containerd.Release
	// Argv is the command line, and Args what it says.
	Argv []string
	Args containerd.Args
	// Unit is the systemd unit that it belongs to; the zero Unit without one.
	Unit Unit
	// Started is when the process started, to a hundredth of a second; zero when
	// PID is 0.
	Started time.Time
	// ProxyVariables are the names of the proxy variables in its environment,
	// sorted. Their values may hold credentials and are not kept.
	ProxyVariables []string

	ticks uint64 // start in clock ticks since boot: the same PID with other ticks is another process
	opt   Options
}

// Unit is what is needed of a systemd service.
type Unit struct {
	// Name such as "containerd.service".
	Name string
	// KillMode "process" lets containers outlive a restart; Delegate is "yes" or "no".
	KillMode, Delegate string
	// ActiveState such as "active", "activating", "failed" or "inactive".
	ActiveState, SubState string
	// FragmentPath is the unit's file.
	FragmentPath string
	// MainPID is 0 when it does not run.
	MainPID int
	// ExecStart is the first command line; its first word is the path.
	ExecStart []string
}

// Options say where to look. The zero value looks at this machine.
type Options struct {
	// Address picks, of several daemons, the one whose socket this is.
	Address string
	// Proc is where procfs is; "" is /proc.
	Proc string
	// Run starts a program; nil is Exec.
	Run Run
	// Systemd is asked for units; nil is D-Bus, and systemctl without it.
	Systemd Systemd
	// Bus is the way to systemd by D-Bus; nil makes a connection each time.
	Bus *Bus
	// Release asks a daemon by its socket; nil runs its binary.
	Release AskRelease
	// Hook is asked around what is said to systemd by D-Bus; nil but in tests.
	Hook failpoint.Hook
}

func (o Options) withDefaults() Options {
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.Run == nil {
		o.Run = Exec
	}
	if o.Systemd == nil {
		o.Systemd = bus{run: o.Run, link: o.Bus, hook: o.Hook}
	}
	return o
}

// ErrNotFound is under the error of Find when there is no containerd.
var ErrNotFound = errors.New("no containerd runs on this node, and there is no unit " + unitName)

// NotFoundError is ErrNotFound with what a person can do.
type NotFoundError struct{ Hint string }

// Error returns one line.
func (e *NotFoundError) Error() string { return ErrNotFound.Error() }

// Unwrap returns ErrNotFound.
func (e *NotFoundError) Unwrap() error { return ErrNotFound }

// SeveralError tells that more than one containerd runs and none was asked for.
type SeveralError struct {
	Found []Daemon
	Hint  string
}

// Error returns one line that lists them.
func (e *SeveralError) Error() string {
	var each []string
	for _, d := range e.Found {
		each = append(each, fmt.Sprintf("pid %d %s (unit %q, socket %q)", d.PID, d.Exe, d.Unit.Name, d.Address()))
	}
	return "several containerds on this node: " + strings.Join(each, "; ")
}

// Address is the socket that the command line says, or containerd's default.
// A configuration file may say another one.
func (d *Daemon) Address() string {
	if d.Args.Address != "" {
		return d.Args.Address
	}
	return "/run/containerd/containerd.sock"
}

// NamesAddress reports whether the command line names the socket, which then
// comes before what a configuration file says.
func (d *Daemon) NamesAddress() bool {
	for _, a := range d.Argv {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if strings.HasPrefix(a, "-") && (name == "a" || name == "address") {
			return true
		}
	}
	return false
}
