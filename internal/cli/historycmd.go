package cli

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/pullpolicy"
	"github.com/pullway/pullway/internal/report"
)

func (a *app) historyCommand() *cobra.Command {
	var most int
	var nodes nodeFlags
	c := &cobra.Command{
		Use:   "history [RUN]",
		Short: "Show the runs that were made from this machine, or those that the nodes know",
		Long: `Show the runs that are recorded on this machine, newest first, or one of them;
freezes and restores of pull policies are among them. With
-i, --nodes or --local ask the nodes in place of this machine's records: the runs
of every operator, with when, who, and what became of each node. A node keeps its
last 20 changes, and the last 20 that it put back.

Exit code 0, or 1 when a node could not be asked.`,
		Example: `  pullway history
  pullway history last
  pullway history -i inventory/mycluster/hosts.yaml    # whoever made them
  pullway history 20261123T101502Z-4f2a -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			if nodes.named() {
				return a.knownHistory(cmd.Context(), nodes, args, most)
			}
			store, err := a.store()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				run, err := store.Get(args[0])
				if errors.Is(err, record.ErrNotFound) {
					if p, ok := policyRun(store, args[0]); ok {
						return a.show(report.NewPolicyRun(p))
					}
				}
				if err != nil {
					return runError(err)
				}
				return a.show(report.NewRun(run))
			}
			runs, damaged, err := store.List(most)
			if err != nil {
				return err
			}
			policies, alsoDamaged, err := record.Policies{Store: store}.List(most)
			if err != nil {
				return err
			}
			return a.show(report.NewHistory(runs, damaged).WithPolicies(policies, alsoDamaged, most))
		},
	}
	nodes.register(c)
	c.Flags().IntVarP(&most, "most", "n", 20, "how many runs; 0 for all")
	return c
}

// knownHistory shows the runs as the nodes know them.
func (a *app) knownHistory(ctx context.Context, nodes nodeFlags, args []string, most int) error {
	fn, err := a.load(ctx, nodes)
	if err != nil {
		return err
	}
	run := ""
	if len(args) == 1 {
		run = args[0]
	}
	h := report.NewKnownHistory(a.ask(ctx, fn, protocol.Request{Op: protocol.OpStatus}, 0), run, most)
	if err := a.show(h); err != nil {
		return err
	}
	if len(h.Unasked) > 0 {
		return verdict(ExitFailed)
	}
	return nil
}

// policyRun is the freeze or restore of that id.
func policyRun(store record.Store, id string) (*pullpolicy.Run, bool) {
	runs, _, _ := record.Policies{Store: store}.List(0)
	i := slices.IndexFunc(runs, func(r *pullpolicy.Run) bool { return r.ID == id })
	if i < 0 {
		return nil, false
	}
	return runs[i], true
}

func (a *app) store() (record.Store, error) {
	dir, err := stateDir(os.LookupEnv, os.UserHomeDir)
	return record.Store{Dir: dir}, err
}

func runError(err error) error {
	if errors.Is(err, record.ErrNotFound) {
		return usage(err, "pullway history lists them")
	}
	return err
}

func (a *app) completeRuns(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	store, err := a.store()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	runs, _, _ := store.List(20)
	ids := []string{"last"}
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
