//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/failpoint/script"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/test/faults"
)

// healsWithin bounds how long the switch may take until a node is whole: systemd
// looks twice within the time after which an engine counts as dead, and what takes
// the longest is containerd's way back.
const healsWithin = faultsWithin + 20*time.Second

// errNotStruck tells that nothing was tried: on a busy machine the switch can end an
// engine before it comes to its point.
var errNotStruck = errors.New("the engine did not come to that point")

// strike carries out the change with one strike, waits until the node is whole
// again, and says how. An error means that it is not.
func (w *target) strike(ctx context.Context, s faults.Strike, committed int) (faults.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	r := faults.Result{Strike: s, Healer: faults.Engine}
	fail := func(format string, args ...any) (faults.Result, error) {
		return r, fmt.Errorf("%s: %w", s, fmt.Errorf(format, args...))
	}
	if err := w.order(script.Orders{Strikes: []script.Strike{{Point: s.Name, Pass: s.Pass, Action: s.Action}}}); err != nil {
		return r, err
	}
	engine, err := w.start(ctx, w.req)
	if err != nil {
		return r, err
	}
	await(ctx, time.Minute, func() bool { return engine.over() || w.struck() })
	at := time.Now()
	if !w.struck() {
		return fail("%w", errNotStruck)
	}
	watched := false
	if s.Action == script.Error {
		<-engine.done
		// On a machine so busy that the engine gave no sign of life for too long, the
		// switch ended it: that, too, has to leave a whole node.
		watched = engine.reply == nil
	} else {
		if s.Action == script.Kill {
			<-engine.done
		}
		watched = w.watched(ctx)
	}
	r.Whole = time.Since(at)
	if left, err := w.leftovers(ctx); err == nil && left == "" && watched {
		r.Healer, r.Whole = faults.Switch, time.Since(at) // faster than the look
	} else if err != nil || left != "" {
		if err := w.heal(ctx, &r, at, watched || w.watched(ctx)); err != nil {
			return fail("%w", err)
		}
	}
	if s.Action == script.Freeze && !w.ended(ctx, engine) {
		return fail("the frozen engine was not ended")
	}
	if r.State, err = w.state(ctx); err != nil {
		return fail("%w", err)
	}
	r.Said = said(engine.reply)
	return r, faults.Judge(r, committed, watched, healsWithin)
}

// said is the state that an engine's reply tells of; empty without a reply.
func said(reply *protocol.Reply) faults.State {
	switch {
	case reply == nil:
		return ""
	case reply.Result != nil && (reply.Result.Outcome == protocol.OutcomeApplied || reply.Result.Outcome == protocol.OutcomeRolledBack):
		return faults.New
	}
	return faults.Old
}

// heal waits for the switch, or makes the next contact.
func (w *target) heal(ctx context.Context, r *faults.Result, at time.Time, watched bool) error {
	whole := func() bool {
		if w.has("/var/lib/pullway/journal.json") || w.has("/etc/systemd/system/pullway-recover.service") {
			return false
		}
		_, err := w.CRIVersion(ctx)
		return err == nil
	}
	r.Healer = faults.Contact
	if watched {
		r.Healer = faults.Switch
		if !await(ctx, healsWithin, whole) {
			return fmt.Errorf("the switch did not make it whole within %s", healsWithin)
		}
	} else if err := w.contact(ctx); err != nil {
		return fmt.Errorf("the next contact: %w", err)
	}
	r.Whole = time.Since(at)
	if r.Action == script.Freeze && !watched {
		// One that was frozen while it held nothing harms nobody, and ends with its session.
		_, _ = w.Exec(ctx, "pkill -KILL pullway-node")
	}
	// systemd forgets a unit that ran a moment after its file is gone.
	left := ""
	if !await(ctx, 25*time.Second, func() bool {
		var err error
		left, err = w.leftovers(ctx)
		return err == nil && left == ""
	}) {
		return fmt.Errorf("left behind: %s", left)
	}
	return nil
}

// state says which state the node has, in its files and in what containerd does.
func (w *target) state(ctx context.Context) (faults.State, error) {
	now, err := w.Tree("/etc/containerd")
	if err != nil {
		return "", err
	}
	state := faults.Old
	if toOld := cmp.Diff(w.old, now); toOld != "" {
		if toNew := cmp.Diff(w.new, now); toNew != "" {
			return "", fmt.Errorf("/etc/containerd is in neither state; to the old one:\n%s\nto the new one:\n%s", toOld, toNew)
		}
		state = faults.New
	}
	if _, err := w.CRIVersion(ctx); err != nil {
		return state, fmt.Errorf("CRI: %w", err)
	}
	if err := w.CRIRemove(ctx, w.image); err != nil {
		return state, err
	}
	_, err = w.CRIPull(ctx, w.image)
	// It is not there when the next change proves itself.
	if err := w.CRIRemove(ctx, w.image); err != nil {
		return state, err
	}
	switch {
	case w.pulls(state) && err != nil:
		return state, fmt.Errorf("in the %s state %s cannot be pulled: %w", state, w.image, err)
	case !w.pulls(state) && err == nil:
		return state, errors.New("in the " + string(state) + " state " + w.image + " can be pulled: containerd runs with another configuration than its files")
	}
	return state, nil
}
