package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
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

const tidyHint = "the next pullway command on this node finishes it"

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
	DropUnder(ctx context.Context, host string) error
	Containers(ctx context.Context) ([]cri.Container, error)
	Ending(ctx context.Context, id string) (cri.Ending, bool, error)
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
	// mayLose tells that containers may end by a restart: somebody said so by
	// --force, or wants a run undone whatever it takes.
	mayLose bool
	// processStart is daemon.ProcessStart.
	processStart func(pid int) uint64
	// probe proves the new endpoints while the old ones are still in force; nil when
	// nothing can be proven before the swap, and for a rollback.
	probe func(ctx context.Context) ([]protocol.Proof, error)
	// prove proves what is left and returns all proofs; nil for a rollback.
	prove func(ctx context.Context) ([]protocol.Proof, error)
	// dropPulled takes away the images that proofs pulled; it may be repeated.
	dropPulled func(ctx context.Context) error
	// hands waits until the operator's side has changed the node; only for a play.
	hands func(ctx context.Context) error
	// anew reports whether the daemon is not the process that ran when all began. It
	// is nil where that cannot be told.
	anew func(ctx context.Context) bool
	// unread tells that containerd had not read its configuration when a play began.
	unread bool
	// confirm waits for the operator's word after the proof; nil commits at once.
	confirm func(ctx context.Context) error
	// deadMan watches over the transaction from outside; nil where nothing can.
	deadMan deadMan
	// tell reports a step as it begins.
	tell func(protocol.Step, string)
	now  func() time.Time
	// linger is how long files that are named no more stay for the pulls that read
	// their names before; see lingerFor.
	linger time.Duration

	swapped    time.Time
	result     protocol.Result
	restarted  bool
	unchanged  bool // by a play
	restarting atomic.Bool
	// ran are the containers that ran at ranAt, before the first restart.
	ran   map[string]workload
	ranAt time.Time
}

// The order in which a change is calm for the pulls of a node: what is new is
// proven by a pull before the first file changes (probe), then comes into force
// (swap, restart), is proven under its own name (prove) and confirmed (proven);
// what is named no more goes last of all (remove), and not before the pulls that
// read its name have read it (linger). A failure up to probe leaves
// nothing to put back.

// step is one stage: what it does and how it is taken back. Undo runs in
// reverse order over the steps that were begun, the failed one included.
type step struct {
	name protocol.Step
	do   func(context.Context) error
	undo func(context.Context) error
	// tidies tells that the undo only clears away what stands beside the node's
	// state. When it fails the node is whole all the same, and a later contact
	// clears away.
	tidies bool
}

func (t *transaction) steps() []step {
	all := []step{
		{name: protocol.StepStage, do: t.stage, undo: t.unstage, tidies: true},
		{name: protocol.StepCheck, do: t.checkCandidate},
		{name: protocol.StepBackup, do: t.backUp, undo: t.dropBackup, tidies: true},
	}
	if t.deadMan != nil {
		all = append(all, step{name: protocol.StepArm, do: t.arm, undo: t.disarm, tidies: true})
	}
	if t.probe != nil {
		all = append(all, step{name: protocol.StepProbe, do: t.proveFirst, undo: t.unprove})
	}
	commit := t.commit
	if t.record.Play != nil {
		all = append(all, step{name: protocol.StepPlay, do: t.played, undo: t.restore}, step{name: protocol.StepHealth, do: t.wellAfterPlay})
		commit = t.commitPlay
	} else {
		all = append(all, step{name: protocol.StepSwap, do: t.swap, undo: t.restore})
	}
	if t.record.Restart {
		// Taking back a restart is a restart after the files are back: restore does it.
		all = append(all, step{name: protocol.StepRestart, do: t.restart}, step{name: protocol.StepHealth, do: t.healthy})
	}
	if t.prove != nil {
		all = append(all, step{name: protocol.StepProve, do: t.proof, undo: t.unprove})
	}
	if t.leaves() {
		all = append(all, step{name: protocol.StepLinger, do: t.letPullsRead})
	}
	if t.confirm != nil {
		all = append(all, step{name: protocol.StepProven, do: t.confirm})
	}
	if t.record.Play == nil && slices.ContainsFunc(t.record.Items, Item.removes) {
		// restore puts back what was removed, too.
		all = append(all, step{name: protocol.StepRemove, do: t.remove})
	}
	return append(all, step{name: protocol.StepCommit, do: commit})
}

// run carries the transaction out. The error is the reason of a failure, joined
// with what went wrong while undoing it; the result says how the node is now.
func (t *transaction) run(ctx context.Context) (protocol.Result, error) {
	t.result.Transaction = t.record.ID
	var begun []step
	for _, s := range t.steps() {
		if ctx.Err() != nil {
			return t.fail(begun, s.name, t.record.because(ctx, s.name, nil))
		}
		t.tell(s.name, "")
		start := t.now()
		begun = append(begun, s)
		err := s.do(ctx)
		t.result.Steps = append(t.result.Steps, protocol.StepTime{Step: s.name, Took: t.now().Sub(start)})
		if err != nil && t.record.Phase != PhaseCommitted {
			return t.fail(begun, s.name, t.record.because(ctx, s.name, err))
		}
		if err != nil {
			// Past the commit point the new state stands; what is left is tidying.
			t.warn("tidy-up", oneLine(err), tidyHint)
		}
	}
	if err := t.disarm(ctx); err != nil {
		t.warn("tidy-up", oneLine(err), tidyHint)
	}
	t.result = t.told()
	return t.result, nil
}

// told is the result of a transaction that is committed.
func (t *transaction) told() protocol.Result {
	res := t.result
	res.Outcome = protocol.OutcomeApplied
	if t.record.Op == protocol.OpRollback {
		res.Outcome = protocol.OutcomeRolledBack
	}
	if t.unchanged {
		res.Outcome, res.Transaction = protocol.OutcomeUnchanged, ""
	}
	res.Changed = t.record.changed()
	res.Restarted = t.restarted
	return res
}

// keeps reports whether the change is kept for a while when the operator's
// connection ends: once containerd is being restarted for it. It may be called by
// another goroutine.
func (t *transaction) keeps() bool { return t.restarting.Load() }

func (t *transaction) warn(id, text, hint string) {
	t.result.Warnings = append(t.result.Warnings, plan.Notice{ID: id, Text: text, Hint: hint})
}

// fail undoes what was begun. It does not stop at a failed undo: each one is
// tried, and their errors join the first.
func (t *transaction) fail(begun []step, at protocol.Step, cause error) (protocol.Result, error) {
	if t.record.Phase != PhasePreparing {
		t.tell(protocol.StepUndo, "")
	}
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
		err := s.undo(ctx)
		switch {
		case err == nil:
		case s.tidies:
			t.warn("tidy-up", fmt.Sprintf("undo of %s: %s", s.name, oneLine(err)), tidyHint)
		default:
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
		return t.result, cause
	}
	t.tell(protocol.StepRestored, "")
	return t.result, cause
}
