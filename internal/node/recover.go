package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/protocol"
)

// settle finishes or undoes what an interrupted run left, from the journal
// alone. It returns nil when there was nothing. The caller holds the lock.
func (e *Engine) settle(ctx context.Context) (*protocol.Result, error) {
	if err := e.store.dropHalfJournal(); err != nil {
		return nil, err
	}
	r, err := e.store.journal()
	if err != nil || r == nil {
		return nil, err
	}
	e.tell(protocol.StepRecover, r.ID)
	// The dead man's switch of the interrupted run may still be set, and must see
	// that somebody is at work.
	defer e.store.keepBeating(time.Second)()
	res := &protocol.Result{Transaction: r.ID, Outcome: protocol.OutcomeRestored}
	if r.Phase == PhaseCommitted {
		res.Outcome = r.Outcome
		return res, errors.Join(finish(e.store, r), daemon.DeadMan{}.Disarm(ctx))
	}
	if r.Phase == PhasePreparing {
		res.Outcome = protocol.OutcomeRefused
	}
	o, err := observe(ctx, e.store)
	if err != nil {
		return res, err
	}
	defer o.close()
	t := e.transaction(o, r, 0)
	// The daemon has read the new state only if it is another process by now.
	anew := o.daemon.PID != r.DaemonPID || uptime().Boot != r.Boot
	if err := recoverFrom(ctx, t, anew); err != nil {
		res.Outcome = protocol.OutcomeBroken
		return res, err
	}
	res.Restarted = t.restarted
	return res, t.disarm(ctx)
}

// recoverFrom brings a node from the journal t.record, left by an engine that is
// gone, to its former state, or to the new one past the commit point.
// restartedSince tells whether the daemon may have read the new state.
func recoverFrom(ctx context.Context, t *transaction, restartedSince bool) error {
	r := t.record
	switch r.Phase {
	case PhaseCommitted:
		return finish(t.store, r)
	case PhasePreparing:
		return errors.Join(t.unstage(ctx), t.dropBackup(ctx))
	}
	if err := t.store.loadBackup(r); err != nil {
		return err
	}
	if r.Probe != "" {
		t.hostsDir = filepath.Dir(r.Probe)
		if err := t.removeProbe(ctx); err != nil {
			return err
		}
	}
	r.Phase = PhaseActive
	t.restarted = r.Restart && restartedSince
	if err := t.restore(ctx); err != nil {
		return err
	}
	return t.dropBackup(ctx)
}

// Recover settles what an interrupted run left, for a person at the node's own
// terminal, and says in one line what it did.
func Recover(ctx context.Context, dir string, out io.Writer) error {
	e := NewEngine(dir, func(protocol.Step, string) {}, nil)
	reply := e.Do(ctx, protocol.Request{Version: protocol.Version, Op: protocol.OpRecover, Run: "recover"})
	if reply.Error != nil {
		return reply.Error
	}
	text := "nothing was interrupted on this node"
	if r := reply.Result; r.Transaction != "" {
		text = fmt.Sprintf("transaction %s: %s", r.Transaction, r.Outcome)
	}
	_, err := fmt.Fprintln(out, text)
	return err
}
