package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
)

// applying is one apply: a run of its own, or the rest of one that was interrupted.
type applying struct {
	*session
	spec     *config.Loaded
	change   changeFlags
	yes      bool
	noProof  bool
	planFile string
	// guard refuses what would hurt a workload; noPreflight asks no registry.
	guard, noPreflight bool
	// vars are the variables of a Kubespray inventory; nil when they are left alone.
	vars *alongside
	// rest is the interrupted run that is gone on with; nil for a new one.
	rest *fleet.Run
}

func (p *applying) do(ctx context.Context) error {
	wire := p.spec.Desired.ToWire()
	pol := policy(p.spec.Rollout, len(p.nodes.targets))
	o := fleet.Options{
		Run:     fleet.Run{Name: p.spec.Desired.Name, SpecDigest: p.spec.Digest, Policy: pol},
		Request: protocol.Request{Desired: &wire, Overwrite: p.change.overwrite, Adopt: p.change.adopt, Force: p.change.force, Kubespray: p.change.kubespray, Play: p.change.play, NoProof: p.noProof, Mend: p.change.mend},
	}
	p.tellLost(ctx)
	if over, err := p.interrupted(ctx, o); over || err != nil {
		return err
	}
	plans, err := p.planNodes(ctx, p.spec, p.nodes, p.change, true)
	if err != nil {
		return err
	}
	defer plans.Close() //nolint:errcheck // Apply has closed them; this is for the ways out before

	// A play takes what is done for what it is.
	if p.rest != nil && !p.change.play {
		if changed := notAsDone(p.rest, plans); len(changed) > 0 {
			p.say("run %s is not resumed: no longer as it left them: %s; this is a run of its own", p.rest.ID, strings.Join(changed, ", "))
			if err := p.anew(); err != nil {
				return err
			}
			p.rest = nil
		}
	}
	if err := p.agree(ctx, plans, pol); err != nil {
		return err
	}
	drive := func(ctx context.Context, d *fleet.Driver, o fleet.Options) (*fleet.Run, error) {
		if p.rest != nil {
			return d.Resume(ctx, o, p.rest, plans)
		}
		return d.Apply(ctx, o, plans)
	}
	if p.book != nil {
		return p.runPlay(ctx, o, p.state(plans), drive)
	}
	if err = p.run(ctx, o, drive); err != nil {
		p.vars.left()
		return err
	}
	return p.vars.write()
}

// interrupted looks for a run to go on with and settles what it left in flight.
// over is true when that was all there was to do.
func (p *applying) interrupted(ctx context.Context, o fleet.Options) (over bool, err error) {
	rest, err := p.leftover(ctx, fleet.Wanted{SpecDigest: p.spec.Digest, Play: p.change.play, Adopt: p.change.adopt, Force: p.change.force, NoProof: p.noProof})
	if err != nil || rest == nil {
		return false, err
	}
	if rest, err = p.settled(ctx, rest, o); err != nil {
		return false, err
	}
	over, err = p.failedRun(ctx, rest, o, p.yes)
	if p.head.ID == rest.ID {
		p.rest = rest
	}
	if p.book == nil || over && rest.Interrupted() || err != nil && !over {
		return over, err // it stands where it stood
	}
	return over, errors.Join(err, p.variablesOf(rest.ID, over))
}

// state is where the nodes stand before they are begun, or gone on with.
func (p *applying) state(plans *fleet.Plans) fleet.State {
	if p.rest != nil {
		return p.rest.StateWith(plans)
	}
	return plans.State()
}

// agree shows what is left to do and asks whether to do it.
func (p *applying) agree(ctx context.Context, plans *fleet.Plans, pol fleet.Policy) error {
	todo, failed := plans.Nodes, 0
	if p.rest != nil {
		todo = left(p.rest, plans)
		_, failed, _, _ = p.rest.Standing()
	}
	if p.planFile != "" {
		if err := matchPlan(p.planFile, p.spec, todo); err != nil {
			return err
		}
	}
	shown := report.NewPlan(p.spec.Desired.Name, p.spec.Digest, todo)
	shown.Rollout = report.NewRollout(p.state(plans), pol)
	sum := shown.Summary
	if sum.Change > 0 && len(p.spec.Desired.VerifyImages) == 0 && !p.noProof {
		return usage(errors.New("the specification names no image that could prove the change"), "add one under spec.verify.images, or go without a proof by --no-proof")
	}
	if sum.Change > 0 {
		var err error
		shown.Impact, err = p.headline(ctx, p.nodes, p.spec, todo, shown.Rollout, p.noPreflight)
		if p.guard {
			if err := guard(shown.Impact, err); err != nil {
				return err
			}
		}
	}
	human := p.output == "human"
	if human && (sum.Change > 0 && p.book == nil || sum.Refused+sum.Failed > 0) {
		shown.Human(report.NewPrinter(p.streams.Out, p.coloured(p.streams.Out)))
	}
	tolerated := failed+sum.Refused+sum.Failed <= pol.FailureBudget
	if p.rest != nil && sum.Refused+sum.Failed > 0 && !tolerated {
		// To go on would stop at once and put back the last wave for what it did not do.
		return errNotGoneOn(p.rest, fmt.Sprintf("run %s is not gone on with: %d of the nodes left cannot be changed, the budget is %d", p.rest.ID, failed+sum.Refused+sum.Failed, pol.FailureBudget))
	}
	if !tolerated {
		return nil
	}
	switch {
	case p.book == nil:
		p.vars.show()
	case human:
		p.showPlay(shown)
	}
	if sum.Change == 0 {
		return p.vars.agree(p.yes)
	}
	if p.rest == nil && p.book != nil {
		return p.confirm(p.yes, p.question(sum.Change))
	}
	if p.rest == nil {
		return p.confirm(p.yes, fmt.Sprintf("Change %d of %d nodes%s?", sum.Change, len(p.nodes.targets), p.vars.then()))
	}
	if p.confirm(p.yes, fmt.Sprintf("Go on with run %s: change the %d nodes left of %d?", p.rest.ID, sum.Change, len(p.nodes.targets))) != nil {
		return errNotGoneOn(p.rest, fmt.Sprintf("run %s stays as it is", p.rest.ID))
	}
	return nil
}
