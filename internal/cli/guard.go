package cli

import (
	"context"
	"fmt"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/report"
)

// headline assesses the change of these plans. It is nil without a kubeconfig. What
// keeps it from being made is told as a warning and returned; only a guard minds.
func (a *app) headline(ctx context.Context, fn *fleetNodes, l *config.Loaded, plans []fleet.Planned, rollout *report.Rollout, noPreflight bool) (*report.Headline, error) {
	if fn.cluster == nil {
		return nil, nil
	}
	if plans == nil {
		plans = []fleet.Planned{}
	}
	result, err := a.assess(ctx, fn.cluster, assessment{spec: l, nodes: fn, plans: plans, rollout: rollout, window: impact.DefaultWindow, noPreflight: noPreflight})
	if err != nil {
		a.warn("who would be hurt is not assessed: "+err.Error(), hintOf(err))
		return nil, err
	}
	return report.NewHeadline(result), nil
}

// guard refuses a change that hurts a workload on a node whose containerd restarts.
func guard(h *report.Headline, failed error) error {
	const hint = "pullway assess -i INVENTORY tells which and what to do first; drain those nodes, or go without --guard"
	switch {
	case failed != nil:
		return &exitError{ExitFailed, fmt.Errorf("--guard: nobody knows who would be hurt: %w; nothing was changed", failed), hintOf(failed)}
	case h != nil && h.OnRestart > 0:
		return &exitError{ExitFailed, fmt.Errorf("--guard: %s would fail now or if restarted on a node whose containerd restarts; nothing was changed", report.Count(h.OnRestart, "workload")), hint}
	}
	return nil
}
