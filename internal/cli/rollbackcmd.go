package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
)

func (a *app) rollbackCommand() *cobra.Command {
	var nodes nodeFlags
	var yes, force bool
	c := &cobra.Command{
		Use:   "rollback [RUN]",
		Short: "Undo a run: every byte, mode and owner as before",
		Long: `Undo a run on its nodes, the last one when none is named. Each node brings back
what it backed up, restarts containerd only if the run did, and checks that CRI
is healthy. Nodes of the run that the inventory does not have are left out and
told. A rollback is a run of its own, with its own record and backup.`,
		Example: `  pullway rollback last -i inventory/mycluster/hosts.yaml
  pullway rollback 20261123T101502Z-4f2a -i hosts.yaml --limit node1 --yes`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.mustAsk(yes); err != nil {
				return err
			}
			fn, err := a.load(cmd.Context(), nodes)
			if err != nil {
				return err
			}
			old, err := a.pickRun(args)
			if err != nil {
				return err
			}
			if old, err = a.onlyKnown(old, fn); err != nil {
				return err
			}
			if err := a.confirm(yes, fmt.Sprintf("Undo run %s on %d nodes?", old.ID, len(old.Nodes))); err != nil {
				return err
			}
			pol := old.Policy
			pol.Canary = 0 // what is put back worked before
			return a.run(cmd.Context(), fn, fleet.Run{Command: "rollback", Name: old.Name, SpecDigest: old.SpecDigest, Policy: pol},
				func(ctx context.Context, d *fleet.Driver, o fleet.Options) (*fleet.Run, error) {
					o.Request = protocol.Request{Force: force}
					return d.Rollback(ctx, o, old)
				})
		},
	}
	nodes.register(c)
	c.Flags().BoolVar(&force, "force", false, "undo also what repaired a node whose CRI was not healthy before")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// pickRun finds the run to undo: the one named, or the newest apply that still
// has something to undo.
func (a *app) pickRun(args []string) (*fleet.Run, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	if len(args) == 1 && args[0] != "last" {
		run, err := store.Get(args[0])
		return run, runError(err)
	}
	runs, _, err := store.List(0)
	if err != nil {
		return nil, err
	}
	undone := map[string]bool{}
	for _, r := range runs {
		if r.Command == "rollback" && r.Outcome == fleet.Done {
			undone[r.Target] = true
		}
		if r.Command != "apply" || undone[r.ID] {
			continue
		}
		for _, n := range r.Nodes {
			if n.Phase == fleet.Applied || n.Phase == fleet.Lost || n.Phase == fleet.Broken || n.Phase.InFlight() {
				return r, nil
			}
		}
	}
	return nil, usage(fmt.Errorf("no run of this machine has anything to undo"), "pullway history lists the runs")
}

// onlyKnown leaves out nodes of the run that were not named this time.
func (a *app) onlyKnown(old *fleet.Run, fn *fleetNodes) (*fleet.Run, error) {
	some := *old
	some.Nodes = nil
	for _, n := range old.Nodes {
		if _, ok := fn.connector.targets[n.Name]; ok {
			some.Nodes = append(some.Nodes, n)
			continue
		}
		if n.Phase == fleet.Applied {
			a.warn(fmt.Sprintf("node %s of run %s is not among the nodes named now, and keeps its change", n.Name, old.ID), "")
		}
	}
	if len(some.Nodes) == 0 {
		return nil, usage(fmt.Errorf("none of the nodes named now took part in run %s", old.ID), "")
	}
	return &some, nil
}
