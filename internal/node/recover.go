package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
)

// settle finishes or undoes what an interrupted run left, from the journal
// alone, and clears away what no journal speaks of. It returns nil when there was
// no journal. The caller holds the lock.
func (e *Engine) settle(ctx context.Context) (*protocol.Result, error) {
	r, err := e.store.journal()
	if err != nil {
		return nil, err
	}
	e.store.dropWord()
	if r == nil {
		return nil, errors.Join(e.store.tidy(), e.takeSwitchAway(ctx))
	}
	e.tell(protocol.StepRecover, r.ID)
	res, err := e.recoverRecord(ctx, r)
	if err != nil {
		return res, err
	}
	return res, errors.Join(e.store.tidy(), e.takeSwitchAway(ctx))
}

func (e *Engine) recoverRecord(ctx context.Context, r *Record) (*protocol.Result, error) {
	res := &protocol.Result{Transaction: r.ID, Outcome: protocol.OutcomeRestored}
	switch r.Phase {
	case PhaseCommitted:
		res.Outcome = r.Outcome
		return res, finish(e.store, r)
	case PhasePreparing:
		res.Outcome = protocol.OutcomeRefused
		if err := recoverFrom(ctx, &transaction{store: e.store, record: r}, false); err != nil {
			return res, err
		}
		e.dropProbeImages(ctx, r)
		return res, nil
	}
	r.Reason = "the engine that was at work was gone"
	t, err := e.reopen(ctx, r)
	if err != nil {
		// What stands there now may be why the node cannot be looked at. The files can
		// be put back from the journal alone; only a restart needs to know more.
		if filesErr := putBackBlindly(ctx, e.store, r); filesErr != nil {
			return res, errors.Join(err, filesErr)
		}
		if t, err = e.reopen(ctx, r); err != nil {
			return res, err
		}
	}
	defer t.close()
	if err := recoverFrom(ctx, t.transaction, t.anew || r.Restarting); err != nil {
		res.Outcome = protocol.OutcomeBroken
		return res, err
	}
	res.Restarted, res.Restarts, res.RestartGap = t.restarted, t.result.Restarts, t.result.RestartGap
	res.Warnings = t.result.Warnings
	return res, nil
}

// dropProbeImages takes away what a proof pulled before its engine ended. A node
// whose CRI cannot be asked keeps it until kubelet collects it.
func (e *Engine) dropProbeImages(ctx context.Context, r *Record) {
	if r.Probe == "" {
		return
	}
	t, err := e.reopen(ctx, r)
	if err != nil {
		return
	}
	defer t.close()
	_ = t.cri.DropUnder(ctx, ProbeHost)
}

// putBackBlindly brings every target to its former state. The journal stays.
func putBackBlindly(ctx context.Context, s store, r *Record) error {
	missing := s.loadBackup(r)
	t := &transaction{store: s, record: r, hostsDir: filepath.Dir(r.Probe), linger: lingerFor}
	if r.Play != nil {
		t.owesRestart(ctx) // a daemon that cannot be looked at may have read anything
	}
	if err := t.putFilesBack(ctx); err != nil {
		return errors.Join(err, missing)
	}
	return nil
}

// reopened is the transaction of an interrupted engine in the hands of another.
type reopened struct {
	*transaction
	// anew tells that the daemon is not the process that it was.
	anew  bool
	close func()
}

func (e *Engine) reopenHere(ctx context.Context, r *Record) (reopened, error) {
	o, err := observe(ctx, e.store, e.bus)
	if err != nil {
		return reopened{}, err
	}
	t := e.transaction(o, r, 0)
	if t.baseline == nil && !r.Unwell {
		// CRI was well when this began, so it has to be well again afterwards.
		t.baseline = &cri.Baseline{}
	}
	return reopened{t, o.daemon.PID != r.DaemonPID || uptime().Boot != r.Boot, o.close}, nil
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
		if err := t.removeProbeOf(ctx, r); err != nil {
			return err
		}
		// The journal goes last: it is what tells of the rest.
		return errors.Join(t.dropBackup(ctx), t.unstage(ctx))
	}
	// What is missing of the backup matters only where nothing else is left.
	missing := t.store.loadBackup(r)
	if r.Probe != "" {
		t.hostsDir = filepath.Dir(r.Probe)
	}
	r.Phase = PhaseActive
	t.restarted = r.Restart && restartedSince
	if err := t.restore(ctx); err != nil {
		return errors.Join(err, missing)
	}
	if r.Probe != "" {
		// CRI answers by now, or was not well before either.
		_ = t.cri.DropUnder(ctx, ProbeHost)
	}
	return t.dropBackup(ctx)
}

func (t *transaction) removeProbeOf(ctx context.Context, r *Record) error {
	if r.Probe == "" {
		return nil
	}
	t.hostsDir = filepath.Dir(r.Probe)
	return t.removeProbe(ctx)
}

// Recover settles what an interrupted run left, for a person at the node's own
// terminal, and says in one line what it did.
func Recover(ctx context.Context, dir string, out io.Writer) error {
	return NewEngine(dir, func(protocol.Step, string) {}, nil).recover(ctx, out, 0)
}

// recover settles the node; whoever finds it silent for half of within may end it.
func (e *Engine) recover(ctx context.Context, out io.Writer, within time.Duration) error {
	reply := e.Do(ctx, protocol.Request{Version: protocol.Version, Op: protocol.OpRecover, Run: recoverRun, ConfirmWithin: within})
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
