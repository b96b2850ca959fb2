package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/kubespray"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/report"
)

// alongsideFlags name the Kubespray that shall find an apply already done.
type alongsideFlags struct {
	checkoutFlags
	vaultPassword string
	// known is what that Kubespray does; nil without the flags.
	known *kubespray.Profile
}

func (g *alongsideFlags) register(c *cobra.Command) {
	g.registerCheckout(c)
	f := c.Flags()
	f.Lookup("kubespray").Usage = "write files as this Kubespray checkout would, and its variables for the same"
	f.Lookup("kubespray-version").Usage = "the same for a release such as 2.27 or 2.27.1, in place of a checkout"
}

func (g *alongsideFlags) registerVault(c *cobra.Command) {
	c.Flags().StringVar(&g.vaultPassword, "vault-password-file", "", "file with ansible-vault's password, or a script that prints it; for --kubespray")
	_ = c.MarkFlagFilename("vault-password-file")
}

// alongside are the variables of a Kubespray inventory that go with a change of its
// nodes. All methods of a nil one say that there are none.
type alongside struct {
	*app
	rendered *rendered
	// limited tells that the change is not for all nodes of the inventory.
	limited bool
}

// ready refuses, before anything is asked, what these flags cannot mean.
func (g *alongsideFlags) ready(n nodeFlags) error {
	if g.dir == "" && g.version == "" {
		if g.vaultPassword != "" {
			return usage(errors.New("--vault-password-file is for the variables of a Kubespray inventory"), "name the checkout by --kubespray DIR, too")
		}
		return nil
	}
	if n.inventory == "" {
		return usage(errors.New("the variables of Kubespray are in an inventory, and none was named"), "use -i INVENTORY")
	}
	g.inventory = n.inventory
	p, _, err := g.profile()
	if err != nil {
		return err
	}
	if !p.Mirrors {
		return usage(fmt.Errorf("%s writes its registries into config.toml, which is not written that way", p), "write its variables by pullway kubespray apply, and run Kubespray; or apply without --kubespray")
	}
	g.known = &p
	return nil
}

// alongside works out the variables and settles how each credential of l is
// delivered, which is up to Kubespray then. It is nil without the flags, which
// have to be ready.
func (a *app) alongside(ctx context.Context, g alongsideFlags, n nodeFlags, l *config.Loaded, vault kubespray.Vault) (*alongside, error) {
	if g.known == nil {
		return nil, nil
	}
	r, err := renderVariables(ctx, *g.known, g.inventory, l.Desired, vault)
	if err != nil {
		return nil, err
	}
	if len(r.out.Problems) > 0 {
		if err := a.show(r.view()); err != nil {
			return nil, err
		}
		return nil, verdict(ExitFailed)
	}
	w := &alongside{app: a, rendered: r, limited: n.limit != ""}
	return w, w.deliver(&l.Desired)
}

// deliver has each credential reach containerd the way that the variables say.
func (w *alongside) deliver(d *config.Desired) error {
	way := v1alpha1.DeliveryCRI
	if w.rendered.profile.HeaderAuth(w.rendered.target.Major) {
		way = v1alpha1.DeliveryHeader
	}
	for i := range d.Registries {
		auth := d.Registries[i].Auth
		if auth == nil {
			continue
		}
		if auth.Delivery != v1alpha1.DeliveryAuto && auth.Delivery != "" && auth.Delivery != way {
			return usage(fmt.Errorf("%s: the specification says auth.delivery %s, and %s gives credentials by %s", d.Registries[i].Host, auth.Delivery, w.rendered.profile, way), "leave auth.delivery out")
		}
		auth.Delivery = way
	}
	return nil
}

// way is how the nodes' files are to be written; nil for Pullway's own way.
func (w *alongside) way() *plan.Kubespray {
	if w == nil {
		return nil
	}
	r := w.rendered
	k := &plan.Kubespray{Template: r.profile.Template(), HostsDir: r.target.HostsDir()}
	k.Named, k.Dropped = kubespray.After(r.profile, r.vars, r.out)
	if w.limited && k.Named != nil {
		k.Named = append(k.Named, k.Dropped...) // the variables stay as they are
	}
	if w.limited {
		k.Dropped = nil
	}
	return k
}

// pending counts the files of variables that are to be written.
func (w *alongside) pending() int {
	if w == nil || w.limited {
		return 0
	}
	return len(w.rendered.changes)
}

// show writes the change of the variables below a plan, for people.
func (w *alongside) show() {
	switch {
	case w == nil:
	case w.limited:
		w.say("The variables of Kubespray stay as they are: they are for all nodes, and --limit names some.")
	case w.output == "human":
		out := report.NewPrinter(w.streams.Out, w.coloured(w.streams.Out))
		out.Say("")
		w.rendered.view().Human(out)
	case w.pending() > 0:
		w.say("%s of variables would change.", report.Count(w.pending(), "file"))
	}
}

// then is the second half of the question whether to change nodes.
func (w *alongside) then() string {
	if w.pending() == 0 {
		return ""
	}
	return ", then write " + report.Count(w.pending(), "file") + " of variables"
}

// agree asks, when no node is to change.
func (w *alongside) agree(yes bool) error {
	if w.pending() == 0 {
		return nil
	}
	return w.confirm(yes, "Write "+report.Count(w.pending(), "file")+" of variables?")
}

// left says that a run which did not go well leaves the variables alone.
func (w *alongside) left() {
	if w.pending() > 0 {
		w.say("The variables of Kubespray are as they were, because not every node is done.")
	}
}

// write writes the variables.
func (w *alongside) write() error {
	if w.pending() == 0 {
		return nil
	}
	saved, err := kubespray.Save(w.rendered.changes, w.now())
	if err != nil {
		return &exitError{ExitPartial, fmt.Errorf("the nodes are done, and the variables are not written: %w", err), hintOf(err)}
	}
	w.tellSaved(saved)
	return nil
}

// tellSaved says where files were written, and where they are as they were.
func (a *app) tellSaved(saved []kubespray.Saved) {
	for _, s := range saved {
		a.say("written %s", s.Path)
		if s.Backup != "" {
			a.say("  as it was: %s", s.Backup)
		}
	}
}
