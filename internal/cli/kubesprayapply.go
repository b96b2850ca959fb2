package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/kubespray"
	"github.com/pullway/pullway/internal/report"
)

func (a *app) kubesprayApplyCommand() *cobra.Command {
	var g checkoutFlags
	var s specFlags
	var run kubesprayRun
	var vaultPassword string
	var yes bool
	c := &cobra.Command{
		Use:   "apply [--run [-- ANSIBLE-PLAYBOOK ARGUMENTS]]",
		Short: "Write the variables that this Kubespray reads, and run its playbook if told to",
		Long: `Show the change of group_vars as render does, ask, and write it: each file whole
or not at all, with its mode and owner, and a backup beside it under a name that
Ansible passes over. Passwords are encrypted by ansible-vault, with the vault
password of --vault-password-file or of Ansible's own settings. Without --run no
node is touched: run Kubespray afterwards, or let pullway apply --kubespray do both.

With --run Kubespray's own playbook then changes the nodes: cluster.yml with
--tags=containerd, in the order of spec.rollout, a canary first, one play a wave by
--limit. What the tag does besides is said first. On each node an engine backs up
containerd's configuration and holds the node while the play is at it; then CRI has
to be well and the verify images are pulled. Where the play, the health or a pull
fails, or a node is lost, that wave's files are put back and containerd restarts only
if it had read the new ones, the run stops, onFailure says what else is undone, and
the variables are as they were, byte for byte. What the play installed stays.

What stands after -- is for ansible-playbook, such as -e or --forks; it is shown in
the process list, so no secret belongs there. --become is always given.

Ctrl-C once finishes the wave in flight and stops; the same command goes on with
it, also when its pullway died. Ctrl-C twice interrupts the play and puts that wave
back. pullway rollback undoes such a run as every other, variables included, and
pullway history shows it. The output of each play stays beside the run's record.

Exit codes: 0 done, or nothing to do · 1 failed, and nothing was changed ·
2 wrong usage or spec · with --run also: 4 failed and rolled back · 5 rollback failed,
hands needed · 6 stopped part-way.`,
		Example: `  pullway kubespray apply -f pullway.yaml -i inventory/mycluster/hosts.yaml --vault-password-file ~/.vault
  ANSIBLE_VAULT_PASSWORD_FILE=~/.vault pullway kubespray apply -f pullway.yaml -i hosts.yaml --kubespray ~/kubespray --yes
  pullway kubespray apply -f pullway.yaml -i hosts.yaml --kubespray ~/kubespray --vault-password-file ~/.vault --run
  pullway kubespray apply -f pullway.yaml -i hosts.yaml --kubespray ~/kubespray --run --limit node2 -- --forks 20 -e @extra.yml`,
		Args: func(c *cobra.Command, args []string) error {
			if at := c.ArgsLenAtDash(); at > 0 || at < 0 && len(args) > 0 {
				return usage(fmt.Errorf("%q means nothing here", args[0]), "words for ansible-playbook stand after --")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, words []string) error {
			if err := run.ready(cmd, g, words); err != nil {
				return err
			}
			if err := a.mustAsk(yes); err != nil {
				return err
			}
			if run.run {
				return a.runKubespray(cmd.Context(), g, s, run, vaultPassword, yes)
			}
			l, err := a.spec(cmd.Context(), s)
			if err != nil {
				return err
			}
			p, _, err := g.profile()
			if err != nil {
				return err
			}
			r, err := renderVariables(cmd.Context(), p, g.inventory, l.Desired, vaultOf(vaultPassword))
			if err != nil {
				return err
			}
			return a.writeVariables(r, yes)
		},
	}
	g.register(c)
	s.register(c)
	c.Flags().StringVar(&vaultPassword, "vault-password-file", "", "file with ansible-vault's password, or a script that prints it")
	_ = c.MarkFlagFilename("vault-password-file")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	run.register(c)
	return c
}

// writeVariables shows the change, asks, and writes it.
func (a *app) writeVariables(r *rendered, yes bool) error {
	v := r.view()
	if len(r.out.Problems) > 0 || len(r.changes) == 0 {
		if err := a.show(v); err != nil || len(r.out.Problems) == 0 {
			return err
		}
		return verdict(ExitFailed)
	}
	if a.output == "human" {
		v.Human(report.NewPrinter(a.streams.Out, a.coloured(a.streams.Out)))
	}
	if err := a.confirm(yes, "Write "+report.Count(len(r.changes), "file")+"?"); err != nil {
		return err
	}
	saved, err := kubespray.Save(r.changes, a.now())
	if err != nil {
		return &exitError{ExitFailed, err, hintOf(err)}
	}
	for i, s := range saved {
		v.Files[i].Backup = s.Backup
	}
	if a.output == "json" {
		return a.show(v)
	}
	v.Written(report.NewPrinter(a.streams.Out, a.coloured(a.streams.Out)))
	return nil
}
