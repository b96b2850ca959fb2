package cli

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) applyCommand() *cobra.Command {
	var spec specFlags
	var nodes nodeFlags
	var change changeFlags
	var gate clusterFlags
	var ks alongsideFlags
	var yes, noProof, guarded bool
	var planFile string
	c := &cobra.Command{
		Use:   "apply",
		Short: "Change the nodes in waves, prove each with a real pull, put back what fails",
		Long: `Show the plan, ask, and carry it out: first the canary, then waves. Each node
backs up what it changes, restarts containerd only when the plan said so, and
pulls the verify images through the configured endpoints. A node that cannot
pull puts itself back, and a failing canary or wave stops the run.

With --kubeconfig Kubernetes is asked, too: a node starts only when it is Ready
there and no disruption budget forbids a restart, and it has failed when it is
not Ready again afterwards or containers were restarted with it. How many workloads
would be hurt is shown before the question; --guard refuses where a restart of
containerd could hurt one. See assess.

With --kubespray the files are written as that Kubespray would write them, and once
every node is done the inventory's variables say the same, so that Kubespray's next
run finds nothing to change. Releases 2.23 and later; with --limit the variables
stay as they are. Host directories of entries that Pullway takes out of the variables
are removed, because Kubespray removes none; others that no variable names are told
of, and removed by --adopt.

Ctrl-C once finishes the nodes in flight and stops, and so do SIGTERM and a closed
terminal; Ctrl-C twice takes them back. When a run was stopped by one Ctrl-C, or
its pullway died, the same apply goes on with it: what is done is not done again,
what was in flight is looked at, the rest is planned and shown anew, and rollback
undoes all of it as one run. A changed specification, other nodes, or a run that
stopped by its failures mean a new run.

Exit codes: 0 done · 1 failed, nothing changed · 2 wrong usage or spec ·
4 failed and rolled back · 5 rollback failed, hands needed · 6 stopped part-way.`,
		Example: `  pullway apply -f pullway.yaml -i inventory/mycluster/hosts.yaml
  pullway apply -f pullway.yaml -i hosts.yaml --limit node1 --yes
  pullway apply -f pullway.yaml --local --yes
  pullway apply -f pullway.yaml -i hosts.yaml --yes                # the same again: goes on with a run that was cut off
  pullway apply -f pullway.yaml -i hosts.yaml --kubespray ~/kubespray --vault-password-file ~/.vault
  pullway plan -f pullway.yaml -i hosts.yaml -o json > plan.json   # review it, then
  pullway apply -f pullway.yaml -i hosts.yaml --plan plan.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.mustAsk(yes); err != nil {
				return err
			}
			if err := ks.ready(nodes); err != nil {
				return err
			}
			if guarded && gate.kubeconfig == "" {
				return usage(errors.New("--guard needs --kubeconfig"), "")
			}
			l, fn, err := a.specAndNodes(cmd.Context(), spec, nodes)
			if err == nil {
				err = a.gate(cmd.Context(), gate, fn, change.force)
			}
			if err != nil {
				return err
			}
			vars, err := a.alongside(cmd.Context(), ks, nodes, l, vaultOf(ks.vaultPassword))
			if err != nil {
				return err
			}
			change.kubespray = vars.way()
			s, err := a.begin("apply", fn)
			if err != nil {
				return err
			}
			defer s.end()
			return (&applying{session: s, spec: l, change: change, yes: yes, noProof: noProof, planFile: planFile, guard: guarded, noPreflight: spec.noPreflight, vars: vars}).do(cmd.Context())
		},
	}
	spec.register(c)
	nodes.register(c)
	change.register(c)
	gate.register(c, gateUsage)
	ks.register(c)
	ks.registerVault(c)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().StringVar(&planFile, "plan", "", "carry out only this plan, saved by plan -o json; refuse when anything changed since")
	_ = c.MarkFlagFilename("plan", "json")
	c.Flags().BoolVar(&guarded, "guard", false, "refuse when a workload would fail now or if restarted on a node whose containerd restarts; needs --kubeconfig")
	c.Flags().BoolVar(&noProof, "no-proof", false, "change nodes without a proving pull")
	return c
}

// mustAsk refuses early to work where nobody can be asked.
func (a *app) mustAsk(yes bool) error { return a.mustAskAbout(yes, "nodes") }

func (a *app) mustAskAbout(yes bool, what string) error {
	if !yes && !isTerminal(a.streams.In) {
		return usage(errors.New("this changes "+what+", and there is no terminal to ask on"), "read the plan, then add --yes")
	}
	return nil
}

func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	_, _ = fmt.Fprint(a.streams.Err, question+" [y/N] ")
	line, err := bufio.NewReader(a.streams.In).ReadString('\n')
	if err != nil && line == "" {
		return &exitError{ExitFailed, errors.New("no answer; nothing was changed"), ""}
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return &exitError{ExitFailed, errors.New("nothing was changed"), ""}
	}
	return nil
}
