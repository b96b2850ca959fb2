package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/kubespray"
	"github.com/pullway/pullway/internal/report"
)

func (a *app) kubesprayCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "kubespray",
		Short: "Kubespray's registry variables: which ones take effect, and which are ignored",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.kubesprayCheckCommand(), a.kubesprayRenderCommand(), a.kubesprayApplyCommand())
	return c
}

// checkoutFlags say which Kubespray it is about.
type checkoutFlags struct{ inventory, dir, version string }

func (g *checkoutFlags) register(c *cobra.Command) {
	c.Flags().StringVarP(&g.inventory, "inventory", "i", "", "Ansible or Kubespray inventory: a YAML or INI file, or a directory")
	_ = c.MarkFlagFilename("inventory")
	g.registerCheckout(c)
}

// registerCheckout is register for a command whose inventory is among its nodeFlags.
func (g *checkoutFlags) registerCheckout(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&g.dir, "kubespray", "", "Kubespray checkout (default: the one that the inventory stands in)")
	f.StringVar(&g.version, "kubespray-version", "", "release such as 2.27 or 2.27.1, in place of a checkout")
	c.MarkFlagsMutuallyExclusive("kubespray", "kubespray-version")
	_ = c.MarkFlagDirname("kubespray")
	_ = c.RegisterFlagCompletionFunc("kubespray-version", completeReleases)
}

func completeReleases(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var all []string
	for _, r := range kubespray.Releases() {
		all = append(all, r.Version)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// profile finds out what the named Kubespray does. dir is the checkout that was
// probed, or empty.
func (g *checkoutFlags) profile() (p kubespray.Profile, dir string, err error) {
	if g.inventory == "" {
		return p, "", usage(errors.New("no inventory was named"), "use -i INVENTORY")
	}
	if g.version != "" {
		p, err = kubespray.ForVersion(g.version)
		return p, "", asKubesprayUsage(err)
	}
	dir = g.dir
	if dir == "" {
		dir = kubespray.FindCheckout(g.inventory)
	}
	if dir == "" {
		return p, "", usage(errors.New("which Kubespray? the inventory does not stand in a checkout"), "give the checkout by --kubespray DIR, or its release by --kubespray-version")
	}
	p, err = kubespray.ProbeDir(dir)
	return p, dir, asKubesprayUsage(err)
}

func asKubesprayUsage(err error) error {
	if err == nil {
		return nil
	}
	return usage(err, hintOf(err))
}

func (a *app) kubesprayCheckCommand() *cobra.Command {
	var g checkoutFlags
	var live liveFlags
	c := &cobra.Command{
		Use:   "check",
		Short: "Say for each registry variable whether it takes effect, and what to write instead",
		Long: `Read every place of an inventory that can set a registry variable (inventory,
group_vars, host_vars, in Ansible's order of precedence) and say for each what this
Kubespray does with it: it takes effect, is ignored, fails the play, breaks the
node, or is shadowed by another file. What a checkout does is probed from its own
templates. Nothing is run and nothing is changed.

With --live the nodes are asked, too: for host directories that Kubespray wrote and
its variables name no more (its tasks never remove one, and pulls go on using it),
and for configuration that was written and that containerd has not loaded.

Exit code 0, or 3 when something is ignored, fails, breaks, is stale or is not
loaded; 1 when a node could not be asked.`,
		Example: `  pullway kubespray check -i inventory/mycluster/hosts.yaml
  pullway kubespray check -i hosts.yaml --kubespray ~/kubespray
  pullway kubespray check -i hosts.yaml --kubespray-version 2.27 -o json
  pullway kubespray check -i hosts.yaml --kubespray ~/kubespray --live`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := live.ready(cmd); err != nil {
				return err
			}
			p, dir, err := g.profile()
			if err != nil {
				return err
			}
			v, err := kubespray.Read(g.inventory)
			if err != nil {
				return asUsage(err)
			}
			k := report.NewKubesprayCheck(g.inventory, dir, p, len(v.Nodes), kubespray.Check(p, v))
			if live.live {
				if err := a.askLive(cmd.Context(), live, g.inventory, p, v, &k); err != nil {
					return err
				}
			}
			if err := a.show(k); err != nil {
				return err
			}
			switch {
			case k.Unasked() > 0:
				return verdict(ExitFailed)
			case k.Bad > 0:
				return verdict(ExitPending)
			}
			return nil
		},
	}
	g.register(c)
	live.register(c)
	return c
}
