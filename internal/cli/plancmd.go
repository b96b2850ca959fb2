package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
)

// changeFlags let a plan go further than by default.
type changeFlags struct {
	adopt, force bool
}

func (g *changeFlags) register(c *cobra.Command) {
	c.Flags().BoolVar(&g.adopt, "adopt", false, "take over host directories that others wrote, and files that were changed since (a backup is kept)")
	c.Flags().BoolVar(&g.force, "force", false, "pass over problems that may be passed over; the plan shows them as warnings")
}

func (a *app) planCommand() *cobra.Command {
	var spec specFlags
	var nodes nodeFlags
	var change changeFlags
	var exitCode bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would change on each node, and why; change nothing",
		Long: `Show what apply would change on each node: files with their differences (secrets
masked), whether containerd restarts and why, and what forbids the change.
Nodes with the same plan are shown together. Nothing is changed.

Exit code 0, or with --exit-code 3 when changes are pending; 1 when a node
could not be asked or would be refused.`,
		Example: `  pullway plan -f pullway.yaml -i inventory/mycluster/hosts.yaml
  pullway plan -f pullway.yaml --nodes node1,node2 -o json > plan.json
  pullway plan -f pullway.yaml -i hosts.yaml --exit-code    # 3 = changes pending`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			l, plans, _, err := a.plan(ctx, spec, nodes, change, false)
			if err != nil {
				return err
			}
			defer plans.Close() //nolint:errcheck // nothing was asked that could be lost
			p := report.NewPlan(l.Desired.Name, l.Digest, plans.Nodes)
			if err := a.show(p); err != nil {
				return err
			}
			switch {
			case p.Summary.Failed+p.Summary.Refused > 0:
				return verdict(ExitFailed)
			case exitCode && p.Summary.Change > 0:
				return verdict(ExitPending)
			}
			return nil
		},
	}
	spec.register(c)
	nodes.register(c)
	change.register(c)
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 3 when changes are pending")
	return c
}

// plan reads the spec and asks every node for its plan. settle lets interrupted
// nodes put themselves in order first.
func (a *app) plan(ctx context.Context, s specFlags, n nodeFlags, g changeFlags, settle bool) (*config.Loaded, *fleet.Plans, *fleetNodes, error) {
	l, err := a.spec(ctx, s)
	if err != nil {
		return nil, nil, nil, err
	}
	nodes, err := a.load(ctx, n)
	if err != nil {
		return nil, nil, nil, err
	}
	progress := a.progress()
	wire := l.Desired.ToWire()
	p := &fleet.Planner{Connector: nodes.connector, Observer: progress, Settle: settle}
	plans, err := p.Plan(ctx, nodes.targets, protocol.Request{Desired: &wire, Adopt: g.adopt, Force: g.force})
	progress.Close()
	if err != nil {
		return nil, nil, nil, usage(fmt.Errorf("inventory: %w", err), "")
	}
	return l, plans, nodes, nil
}
