package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
)

// verifyWithin bounds the proving pulls of one node.
const verifyWithin = 10 * time.Minute

func (a *app) verifyCommand() *cobra.Command {
	var spec specFlags
	var nodes nodeFlags
	c := &cobra.Command{
		Use:   "verify",
		Short: "Pull the verify images on each node, through the configured endpoints only",
		Long: `Pull every image of spec.verify.images on each node through CRI, under a name that
exists nowhere and with only the configured endpoints behind it, so that no
fallback can have served it. Nothing is left behind on the node.

A pull that fails ends with the verdict of a trace that the node makes of that very
pull at once: why in one sentence, which host it is about, and what to do. The node
sends its credential once more for it. At most three failures of different kinds are
looked into on each node, for 20 seconds together; images of one registry that fail
in the same way are looked into once.

Exit code 0 when every pull worked, 3 when one did not.`,
		Example: "  pullway verify -f pullway.yaml -i inventory/mycluster/hosts.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.spec(cmd.Context(), spec)
			if err != nil {
				return err
			}
			fn, err := a.load(cmd.Context(), nodes)
			if err != nil {
				return err
			}
			wire := l.Desired.ToWire()
			v := report.NewVerify(a.ask(cmd.Context(), fn, protocol.Request{Op: protocol.OpVerify, Desired: &wire, Run: "verify"}, verifyWithin))
			if err := a.show(v); err != nil {
				return err
			}
			if !v.OK() {
				return verdict(ExitPending)
			}
			return nil
		},
	}
	spec.register(c)
	nodes.register(c)
	return c
}

func (a *app) statusCommand() *cobra.Command {
	var nodes nodeFlags
	var ks checkoutFlags
	var each, exitCode bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what each node knows of itself: health, what was applied, drift",
		Long: `Show what each node knows of itself: whether CRI is healthy, what was applied, and
what became of it. Each file is as written, changed or gone; a file of containerd's
own configuration, which others share, has Pullway's settings intact or lost. Who
did it is named where marks in the file tell. Nodes that are alike are shown
together, the worst first. Where containerd does not run on its configuration
files, or may not, the node says so, and what CRI runs on where CRI tells.

With --kubespray, host directories are compared with the variables of the
inventory: one that Kubespray wrote and that no variable names any more is stale,
and pulls go on using it.

Exit code 0, or with --exit-code 3 when a node has drifted: a file changed or gone,
settings lost or not in force, a host directory of others read in place of ours, a
stale one; 1 when a node could not be asked.`,
		Example: `  pullway status -i inventory/mycluster/hosts.yaml
  pullway status -i hosts.yaml --all
  pullway status -i hosts.yaml --exit-code     # 3 = a node has drifted
  pullway status -i hosts.yaml --kubespray ~/kubespray
  pullway status --local -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			named, err := ks.named(nodes)
			if err != nil {
				return err
			}
			fn, err := a.load(cmd.Context(), nodes)
			if err != nil {
				return err
			}
			s := report.NewStatus(a.ask(cmd.Context(), fn, protocol.Request{Op: protocol.OpStatus}, 0), named)
			s.Each = each
			if err := a.show(s); err != nil {
				return err
			}
			switch {
			case s.Summary.Failed > 0:
				return verdict(ExitFailed)
			case exitCode && s.Summary.Drifted > 0:
				return verdict(ExitPending)
			}
			return nil
		},
	}
	nodes.register(c)
	ks.registerCheckout(c)
	c.Flags().Lookup("kubespray").Usage = "compare with the variables of this Kubespray checkout, and show what is stale"
	c.Flags().Lookup("kubespray-version").Usage = "the same for a release such as 2.27 or 2.27.1, in place of a checkout"
	c.Flags().BoolVar(&each, "all", false, "show each node by itself, in the order of the inventory")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 3 when a node has drifted")
	return c
}

// ask puts one question to every node.
func (a *app) ask(ctx context.Context, nodes *fleetNodes, req protocol.Request, within time.Duration) []fleet.Answer {
	progress := a.progress()
	defer progress.Close()
	req.Operator = operator()
	if a.limits.timeouts.Plan > 0 {
		within = a.limits.timeouts.Plan
	}
	return fleet.Ask(ctx, nodes.connector, nodes.targets, req, fleet.DefaultLimit, within, progress)
}
