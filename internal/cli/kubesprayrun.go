package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/kubespray"
	"github.com/pullway/pullway/internal/kubespray/play"
	"github.com/pullway/pullway/internal/report"
)

// kubesprayRun are the flags of kubespray apply --run.
type kubesprayRun struct {
	run     bool
	noProof bool
	force   bool
	nodes   nodeFlags
	gate    clusterFlags
	// words are for ansible-playbook.
	words []string
	// only are the names of the flags that mean nothing without run.
	only []string
}

func (f *kubesprayRun) register(c *cobra.Command) {
	c.Flags().BoolVar(&f.run, "run", false, "then run cluster.yml with --tags=containerd, a canary first, then in waves; what stands after -- is for ansible-playbook")
	before := map[string]bool{}
	c.Flags().VisitAll(func(g *pflag.Flag) { before[g.Name] = true })
	c.Flags().StringVar(&f.nodes.limit, "limit", "", "with --run: play only these nodes; the variables are for all")
	f.nodes.registerWay(c)
	f.gate.register(c, gateUsage)
	c.Flags().BoolVar(&f.noProof, "no-proof", false, "with --run: without a proving pull")
	c.Flags().BoolVar(&f.force, "force", false, "with --run: pass over problems that may be passed over")
	c.Flags().VisitAll(func(g *pflag.Flag) {
		if !before[g.Name] {
			f.only = append(f.only, g.Name)
		}
	})
}

// ready refuses what the flags cannot mean.
func (f *kubesprayRun) ready(c *cobra.Command, g checkoutFlags, words []string) error {
	f.words = words
	if f.run {
		if g.version != "" {
			return usage(errors.New("--run needs the checkout itself, not the name of a release"), "name it by --kubespray DIR")
		}
		return checkWords(words)
	}
	for _, name := range f.only {
		if c.Flags().Changed(name) {
			return usage(fmt.Errorf("--%s is for --run", name), "add --run, or leave it out")
		}
	}
	if len(words) > 0 {
		return usage(fmt.Errorf("%q is for ansible-playbook, which only --run starts", words[0]), "add --run, or leave it out")
	}
	return nil
}

// runKubespray writes the variables and runs the play.
func (a *app) runKubespray(ctx context.Context, g checkoutFlags, s specFlags, f kubesprayRun, vaultPassword string, yes bool) error {
	p, dir, err := g.profile()
	if err != nil {
		return err
	}
	f.nodes.inventory = g.inventory
	l, fn, err := a.specAndNodes(ctx, s, f.nodes)
	if err == nil {
		err = a.gate(ctx, f.gate, fn, f.force)
	}
	if err != nil {
		return err
	}
	if len(l.Desired.VerifyImages) == 0 && !f.noProof {
		return usage(errors.New("the specification names no image that could prove the change"), "add one under spec.verify.images, or go without a proof by --no-proof")
	}
	r, err := renderVariables(ctx, p, g.inventory, l.Desired, vaultOf(vaultPassword))
	if err != nil {
		return err
	}
	if len(r.out.Problems) > 0 {
		if err := a.show(r.view()); err != nil {
			return err
		}
		return verdict(ExitFailed)
	}
	vars := &alongside{app: a, rendered: r}
	if err := vars.deliver(&l.Desired); err != nil {
		return err
	}
	book, err := playbookOf(dir, g.inventory, vaultPassword, f.words)
	if err != nil {
		return err
	}
	if err := playable(ctx, r, fn, vaultOf(vaultPassword)); err != nil {
		return err
	}
	check := book.play
	for _, t := range fn.targets {
		check.Limit = append(check.Limit, t.Name)
	}
	if err := check.Check(ctx); err != nil {
		return &exitError{ExitFailed, err, hintOf(err)}
	}
	change := changeFlags{force: f.force, kubespray: vars.way(), play: true}
	session, err := a.begin("kubespray apply", fn)
	if err != nil {
		return err
	}
	defer session.end()
	book.store, session.book = session.store, book
	return (&applying{session: session, spec: l, change: change, yes: yes, noProof: f.noProof, vars: vars}).do(ctx)
}

// playbookOf is the play of a checkout. It runs there, so paths are made absolute.
func playbookOf(dir, inventory, vaultPassword string, words []string) (*playbook, error) {
	p := play.Play{Playbook: "cluster.yml", Tags: "containerd", Args: words}
	for _, path := range []struct{ from, to *string }{{&dir, &p.Checkout}, {&inventory, &p.Inventory}, {&vaultPassword, &p.VaultPasswordFile}} {
		if *path.from == "" {
			continue
		}
		abs, err := filepath.Abs(*path.from)
		if err != nil {
			return nil, err
		}
		*path.to = abs
	}
	return &playbook{play: p}, nil
}

// playable refuses, before anything is written, a play that would fail, or break
// nodes, for a reason that can be seen in the inventory.
func playable(ctx context.Context, r *rendered, fn *fleetNodes, vault kubespray.Vault) error {
	refuse := func(hint, format string, args ...any) error {
		return &exitError{ExitFailed, fmt.Errorf(format, args...), hint}
	}
	for _, f := range kubespray.Check(r.profile, r.vars) {
		if f.Verdict == kubespray.Fails || f.Verdict == kubespray.Breaks {
			return refuse("pullway kubespray check says what to write instead; nothing was changed", "%s:%d: %s %s: %s", f.File, f.Line, f.Variable, f.Verdict, f.Text)
		}
	}
	for _, t := range fn.targets {
		if !slices.Contains(r.vars.Nodes, t.Name) {
			return refuse("put it into kube_node, or leave it out by --limit; nothing was changed", "the play does not reach node %s: it is in none of k8s_cluster's groups", t.Name)
		}
	}
	// One shows whether the password is there; its text is of no use here.
	if d := vaulted(r.vars); d != nil {
		if _, err := vault.Decrypt(ctx, d.File, d.Name); err != nil {
			return refuse(hintOf(err), "the play cannot read the inventory's vaulted variables: %w", err)
		}
	}
	return nil
}

// vaulted is a variable that only the vault's password opens; nil for none.
func vaulted(v *kubespray.Variables) *kubespray.Definition {
	for _, node := range v.Nodes {
		if all := v.Vaulted[node]; len(all) > 0 {
			return &all[0]
		}
	}
	return nil
}

// showPlay says what the play is about to do, beside the change of variables.
func (p *applying) showPlay(shown report.Plan) {
	r := p.vars.rendered
	out := report.NewPrinter(p.streams.Out, p.coloured(p.streams.Out))
	v := r.view()
	if v.Human(out); len(v.Notes) > 0 || len(v.Files) == 0 {
		out.Say("")
	}
	report.KubesprayPlay{Checkout: p.book.play.Checkout, Does: r.profile.TagDoes(), Rollout: shown.Rollout}.Human(out)
}

// question is asked before the play.
func (p *applying) question(nodes int) string {
	first := "Run"
	if n := len(p.vars.rendered.changes); n > 0 {
		first = "Write " + report.Count(n, "file") + " of variables, and run"
	}
	return fmt.Sprintf("%s Kubespray's playbook on %s?", first, report.Count(nodes, "node"))
}

// runPlay writes the variables, lets the play change the nodes, and puts the
// variables back when the run does not end well.
func (p *applying) runPlay(ctx context.Context, o fleet.Options, before fleet.State, drive func(context.Context, *fleet.Driver, fleet.Options) (*fleet.Run, error)) error {
	if fleet.Next(before, o.Run.Policy).Action == fleet.Start {
		if err := p.book.write(p.session, p.vars.rendered); err != nil {
			return err
		}
	}
	result, err := p.drive(ctx, o, drive)
	back := p.book.ended(p.session, result)
	if err != nil {
		return errors.Join(err, back)
	}
	if err := p.show(report.NewRun(result)); err != nil {
		return err
	}
	if back != nil {
		return back
	}
	return verdict(result.Outcome.ExitCode())
}
