package cli

import (
	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/report"
)

func (a *app) policyStatusCommand() *cobra.Command {
	var p policyFlags
	var exitCode bool
	c := &cobra.Command{
		Use:   "status [NAMESPACE/KIND/NAME…]",
		Short: "Show which workloads are frozen, since when, and what became of them",
		Long: `Show the frozen workloads of the cluster: since when, by whom, what each container
had, and whether somebody changed it meanwhile. Nothing is changed.

Exit code 0, or with --exit-code 3 when a workload is frozen.`,
		Example: `  pullway policy status --kubeconfig admin.conf
  pullway policy status --namespace shop --kubeconfig admin.conf -o json
  pullway policy status --kubeconfig admin.conf --exit-code    # 3 = something is frozen`,
		RunE: func(cmd *cobra.Command, args []string) error {
			refs, err := refsOf(args)
			if err != nil {
				return err
			}
			cluster, err := p.open()
			if err != nil {
				return err
			}
			store, err := a.store()
			if err != nil {
				return err
			}
			frozen, err := a.frozen(cmd.Context(), cluster, &p, record.Policies{Store: store}, refs, "", false)
			if err != nil {
				return err
			}
			if err := a.show(report.NewPolicyStatus(cluster.Server(), frozen)); err != nil {
				return err
			}
			if exitCode && len(frozen) > 0 {
				return verdict(ExitPending)
			}
			return nil
		},
	}
	p.register(c)
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 3 when a workload is frozen")
	return c
}
