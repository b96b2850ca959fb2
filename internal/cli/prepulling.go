package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/registry"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/internal/secret"
)

const (
	// lookWithin bounds what a node needs to say what it has.
	lookWithin = 2 * time.Minute
	// fetchWithin bounds a node's pulls as a whole. What is stuck ends by --stall, and
	// a link that is gone by the transport.
	fetchWithin = 24 * time.Hour
)

// prepulling is one prepull.
type prepulling struct {
	*app
	flags  prepullFlags
	nodes  *fleetNodes
	spec   *config.Loaded
	images []config.Image
	// on are the nodes that an image goes to, by its reference; nil for every node.
	on map[string]map[string]bool
	// secrets are pull secrets by image as NAMESPACE/NAME, known of an assessment.
	secrets map[string][]string
}

func (p *prepulling) do(ctx context.Context) error {
	nodes, perNode := share(p.flags.perRegistry, p.flags.perNode)
	req := protocol.Request{Op: protocol.OpPrepull, Operator: operator(), Force: p.flags.force,
		Prepull: &protocol.Prepull{Stall: p.flags.stall, PerNode: perNode, Unpin: p.flags.unpin}}
	if p.spec != nil {
		wire := p.spec.Desired.ToWire()
		req.Desired = &wire
	}
	if !p.flags.unpin {
		if err := p.choose(ctx); err != nil {
			return err
		}
		if len(p.images) == 0 {
			return p.end(report.NewPrepull("", p.flags.dryRun, false, nil))
		}
		if err := p.describe(ctx, req.Prepull); err != nil {
			return err
		}
	}
	looked := p.askAll(ctx, p.nodes.targets, look(req), fleet.DefaultLimit, lookWithin)
	shown := report.NewPrepull("", true, p.flags.unpin, looked)
	todo := ready(looked, p.flags.unpin)
	if p.flags.dryRun || len(todo) == 0 && !shown.OK() {
		return p.end(shown)
	}
	if len(todo) == 0 {
		shown.DryRun = false
		return p.end(shown)
	}
	if p.output == "human" && !p.flags.yes {
		shown.Human(report.NewPrinter(p.streams.Out, p.coloured(p.streams.Out)))
	}
	if err := p.confirm(p.flags.yes, p.question(shown, len(todo))); err != nil {
		return err
	}
	// Up to here nothing was changed, and a signal ends the command at once.
	ctx, interrupted, done := p.untilInterrupted(ctx)
	defer done()
	req.Run = record.NewID(p.now())
	answers := p.askAll(ctx, todo, req, nodes, fetchWithin)
	if interrupted() {
		stopped(answers)
	}
	return p.end(report.NewPrepull(req.Run, false, p.flags.unpin, merge(looked, answers)))
}

// share divides what all nodes together may fetch at once: how many nodes are at work,
// and how many images each of them fetches. No registry sees more, whatever the
// images are.
func share(perRegistry, perNode int) (nodes, images int) {
	images = min(perNode, perRegistry)
	return perRegistry / images, images
}

// look is the same request as a question.
func look(req protocol.Request) protocol.Request {
	ahead := *req.Prepull
	ahead.DryRun = true
	req.Prepull = &ahead
	return req
}

// askAll puts a request to nodes, with a view of how it goes.
func (p *prepulling) askAll(ctx context.Context, targets []fleet.Target, req protocol.Request, limit int, within time.Duration) []fleet.Answer {
	progress := p.progress()
	defer progress.Close()
	return fleet.AskEach(ctx, p.nodes.connector, targets, func(t fleet.Target) protocol.Request { return p.requestOf(req, t.Name) }, limit, within, progress)
}

// requestOf is the request with the images of one node, and with no pull secret that
// none of them needs.
func (p *prepulling) requestOf(req protocol.Request, node string) protocol.Request {
	if p.on == nil {
		return req
	}
	ahead := *req.Prepull
	ahead.Images, ahead.Credentials = nil, nil
	for _, i := range req.Prepull.Images {
		if !p.on[i.Ref][node] {
			continue
		}
		as := i.As
		i.As = nil
		for _, k := range as {
			c := req.Prepull.Credentials[k]
			i.As = append(i.As, ahead.Credential(c[0], secret.New(c[1])))
		}
		ahead.Images = append(ahead.Images, i)
	}
	req.Prepull = &ahead
	return req
}

// ready are the nodes on which there is something to do, and it can be done.
func ready(looked []fleet.Answer, unpin bool) (todo []fleet.Target) {
	for _, a := range looked {
		if a.Err != nil || a.Reply == nil || a.Reply.Ahead == nil {
			continue
		}
		needed := unpin // a note may be lost, the pins are asked for themselves
		for _, i := range a.Reply.Ahead.Images {
			needed = needed || i.State == protocol.AheadMissing || i.State == protocol.AheadPresent && !i.Pinned
		}
		if needed {
			todo = append(todo, a.Target)
		}
	}
	return todo
}

// merge puts what was done in place of what was seen before.
func merge(looked, answers []fleet.Answer) []fleet.Answer {
	by := map[string]fleet.Answer{}
	for _, a := range answers {
		by[a.Target.Name] = a
	}
	all := make([]fleet.Answer, 0, len(looked))
	for _, a := range looked {
		if done, ok := by[a.Target.Name]; ok {
			a = done
		}
		all = append(all, a)
	}
	return all
}

// stopped tells of nodes that were cut off by us that it was us.
func stopped(answers []fleet.Answer) {
	for i := range answers {
		if answers[i].Err != nil && answers[i].Reply == nil {
			answers[i].Err = &fleet.NodeError{Node: answers[i].Target.Name, Kind: fleet.ErrLineLost, Text: "stopped before it was done", Hint: "the same command goes on with what has come"}
		}
	}
}

func (p *prepulling) question(shown report.Prepull, nodes int) string {
	if p.flags.unpin {
		return fmt.Sprintf("Unpin what Pullway pinned on %s?", report.Count(nodes, "node"))
	}
	return fmt.Sprintf("Fetch %s (%d pulls) to %d of %d nodes, and pin the images?", protocol.Size(shown.Summary.ToFetch), shown.Summary.Missing, nodes, len(p.nodes.targets))
}

// end shows the result and says how it went.
func (p *prepulling) end(r report.Prepull) error {
	if err := p.show(r); err != nil {
		return err
	}
	switch {
	case r.OK():
		return nil
	case r.Changed():
		return verdict(ExitPartial)
	}
	return verdict(ExitFailed)
}

// untilInterrupted ends the context at the first signal: nothing has to be put back,
// and what has come is kept. interrupted tells whether there was one.
func (a *app) untilInterrupted(parent context.Context) (_ context.Context, interrupted func() bool, done func()) {
	ctx, cancel := context.WithCancel(parent)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case <-a.interrupts:
				if ctx.Err() == nil {
					a.say("stopping; what has come stays, and the same command goes on with it")
				}
				cancel()
			case <-ended:
				return
			}
		}
	}()
	return ctx, func() bool { return ctx.Err() != nil }, func() { close(ended); cancel() }
}

// describe names the images with their sizes and pull secrets.
func (p *prepulling) describe(ctx context.Context, ahead *protocol.Prepull) error {
	logins, err := p.pullSecrets(ctx)
	if err != nil {
		return err
	}
	desired := config.Desired{}
	if p.spec != nil {
		desired = p.spec.Desired
	}
	type sized struct {
		contents []protocol.Contents
		err      error
	}
	sizes := fleet.Each(ctx, p.images, 8, func(ctx context.Context, i config.Image) sized {
		contents, err := registry.ContentsOf(ctx, desired, i.String(), logins[i.String()], registry.Options{Proxy: true})
		return sized{contents, err}
	})
	for k, i := range p.images {
		one := protocol.Ahead{Ref: i.String(), Contents: sizes[k].contents}
		if err := sizes[k].err; err != nil {
			one.Unknown = err.Error()
		}
		for _, l := range logins[i.String()] {
			one.As = append(one.As, ahead.Credential(l.Username, l.Password))
		}
		ahead.Images = append(ahead.Images, one)
	}
	return nil
}
