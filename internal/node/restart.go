package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
)

func (t *transaction) restart(ctx context.Context) (err error) {
	if t.baseline != nil {
		if t.ran, err = t.workloads(ctx); err != nil {
			return err
		}
	}
	// From here on the change is kept for a while when the operator's connection ends.
	t.restarting.Store(true)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t.record.Restarting = true
	if err := t.enter(t.record.Phase); err != nil {
		return err
	}
	t.ranAt = t.now()
	want := t.want()
	if t.toUnwell {
		want = nil
	}
	f, err := t.restartOnce(ctx, want)
	if err != nil || len(f.lost) == 0 {
		return err
	}
	told := fmt.Sprintf("%s: %s", errWorkloads, someOf(f.lost))
	if t.mayLose {
		t.warn("workloads", told, "")
		return nil
	}
	return &protocol.Error{Kind: protocol.ErrFailed, Text: told,
		Hint: "a restart of containerd is not harmless on this node: drain its like before they are changed, and use --force"}
}

// restartAfterUndo lets containerd read the former state again.
func (t *transaction) restartAfterUndo(ctx context.Context) error {
	if t.ran == nil {
		// Not told apart from none when CRI does not answer: the node has to be put back.
		t.ran, _ = t.workloads(ctx)
		t.ranAt = t.now()
	}
	// Where CRI was not well before either, it is enough that the bytes are back.
	f, err := t.restartOnce(ctx, t.baseline)
	if len(f.lost) > 0 {
		t.warn("workloads", fmt.Sprintf("%s until it was put back: %s", errWorkloads, someOf(f.lost)), "")
	}
	return err
}

// restartOnce restarts containerd and waits until CRI is as wanted, or for
// nothing when want is nil. It notes the gap, and tells what became of the
// containers that ran before the first restart.
func (t *transaction) restartOnce(ctx context.Context, want *cri.Baseline) (f fates, err error) {
	stop := t.cri.Watch(ctx)
	defer func() { t.result.RestartGap = max(t.result.RestartGap, stop()) }()
	t.restarted = true
	t.result.Restarts++
	if err := t.daemon.Restart(ctx); err != nil {
		return f, err
	}
	if err := t.daemon.Refresh(ctx); err != nil {
		return f, err
	}
	if want == nil {
		return f, nil
	}
	// The gap ends with the first healthy answer; healthy asks again for the verdict.
	if _, _, err := t.cri.WaitHealthy(ctx, *want, healthWithin); err != nil {
		return f, err
	}
	f, err = t.compareWorkloads(ctx, t.ran, t.ranAt, t.now())
	t.result.Kept = f.kept
	if len(f.doubtful) > 0 {
		t.warn("ended-unseen", "ended while containerd restarted, their pods run on: "+someOf(f.doubtful), "most likely they ended by themselves; look at them if they should not have")
	}
	return f, err
}

// want is the health to come back to.
func (t *transaction) want() *cri.Baseline {
	if t.baseline == nil {
		return &cri.Baseline{}
	}
	return t.baseline
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
	if ok, why := h.Meets(*t.want()); !ok {
		return errors.New(why)
	}
	return nil
}

func (t *transaction) proveFirst(ctx context.Context) (err error) {
	t.result.Proofs, err = t.probe(ctx)
	return err
}

func (t *transaction) proof(ctx context.Context) (err error) {
	t.result.Proofs, err = t.prove(ctx)
	return err
}

// unprove leaves nothing of a proof, whether or not it came to its end. An image
// that stays does not make a node broken.
func (t *transaction) unprove(ctx context.Context) error {
	if t.dropPulled != nil {
		if err := t.dropPulled(ctx); err != nil {
			t.warn("tidy-up", err.Error(), "the image of the proof is left; kubelet collects it in time")
		}
	}
	return t.removeProbe(ctx)
}

func (t *transaction) removeProbe(context.Context) error {
	if t.record.Probe == "" {
		return nil
	}
	return errors.Join(t.store.disk.discard(t.record.Probe), t.store.disk.discard(probeStage(t.hostsDir)))
}
