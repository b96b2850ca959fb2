package node

import (
	"context"
	"errors"

	"github.com/pullway/pullway/internal/cri"
)

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
