package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/pullpolicy"
	"github.com/pullway/pullway/internal/report"
)

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Freeze imagePullPolicy Always to IfNotPresent while registries change, and restore it",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.policyFreezeCommand(), a.policyStatusCommand(), a.policyRestoreCommand(), a.policyRoleCommand())
	return c
}

func (a *app) policyRoleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "role",
		Short: "Print the ClusterRole with the rights that policy needs, and no more",
		Long: `Print a ClusterRole with the rights that freeze, status and restore need. Bind it to
a user or a service account, in single namespaces by a RoleBinding or everywhere;
nodes are read in the whole cluster. It can change existing workloads and create
or delete nothing.`,
		Example: "  pullway policy role | kubectl apply -f -",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(a.streams.Out, pullpolicy.Role)
			return err
		},
	}
}

// policySession is one freeze or restore: the record and the lock.
type policySession struct {
	*app
	records record.Policies
	lock    *record.Lock
	run     *pullpolicy.Run
	cluster policyCluster
}

// beginPolicy takes the lock of this machine's records, unless nothing will be
// written.
func (a *app) beginPolicy(command string, c policyCluster, dryRun bool) (*policySession, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	now := a.now()
	s := &policySession{app: a, records: record.Policies{Store: store}, cluster: c,
		run: &pullpolicy.Run{Schema: pullpolicy.RunSchema, ID: record.NewID(now), Command: command, Server: c.Server(),
			Operator: operator(), Version: Version(), Started: now.UTC(), DryRun: dryRun, Workloads: []pullpolicy.WorkloadRun{}}}
	if dryRun {
		return s, nil
	}
	s.lock, err = store.Lock(holderOf(s.run.Operator, s.run.ID, command, now))
	return s, err
}

func (s *policySession) end() {
	if s.lock != nil {
		_ = s.lock.Unlock()
	}
}

// notKept is the record of a dry run.
type notKept struct{}

func (notKept) Save(*pullpolicy.Run) error { return nil }

// drive works on the run with progress and Ctrl-C, and shows what came of it.
func (s *policySession) drive(ctx context.Context, d *pullpolicy.Driver, do func(context.Context, *pullpolicy.Run) error) error {
	ctx, stop, done := s.stoppingBy(ctx, stopWords{
		first:  "stopping after the workload in flight; Ctrl-C again does not wait for its rollout",
		second: "not waiting any more; a rollout that was begun goes on by itself",
		more:   "already stopping after the workload in flight",
		most:   "already stopping without waiting",
	})
	defer done()
	progress := s.progress()
	defer progress.Close()
	d.Cluster, d.Recorder, d.Observer, d.Stop, d.Now = s.cluster, s.records, policyProgress{progress}, stop, s.now
	if s.run.DryRun {
		d.Recorder = notKept{}
	}
	failed := do(ctx, s.run)
	progress.Close()
	if err := s.show(report.NewPolicyRun(s.run)); err != nil {
		return err
	}
	code := s.run.Outcome.ExitCode()
	if failed != nil {
		return &exitError{max(ExitFailed, code), failed, "what was frozen says so itself: pullway policy status"}
	}
	return verdict(code)
}

// policyProgress tells of workloads as of nodes.
type policyProgress struct{ *report.Progress }

func (p policyProgress) Working(workload, text string) { p.Doing(workload, text) }

func (p policyProgress) Ended(workload string, phase pullpolicy.Phase, text string) {
	p.Told(workload, report.PolicyPhase(phase), text)
}
