package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// healthWithin is how long CRI may take to answer after a restart. kubelet calls
// the runtime down after 30 s without a good status.
const healthWithin = 20 * time.Second

// undoWithin bounds an undo. It runs on a context of its own: an undo goes on
// when the caller is gone.
const undoWithin = 90 * time.Second

// Containerd is the running daemon as the transaction needs it.
type Containerd interface {
	Check(ctx context.Context, candidate string) (daemon.Report, error)
	Restart(ctx context.Context) error
	Refresh(ctx context.Context) error
}

// CRI is the daemon's socket as the transaction needs it.
type CRI interface {
	Health(ctx context.Context) (cri.Health, error)
	WaitHealthy(ctx context.Context, want cri.Baseline, within time.Duration) (cri.Health, time.Duration, error)
	Watch(ctx context.Context) (stop func() time.Duration)
	Pull(ctx context.Context, ref string) (cri.Pulled, error)
	Present(ctx context.Context, ref string) (bool, error)
	DropPulled(ctx context.Context, p cri.Pulled) ([]string, error)
}

// transaction changes one node and puts it back when anything fails.
type transaction struct {
	store  store
	record *Record
	daemon Containerd
	cri    CRI
	// hostsDir is the hosts directory that the items belong to.
	hostsDir string
	// baseline is CRI's health before; nil when CRI was not well, in which case a
	// plain healthy answer is asked for after a restart and nothing after an undo.
	baseline *cri.Baseline
	// toUnwell tells that the way leads back to a state in which CRI was not well:
	// health is not asked for after the restart.
	toUnwell bool
	// prove pulls the verify images; nil for a rollback.
	prove func(ctx context.Context) ([]protocol.Proof, error)
	// confirm waits for the operator's word after the proof; nil commits at once.
	confirm func(ctx context.Context) error
	// deadMan watches over the transaction from outside; nil where nothing can.
	deadMan deadMan
	// silence after which the engine counts as dead.
	silence time.Duration
	// tell reports a step as it begins.
	tell func(protocol.Step, string)
	now  func() time.Time

	result      protocol.Result
	restarted   bool
	stopBeating func()
}

// step is one stage: what it does and how it is taken back. Undo runs in
// reverse order over the steps that were begun, the failed one included.
type step struct {
	name protocol.Step
	do   func(context.Context) error
	undo func(context.Context) error
}

func (t *transaction) steps() []step {
	all := []step{
		{protocol.StepStage, t.stage, t.unstage},
		{protocol.StepCheck, t.checkCandidate, nil},
		{protocol.StepBackup, t.backUp, t.dropBackup},
	}
	if t.deadMan != nil {
		all = append(all, step{protocol.StepArm, t.arm, t.disarm})
	}
	all = append(all, step{protocol.StepSwap, t.swap, t.restore})
	if t.record.Restart {
		// Taking back a restart is a restart after the files are back: restore does it.
		all = append(all, step{protocol.StepRestart, t.restart, nil}, step{protocol.StepHealth, t.healthy, nil})
	}
	if t.prove != nil {
		all = append(all, step{protocol.StepProve, t.proof, t.removeProbe})
	}
	if t.confirm != nil {
		all = append(all, step{protocol.StepProven, t.confirm, nil})
	}
	return append(all, step{protocol.StepCommit, t.commit, nil})
}

// run carries the transaction out. The error is the reason of a failure, joined
// with what went wrong while undoing it; the result says how the node is now.
func (t *transaction) run(ctx context.Context) (protocol.Result, error) {
	t.result.Transaction = t.record.ID
	var begun []step
	for _, s := range t.steps() {
		if err := ctx.Err(); err != nil {
			return t.fail(begun, s.name, err)
		}
		t.tell(s.name, "")
		start := t.now()
		begun = append(begun, s)
		err := s.do(ctx)
		t.result.Steps = append(t.result.Steps, protocol.StepTime{Step: s.name, Took: t.now().Sub(start)})
		if err != nil && t.record.Phase != PhaseCommitted {
			return t.fail(begun, s.name, err)
		}
		if err != nil {
			// Past the commit point the new state stands; what is left is tidying.
			t.warn("tidy-up", err.Error(), "the next pullway command on this node finishes it")
		}
	}
	if err := t.disarm(ctx); err != nil {
		t.warn("tidy-up", err.Error(), "")
	}
	t.result.Outcome = protocol.OutcomeApplied
	if t.record.Op == protocol.OpRollback {
		t.result.Outcome = protocol.OutcomeRolledBack
	}
	for _, item := range t.record.Items {
		t.result.Changed = append(t.result.Changed, item.Target)
	}
	t.result.Restarted = t.restarted
	return t.result, nil
}

func (t *transaction) warn(id, text, hint string) {
	t.result.Warnings = append(t.result.Warnings, plan.Notice{ID: id, Text: text, Hint: hint})
}

// fail undoes what was begun. It does not stop at a failed undo: each one is
// tried, and their errors join the first.
func (t *transaction) fail(begun []step, at protocol.Step, cause error) (protocol.Result, error) {
	t.tell(protocol.StepUndo, "")
	ctx, cancel := context.WithTimeout(context.Background(), undoWithin)
	defer cancel()
	t.result.Failed = at
	t.result.Outcome = protocol.OutcomeRestored
	t.result.Restarted = t.restarted
	var undoErrs []error
	for _, s := range slices.Backward(begun) {
		if s.undo == nil {
			continue
		}
		if err := s.undo(ctx); err != nil {
			undoErrs = append(undoErrs, fmt.Errorf("undo of %s: %w", s.name, err))
		}
	}
	t.result.Restarted = t.restarted
	if len(undoErrs) > 0 {
		t.result.Outcome = protocol.OutcomeBroken
		return t.result, errors.Join(append([]error{cause}, undoErrs...)...)
	}
	if t.record.Phase == PhasePreparing {
		// Nothing but temporary files had been written.
		t.result.Outcome = protocol.OutcomeRefused
	}
	t.tell(protocol.StepRestored, "")
	return t.result, cause
}

// stage writes the journal and builds every new state beside its target.
func (t *transaction) stage(context.Context) error {
	t.record.Phase = PhasePreparing
	if err := t.store.writeJournal(t.record); err != nil {
		return err
	}
	for _, item := range t.record.Items {
		if err := t.store.disk.prepare(item); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) unstage(context.Context) error {
	var errs []error
	for _, item := range t.record.Items {
		errs = append(errs, t.store.disk.clear(item))
	}
	if t.record.Phase == PhasePreparing {
		errs = append(errs, t.store.dropJournal())
	}
	return errors.Join(errs...)
}

// checkCandidate asks the daemon's own binary about a new root configuration
// file before it is live. A changed drop-in can only be asked about in its
// place; swap does that before any restart.
func (t *transaction) checkCandidate(ctx context.Context) error {
	for _, item := range t.record.Items {
		if item.Target == t.record.ConfigFile && exists(item.Staged) {
			return t.check(ctx, item.Staged)
		}
	}
	return nil
}

func (t *transaction) check(ctx context.Context, path string) error {
	r, err := t.daemon.Check(ctx, path)
	if err != nil {
		return err
	}
	if r.OK() {
		return nil
	}
	at := t.record.ConfigFile
	if r.Row > 0 {
		at = fmt.Sprintf("%s:%d:%d", at, r.Row, r.Column)
	}
	return &protocol.Error{Kind: protocol.ErrFailed, Text: fmt.Sprintf("containerd's own binary refuses the new %s: %s", at, r.Error),
		Hint: "look whether the line was there before; if so containerd will not start again as it is: mend it, then plan again"}
}

func (t *transaction) backUp(context.Context) error { return t.store.backUp(t.record) }

// arm begins the signs of life and sets the switch that waits for their end.
func (t *transaction) arm(ctx context.Context) error {
	t.stopBeating = t.store.keepBeating(t.silence / 5)
	return t.deadMan.Arm(ctx)
}

func (t *transaction) disarm(ctx context.Context) error {
	if t.deadMan == nil {
		return nil
	}
	err := t.deadMan.Disarm(context.WithoutCancel(ctx))
	if t.stopBeating != nil {
		t.stopBeating()
		t.stopBeating = nil
	}
	return err
}

func (t *transaction) dropBackup(context.Context) error {
	if t.record.Phase == PhaseBroken {
		return nil // it is all that is left of the former state
	}
	return t.store.disk.removeTree(t.store.transactionDir(t.record.ID))
}

// swap makes the journal active, from which moment the transaction is bound to
// be undone or committed, and brings every target to its new state.
func (t *transaction) swap(ctx context.Context) error {
	t.record.Phase = PhaseActive
	if err := t.store.writeJournal(t.record); err != nil {
		t.record.Phase = PhasePreparing
		return err
	}
	for _, dir := range t.record.MadeDirs {
		if err := t.store.disk.mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	dropIn := false
	for _, item := range t.record.Items {
		now, err := TakeEntry(item.Target)
		if err != nil {
			return err
		}
		if !now.Same(item.Before) {
			return fmt.Errorf("%s was changed by somebody else a moment ago", item.Target)
		}
		if err := t.store.disk.apply(item); err != nil {
			return err
		}
		dropIn = dropIn || item.Config && item.Target != t.record.ConfigFile
	}
	if dropIn {
		return t.check(ctx, t.record.ConfigFile)
	}
	return nil
}

func (t *transaction) restart(ctx context.Context) error {
	stop := t.cri.Watch(ctx)
	defer func() { t.result.RestartGap = stop() }()
	t.restarted = true
	if err := t.daemon.Restart(ctx); err != nil {
		return err
	}
	if err := t.daemon.Refresh(ctx); err != nil {
		return err
	}
	if t.toUnwell {
		return nil
	}
	// The gap ends with the first healthy answer; healthy asks again for the verdict.
	_, _, err := t.cri.WaitHealthy(ctx, t.want(), healthWithin)
	return err
}

// want is the health to come back to.
func (t *transaction) want() cri.Baseline {
	if t.baseline == nil {
		return cri.Baseline{}
	}
	return *t.baseline
}

func (t *transaction) healthy(ctx context.Context) error {
	if t.toUnwell {
		t.warn("unwell", "CRI is as it was before the run that was undone: not healthy", "apply repairs it")
		return nil
	}
	h, err := t.cri.Health(ctx)
	if err != nil {
		return err
	}
	if ok, why := h.Meets(t.want()); !ok {
		return errors.New(why)
	}
	return nil
}

func (t *transaction) proof(ctx context.Context) error {
	proofs, err := t.prove(ctx)
	t.result.Proofs = proofs
	return err
}

func (t *transaction) removeProbe(context.Context) error {
	if t.record.Probe == "" {
		return nil
	}
	return errors.Join(t.store.disk.discard(t.record.Probe), t.store.disk.discard(probeStage(t.hostsDir)))
}

// commit makes the new state the one that wins, then writes the record and the
// manifest, and tidies up. Only the first write can fail the transaction.
func (t *transaction) commit(context.Context) error {
	t.record.Phase = PhaseCommitted
	t.record.Outcome = protocol.OutcomeApplied
	if t.record.Op == protocol.OpRollback {
		t.record.Outcome = protocol.OutcomeRolledBack
	}
	t.record.Ended = t.now()
	if err := t.store.writeJournal(t.record); err != nil {
		t.record.Phase = PhaseActive
		return err
	}
	return finish(t.store, t.record)
}

// finish does what follows the commit point; it may be repeated.
func finish(s store, r *Record) error {
	var errs []error
	for _, item := range r.Items {
		errs = append(errs, s.disk.clear(item))
	}
	if r.Probe != "" {
		errs = append(errs, s.disk.discard(r.Probe), s.disk.discard(probeStage(filepath.Dir(r.Probe))))
	}
	errs = append(errs, s.save(s.path("manifest.json"), r.After), s.writeRecord(r))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := s.dropJournal(); err != nil {
		return err
	}
	return s.prune(r.ID)
}

// restore is the undo of swap, of a restart, and of a crash: it brings every
// target to its former state in reverse order, reached or not, removes the
// folders that were made, and restarts containerd when it was restarted or may
// have read the new state.
func (t *transaction) restore(ctx context.Context) error {
	if t.record.Phase == PhasePreparing {
		return nil
	}
	var errs []error
	for _, item := range slices.Backward(t.record.Items) {
		errs = append(errs, t.store.disk.restore(item))
	}
	for _, dir := range slices.Backward(t.record.MadeDirs) {
		if err := t.store.disk.remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.record.Phase = PhaseBroken
		return errors.Join(err, t.store.writeJournal(t.record))
	}
	if t.record.Restart && t.restarted {
		if err := t.restartAfterUndo(ctx); err != nil {
			t.record.Phase = PhaseBroken
			return errors.Join(err, t.store.writeJournal(t.record))
		}
	}
	t.record.Phase = PhaseUndone
	t.record.Outcome = protocol.OutcomeRestored
	t.record.Ended = t.now()
	return t.store.dropJournal()
}

func (t *transaction) restartAfterUndo(ctx context.Context) error {
	if err := t.daemon.Restart(ctx); err != nil {
		return err
	}
	if err := t.daemon.Refresh(ctx); err != nil {
		return err
	}
	if t.baseline == nil {
		return nil // CRI was not well before either; the bytes are back
	}
	_, _, err := t.cri.WaitHealthy(ctx, *t.baseline, healthWithin)
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
