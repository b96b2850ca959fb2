package node

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/pullway/pullway/internal/protocol"
)

// settle finishes or undoes what an interrupted run left, from the journal
// alone. It returns nil when there was nothing. The caller holds the lock.
func (e *Engine) settle(ctx context.Context) (*protocol.Result, error) {
	r, err := e.store.journal()
	if err != nil || r == nil {
		return nil, err
	}
	e.tell(protocol.StepRecover, r.ID)
	res := &protocol.Result{Transaction: r.ID, Outcome: protocol.OutcomeRestored}
	if r.Phase == PhaseCommitted {
		res.Outcome = r.Outcome
		return res, finish(e.store, r)
	}
	o, err := observe(ctx, e.store)
	if err != nil {
		return res, err
	}
	defer o.close()
	t := e.transaction(o, r)
	if r.Phase == PhasePreparing {
		res.Outcome = protocol.OutcomeRefused
		err := t.unstage(ctx)
		if err == nil {
			err = t.dropBackup(ctx)
		}
		return res, err
	}
	if err := e.store.loadBackup(r); err != nil {
		res.Outcome = protocol.OutcomeBroken
		return res, err
	}
	t.hostsDir = filepath.Dir(r.Probe)
	if r.Probe != "" {
		if err := t.removeProbe(ctx); err != nil {
			return res, err
		}
	}
	r.Phase = PhaseActive
	// The daemon has read the new state only if it started after the transaction did.
	t.restarted = r.Restart && (o.daemon.Started.After(r.Started) || !o.Running)
	if err := t.restore(ctx); err != nil {
		res.Outcome = protocol.OutcomeBroken
		return res, err
	}
	res.Restarted = t.restarted
	return res, t.dropBackup(ctx)
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
