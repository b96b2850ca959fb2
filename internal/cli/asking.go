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
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what each node knows of itself: health, what was applied, drift",
		Example: `  pullway status -i inventory/mycluster/hosts.yaml
  pullway status --local -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fn, err := a.load(cmd.Context(), nodes)
			if err != nil {
				return err
			}
			s := report.NewStatus(a.ask(cmd.Context(), fn, protocol.Request{Op: protocol.OpStatus}, 0))
			if err := a.show(s); err != nil {
				return err
			}
			for _, n := range s.Nodes {
				if n.Error != nil {
					return verdict(ExitFailed)
				}
			}
			return nil
		},
	}
	nodes.register(c)
	return c
}

// ask puts one question to every node.
func (a *app) ask(ctx context.Context, nodes *fleetNodes, req protocol.Request, within time.Duration) []fleet.Answer {
	progress := a.progress()
	defer progress.Close()
	return fleet.Ask(ctx, nodes.connector, nodes.targets, req, fleet.DefaultLimit, within, progress)
}
