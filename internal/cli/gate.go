package cli

import (
	"context"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/kube"
)

// gateUsage is what a command has of the cluster that gates its run.
const gateUsage = "ask this cluster before and after each node: Ready, no container restarted, no disruption budget at zero"

// gate asks the cluster about the nodes of fn, so that a run can be gated by it.
// It does nothing when no kubeconfig is given.
func (a *app) gate(ctx context.Context, f clusterFlags, fn *fleetNodes, force bool) error {
	cluster, err := f.open()
	if cluster == nil || err != nil {
		return err
	}
	look, err := kube.NewGate(ctx, cluster, a.machines(fn), force)
	if err != nil {
		return err
	}
	fn.cluster = cluster
	fn.look, fn.gate = kubeGate{look}, kubeGate{look.With(kube.Waiting)}
	return nil
}

// lookAhead asks the gate about all planned nodes, without waiting.
func (a *app) lookAhead(ctx context.Context, fn *fleetNodes, plans *fleet.Plans) {
	if fn.look == nil {
		return
	}
	progress := a.progress()
	defer progress.Close()
	plans.AskGate(ctx, fn.look, fleet.DefaultLimit, progress)
}

// kubeGate is a fleet.Gate.
type kubeGate struct{ gate *kube.Gate }

func (g kubeGate) Before(ctx context.Context, node string, restart bool) fleet.GateAnswer {
	return gateAnswer(g.gate.Before(ctx, node, restart))
}

func (g kubeGate) After(ctx context.Context, node string) fleet.GateAnswer {
	return gateAnswer(g.gate.After(ctx, node))
}

func gateAnswer(a kube.Answer) fleet.GateAnswer {
	verdict := fleet.GatePass
	switch {
	case a.Denied:
		verdict = fleet.GateDeny
	case a.Silent:
		verdict = fleet.GateSilent
	}
	return fleet.GateAnswer{Verdict: verdict, Reason: a.Reason, Hint: a.Hint, Notes: a.Notes, Unready: a.Unready}
}
