package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/pullpolicy"
)

func (a *app) policyRestoreCommand() *cobra.Command {
	var p policyFlags
	var f policyChangeFlags
	c := &cobra.Command{
		Use:   "restore [RUN | NAMESPACE/KIND/NAME…]",
		Short: "Give frozen workloads back the pull policies that they had",
		Long: `Give every frozen workload of the cluster, or those of one run or by name, exactly
what it had, after a freeze that ended well, was stopped, or was killed. What each
had is read from the workload's own annotation, so any machine can restore; where
somebody removed that, from the record of this machine.

A container whose policy somebody changed meanwhile is left and told. Other changes,
such as a new image, stay. The fields go back to the managers that had them, so
that the object's spec and managedFields are as they were.

Restoring changes the pod template again: the pods restart by a rolling update, and
with Always each of them asks its registry. So restore when pulls work. As with
freeze, one workload after the other goes, behind its budgets and its rollout.

Exit codes: 0 done, or nothing to do · 1 nothing was changed · 2 wrong usage ·
6 some workloads are restored, others are refused, stuck or not reached.`,
		Example: `  pullway policy restore --kubeconfig admin.conf
  pullway policy restore 20261124T181502Z-4f2a --kubeconfig admin.conf --yes
  pullway policy restore default/deployment/web --kubeconfig admin.conf --dry-run=server`,
		ValidArgsFunction: a.completePolicies,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(a); err != nil {
				return err
			}
			run := ""
			if len(args) == 1 && !strings.Contains(args[0], "/") {
				run, args = args[0], nil
			}
			refs, err := refsOf(args)
			if err != nil {
				return err
			}
			cluster, err := p.open()
			if err != nil {
				return err
			}
			s, err := a.beginPolicy(pullpolicy.RestoreCommand, cluster, f.dryRun != "")
			if err != nil {
				return err
			}
			defer s.end()
			frozen, err := a.frozen(cmd.Context(), cluster, &p, s.records, refs, run, len(refs) > 0)
			if err != nil {
				return err
			}
			if run != "" && len(frozen) == 0 {
				if _, known := policyRun(s.records.Store, run); !known {
					return usage(fmt.Errorf("no workload is frozen by a run %q, and this machine knows of none", run), "pullway policy status lists them; workloads are named NAMESPACE/KIND/NAME")
				}
			}
			s.run.Target = run
			for _, x := range frozen {
				s.run.Workloads = append(s.run.Workloads, x.Planned(f.force))
			}
			d := &pullpolicy.Driver{Patience: f.patience(a.limits), Force: f.force}
			return s.carryOut(cmd.Context(), d, d.Restore, "Restore", f.yes)
		},
	}
	p.register(c)
	f.register(c)
	c.Flags().BoolVar(&f.force, "force", false, "also where pods are not available, or a disruption budget allows nothing")
	return c
}

// frozen finds what is frozen, or was by a run of this machine: in the cluster by
// its annotation, and by the records what has lost that. refs and run, when not
// empty, narrow it; with others it gives also what is not frozen at all.
func (a *app) frozen(ctx context.Context, c policyCluster, p *policyFlags, records record.Policies, refs []pullpolicy.Ref, run string, others bool) ([]pullpolicy.FrozenWorkload, error) {
	var all []pullpolicy.Workload
	var err error
	if len(refs) > 0 {
		for _, r := range refs {
			w, err := c.owned(ctx, r)
			if err != nil {
				return nil, err
			}
			all = append(all, w)
		}
	} else if all, err = p.list(ctx, c, pullpolicy.Changeable, pullpolicy.Noted); err != nil {
		return nil, err
	}
	runs, damaged, err := records.List(0)
	if err != nil {
		return nil, err
	}
	for _, d := range damaged {
		a.warn(d.Error()+"; it is passed over", "the annotations on the workloads say what they had")
	}
	kept := pullpolicy.Kept(runs)
	// What the records say is frozen and the list does not have.
	if len(refs) == 0 && !p.named() {
		for _, k := range pullpolicy.Lost(kept, all) {
			w, err := c.Get(ctx, k)
			var gone interface{ Gone() bool }
			if errors.As(err, &gone) && gone.Gone() {
				continue
			}
			if err != nil {
				return nil, err
			}
			all = append(all, w)
		}
	}
	return pullpolicy.FindFrozen(pullpolicy.Distinct(all), kept, run, others), nil
}

func (a *app) completePolicies(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	store, err := a.store()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	runs, _, _ := record.Policies{Store: store}.List(20)
	var ids []string
	for _, r := range runs {
		if r.Command == pullpolicy.FreezeCommand {
			ids = append(ids, r.ID)
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
