package cli

import "github.com/spf13/cobra"

func (a *app) rollbackCommand() *cobra.Command {
	var nodes nodeFlags
	var gate clusterFlags
	var yes, force, overwrite bool
	c := &cobra.Command{
		Use:   "rollback [RUN]",
		Short: "Undo a run: every byte, mode and owner as before",
		Long: `Undo a run on its nodes, the last one when none is named. Each node brings back
what it backed up, restarts containerd only if the run did, and checks that CRI
is healthy. Nodes of the run that the inventory does not have are left out and
told. A rollback is a run of its own, with its own record and backup.

The nodes are asked first what they hold of the run: they know better than this
machine's record of it, and runs that were made from another machine are undone
as well. A rollback that was cut off is gone on with by the same command.

A node on which somebody changed a file of the run since refuses, so that the
change is not lost; --overwrite rolls back over it and keeps it in the backup.`,
		Example: `  pullway rollback last -i inventory/mycluster/hosts.yaml
  pullway rollback 20261123T101502Z-4f2a -i hosts.yaml --limit node1 --yes
  pullway history -i hosts.yaml         # runs of other machines too; any of them can be named`,
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
			if err := a.gate(cmd.Context(), gate, fn, force); err != nil {
				return err
			}
			s, err := a.begin("rollback", fn)
			if err != nil {
				return err
			}
			defer s.end()
			ref := "last"
			if len(args) == 1 {
				ref = args[0]
			}
			return (&undoing{session: s, force: force, overwrite: overwrite, yes: yes}).do(cmd.Context(), ref)
		},
	}
	nodes.register(c)
	gate.register(c, gateUsage)
	c.Flags().BoolVar(&overwrite, "overwrite", false, "roll back also what somebody changed since the run (a backup is kept)")
	c.Flags().BoolVar(&force, "force", false, "undo also what repaired a node whose CRI was not healthy before")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}
