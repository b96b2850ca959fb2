package node

import (
	"context"
	"errors"
	"fmt"
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
