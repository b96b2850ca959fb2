package node

import (
	"context"
	"time"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/failpoint"
)

// pointedDaemon is a Containerd with points around what it does.
type pointedDaemon struct {
	Containerd
	hook failpoint.Hook
}

func (d pointedDaemon) Check(ctx context.Context, candidate string) (r daemon.Report, err error) {
	err = d.hook.Around("check", candidate, func() error {
		r, err = d.Containerd.Check(ctx, candidate)
		return err
	})
	return r, err
}

func (d pointedDaemon) Restart(ctx context.Context) error {
	return d.hook.Around("restart", "containerd", func() error { return d.Containerd.Restart(ctx) })
}

func (d pointedDaemon) Refresh(ctx context.Context) error {
	return d.hook.Around("find", "containerd", func() error { return d.Containerd.Refresh(ctx) })
}

// pointedCRI is a CRI with points around what it does.
type pointedCRI struct {
	CRI
	hook failpoint.Hook
}

func (c pointedCRI) Health(ctx context.Context) (h cri.Health, err error) {
	err = c.hook.Around("ask", "CRI", func() error {
		h, err = c.CRI.Health(ctx)
		return err
	})
	return h, err
}

func (c pointedCRI) WaitHealthy(ctx context.Context, want cri.Baseline, within time.Duration) (h cri.Health, gap time.Duration, err error) {
	err = c.hook.Around("await", "CRI", func() error {
		h, gap, err = c.CRI.WaitHealthy(ctx, want, within)
		return err
	})
	return h, gap, err
}

func (c pointedCRI) Pull(ctx context.Context, ref string) (p cri.Pulled, err error) {
	err = c.hook.Around("pull", ref, func() error {
		p, err = c.CRI.Pull(ctx, ref)
		return err
	})
	return p, err
}

func (c pointedCRI) Present(ctx context.Context, ref string) (ok bool, err error) {
	err = c.hook.Around("present", ref, func() error {
		ok, err = c.CRI.Present(ctx, ref)
		return err
	})
	return ok, err
}

func (c pointedCRI) DropPulled(ctx context.Context, p cri.Pulled) (gone []string, err error) {
	err = c.hook.Around("drop", p.Ref, func() error {
		gone, err = c.CRI.DropPulled(ctx, p)
		return err
	})
	return gone, err
}
