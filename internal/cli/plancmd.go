package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/kubespray"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
)

// changeFlags let a plan go further than by default.
type changeFlags struct {
	overwrite, adopt, force bool
	// kubespray is set when files shall be as Kubespray writes them, and play when its
	// own playbook shall do it.
	kubespray *plan.Kubespray
	play      bool
	// mend is set for doctor --fix: the plan mends what is mechanical.
	mend *protocol.Mend
}

func (g *changeFlags) register(c *cobra.Command) {
	c.Flags().BoolVar(&g.overwrite, "overwrite", false, "write anew what somebody changed or removed since Pullway wrote it (a backup is kept)")
	c.Flags().BoolVar(&g.adopt, "adopt", false, "take over host directories that others wrote, and with --kubespray remove those it left (a backup is kept); includes --overwrite")
	c.Flags().BoolVar(&g.force, "force", false, "pass over problems that may be passed over; the plan shows them as warnings")
}

func (a *app) planCommand() *cobra.Command {
	var spec specFlags
	var nodes nodeFlags
	var change changeFlags
	var gate clusterFlags
	var ks alongsideFlags
	var exitCode bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would change on each node, and why; change nothing",
		Long: `Show what apply would change on each node: files with their differences (secrets
masked), whether containerd restarts and why, and what forbids the change.
Nodes with the same plan are shown together, and then the order in which they
would go. With --kubeconfig it shows what Kubernetes says and how many workloads
would be hurt, too; see assess. Nothing is changed.

What somebody changed since Pullway wrote it is refused, with the difference and,
where its marks tell, who did it; --overwrite plans it as the spec says. Host
directories that others wrote stay refused unless --adopt takes them over.

With --kubespray files are planned as that Kubespray would write them, and the
change of its variables is shown, too; see apply.

Exit code 0, or with --exit-code 3 when changes are pending; 1 when a node
could not be asked or would be refused.`,
		Example: `  pullway plan -f pullway.yaml -i inventory/mycluster/hosts.yaml
  pullway plan -f pullway.yaml --nodes node1,node2 -o json > plan.json
  pullway plan -f pullway.yaml -i hosts.yaml --exit-code    # 3 = changes pending`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			l, plans, fn, vars, err := a.plan(ctx, spec, nodes, change, gate, ks)
			if err != nil {
				return err
			}
			defer plans.Close() //nolint:errcheck // nothing was asked that could be lost
			p := report.NewPlan(l.Desired.Name, l.Digest, plans.Nodes)
			p.Rollout = report.NewRollout(plans.State(), policy(l.Rollout, len(fn.targets)))
			p.Impact, _ = a.headline(ctx, fn, l, plans.Nodes, p.Rollout, spec.noPreflight)
			if err := a.show(p); err != nil {
				return err
			}
			vars.show()
			switch {
			case p.Summary.Failed+p.Summary.Refused > 0:
				return verdict(ExitFailed)
			case exitCode && p.Summary.Change+vars.pending() > 0:
				return verdict(ExitPending)
			}
			return nil
		},
	}
	spec.register(c)
	nodes.register(c)
	change.register(c)
	gate.register(c, gateUsage)
	ks.register(c)
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 3 when changes are pending")
	return c
}

// plan reads the spec and asks every node for its plan.
func (a *app) plan(ctx context.Context, s specFlags, n nodeFlags, g changeFlags, k clusterFlags, ks alongsideFlags) (*config.Loaded, *fleet.Plans, *fleetNodes, *alongside, error) {
	if err := ks.ready(n); err != nil {
		return nil, nil, nil, nil, err
	}
	l, nodes, err := a.specAndNodes(ctx, s, n)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	vars, err := a.alongside(ctx, ks, n, l, kubespray.Vault{})
	if err != nil {
		return nil, nil, nil, nil, err
	}
	g.kubespray = vars.way()
	if err := a.gate(ctx, k, nodes, g.force); err != nil {
		return nil, nil, nil, nil, err
	}
	plans, err := a.planNodes(ctx, l, nodes, g, false)
	return l, plans, nodes, vars, err
}

// specAndNodes reads the spec and then the inventory, in the groups of the spec.
func (a *app) specAndNodes(ctx context.Context, s specFlags, n nodeFlags) (*config.Loaded, *fleetNodes, error) {
	l, err := a.spec(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	nodes, err := a.load(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	return l, nodes, a.group(nodes, l.Rollout.Groups)
}

// planNodes asks every node for its plan. settle lets interrupted nodes put
// themselves in order first.
func (a *app) planNodes(ctx context.Context, l *config.Loaded, nodes *fleetNodes, g changeFlags, settle bool) (*fleet.Plans, error) {
	progress := a.progress()
	wire := l.Desired.ToWire()
	p := &fleet.Planner{Connector: nodes.connector, Observer: progress, Settle: settle, Timeouts: a.limits.timeouts}
	plans, err := p.Plan(ctx, nodes.targets, protocol.Request{Operator: operator(), Desired: &wire, Overwrite: g.overwrite, Adopt: g.adopt, Force: g.force, Kubespray: g.kubespray, Play: g.play, Mend: g.mend})
	progress.Close()
	if err != nil {
		return nil, usage(fmt.Errorf("inventory: %w", err), "")
	}
	a.lookAhead(ctx, nodes, plans)
	return plans, nil
}
