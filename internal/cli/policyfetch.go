package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/kube"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/pullpolicy"
)

// fetching is a pullpolicy.Driver's Fetch: it brings images to the nodes of an
// inventory, as prepull does.
type fetching struct {
	*app
	flags prepullFlags
	nodes *fleetNodes
	// machine is the inventory's name of a Kubernetes node.
	machine map[string]string
}

// fetching matches the nodes of the inventory with those of the cluster.
func (a *app) fetching(ctx context.Context, c policyCluster, p policyFlags, nodes nodeFlags) (*fetching, error) {
	fn, err := a.load(ctx, nodes)
	if err != nil {
		return nil, err
	}
	known, err := c.nodes(ctx)
	if err != nil {
		return nil, err
	}
	var machines []kube.Machine
	for _, t := range fn.targets {
		machines = append(machines, kube.Machine{Name: t.Name, Host: fn.connector.targets[t.Name].Host})
	}
	machine, err := kube.MachineOf(machines, known)
	if err != nil {
		return nil, err
	}
	flags := prepullFlags{cluster: p.clusterFlags, perNode: 2, perRegistry: 20, stall: protocol.DefaultStall, force: true, yes: true}
	return &fetching{app: a, flags: flags, nodes: fn, machine: machine}, nil
}

// fetch fetches and pins, and returns what is not there afterwards.
func (f *fetching) fetch(ctx context.Context, all []pullpolicy.Absent) ([]pullpolicy.Absent, error) {
	var left []pullpolicy.Absent
	p := &prepulling{app: f.app, flags: f.flags, on: map[string]map[string]bool{}}
	wanted := *f.nodes
	wanted.targets = nil
	for _, a := range all {
		image, err := config.ParseImage(a.Image)
		name := f.machine[a.Node]
		if err != nil || name == "" {
			left = append(left, a)
			continue
		}
		ref := image.String()
		if p.on[ref] == nil {
			p.on[ref], p.images = map[string]bool{}, append(p.images, image)
		}
		p.on[ref][name] = true
		for _, t := range f.nodes.targets {
			if t.Name == name && !slices.Contains(wanted.targets, t) {
				wanted.targets = append(wanted.targets, t)
			}
		}
	}
	if len(left) > 0 || len(p.images) == 0 {
		return left, errors.New("the inventory does not have that node")
	}
	p.nodes = &wanted
	answers, err := p.fetch(ctx)
	if err != nil {
		return all, err
	}
	there, failed := map[[2]string]bool{}, error(nil)
	for _, a := range answers {
		if a.Err != nil {
			failed = fmt.Errorf("%s: %s", a.Target.Name, a.Err.Text)
		}
		if a.Reply == nil || a.Reply.Ahead == nil {
			continue
		}
		for _, i := range a.Reply.Ahead.Images {
			there[[2]string{i.Ref, a.Target.Name}] = i.State == protocol.AheadPresent || i.State == protocol.AheadPulled
			if i.Error != "" {
				failed = fmt.Errorf("%s: %s: %s", a.Target.Name, i.Ref, i.Error)
			}
		}
	}
	for _, a := range all {
		image, _ := config.ParseImage(a.Image)
		if !there[[2]string{image.String(), f.machine[a.Node]}] {
			left = append(left, a)
		}
	}
	return left, failed
}

// fetch is a prepull without its questions and its result.
func (p *prepulling) fetch(ctx context.Context) ([]fleet.Answer, error) {
	nodes, perNode := share(p.flags.perRegistry, p.flags.perNode)
	req := protocol.Request{Op: protocol.OpPrepull, Operator: operator(), Run: record.NewID(p.now()), Force: p.flags.force, Prepull: &protocol.Prepull{Stall: p.flags.stall, PerNode: perNode}}
	if err := p.describe(ctx, req.Prepull); err != nil {
		return nil, err
	}
	return p.askAll(ctx, p.nodes.targets, req, nodes, fetchWithin), nil
}
