package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/kubespray"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
)

// liveFlags ask the nodes of an inventory beside its variables.
type liveFlags struct {
	live  bool
	nodes nodeFlags
}

func (g *liveFlags) register(c *cobra.Command) {
	c.Flags().BoolVar(&g.live, "live", false, "ask the nodes, too: what is stale there, and what is not loaded")
	g.nodes.registerReach(c)
}

// ready refuses flags that say how to reach nodes when none is asked.
func (g *liveFlags) ready(c *cobra.Command) error {
	if g.live {
		return nil
	}
	for _, name := range reachFlags {
		if c.Flags().Changed(name) {
			return usage(fmt.Errorf("--%s is about nodes, and none is asked", name), "add --live, or leave it out")
		}
	}
	return nil
}

// askLive asks the nodes and adds what they have that the variables do not say.
func (a *app) askLive(ctx context.Context, g liveFlags, inventory string, p kubespray.Profile, v *kubespray.Variables, k *report.KubesprayCheck) error {
	g.nodes.inventory = inventory
	fn, err := a.load(ctx, g.nodes)
	if err != nil {
		return err
	}
	k.Compare(a.ask(ctx, fn, protocol.Request{Op: protocol.OpStatus}, 0), namedBy(p, v))
	return nil
}

// named are the host directories that the variables of the nodes' inventory name;
// nil when no Kubespray was named.
func (g *checkoutFlags) named(n nodeFlags) (report.Named, error) {
	if g.dir == "" && g.version == "" {
		return nil, nil
	}
	g.inventory = n.inventory
	p, _, err := g.profile()
	if err != nil {
		return nil, err
	}
	v, err := kubespray.Read(n.inventory)
	if err != nil {
		return nil, asUsage(err)
	}
	return namedBy(p, v), nil
}

// namedBy is kubespray.Named of one inventory.
func namedBy(p kubespray.Profile, v *kubespray.Variables) report.Named {
	return func(node string) ([]string, error) { return kubespray.Named(p, v, node) }
}
