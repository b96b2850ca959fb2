package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/kube"
)

// gateFlags name the cluster that is asked about the nodes.
type gateFlags struct {
	kubeconfig, context string
}

func (g *gateFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&g.kubeconfig, "kubeconfig", "", "ask this cluster before and after each node: Ready, no container restarted, no disruption budget at zero ($KUBECONFIG is not looked at)")
	c.Flags().StringVar(&g.context, "context", "", "context of the kubeconfig, in place of its current one")
	_ = c.MarkFlagFilename("kubeconfig")
}

// gate asks the cluster about the nodes of fn, so that a run can be gated by it.
// It does nothing when no kubeconfig is given: a variable that was left in the
// shell must not decide which cluster judges the nodes.
func (a *app) gate(ctx context.Context, g gateFlags, fn *fleetNodes, force bool) error {
	if g.kubeconfig == "" {
		if g.context != "" {
			return usage(errors.New("--context needs --kubeconfig"), "")
		}
		return nil
	}
	cluster, err := kube.Open(g.kubeconfig, g.context)
	if err != nil {
		return usage(err, "")
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
