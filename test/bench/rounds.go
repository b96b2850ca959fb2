package main

import (
	"context"
	"slices"
	"time"
)

// thing is one of the things that are measured in each round.
type thing string

const (
	sshTrue        thing = "true"
	sshRestart     thing = "restart"
	change         thing = "change"
	nothing        thing = "nothing"
	certs          thing = "certs"
	ansibleChange  thing = "ansible-change"
	ansibleNothing thing = "ansible-nothing"
	ansibleCerts   thing = "ansible-certs"
)

// samples are what each thing took, one a round.
type samples map[thing][]cost

// median is the one in the middle by wall time.
func (s samples) median(t thing) cost {
	all := slices.SortedFunc(slices.Values(s[t]), func(a, b cost) int { return int(a.wall - b.wall) })
	if len(all) == 0 {
		return cost{}
	}
	return all[len(all)/2]
}

// all measures everything there is.
func (b *bench) all(ctx context.Context) error {
	b.whole, b.few = samples{}, samples{}
	if err := b.writeSpec(robot); err != nil {
		return err
	}
	if err := b.keep(ctx); err != nil {
		return err
	}
	if err := b.firstContact(ctx); err != nil {
		return err
	}
	if b.ansible {
		if err := b.prepareAnsible(); err != nil {
			return err
		}
	}
	for round := range b.rounds {
		b.say("round %d of %d", round+1, b.rounds)
		if b.small > 0 {
			if err := b.round(ctx, b.small, b.few); err != nil {
				return err
			}
		}
		if err := b.round(ctx, b.nodes, b.whole); err != nil {
			return err
		}
		if b.ansible {
			if err := b.ansibleRound(ctx); err != nil {
				return err
			}
		}
	}
	if err := b.countUploads(ctx); err != nil {
		return err
	}
	if err := b.startup(ctx); err != nil {
		return err
	}
	return b.lookAtEngine(ctx)
}

// firstContact is the one time that an engine is put on every node.
func (b *bench) firstContact(ctx context.Context) error {
	first, err := b.run(ctx, b.nodes, counted(b.nodes)+" to change", "plan")
	if err != nil {
		return err
	}
	again, err := b.run(ctx, b.nodes, counted(b.nodes)+" to change", "plan")
	b.upload.first, b.upload.again = first.wall, again.wall
	if err != nil {
		return err
	}
	return b.markEngines(ctx)
}

// round measures pullway and its floors side by side, and leaves the nodes as
// they were.
func (b *bench) round(ctx context.Context, nodes int, into samples) error {
	var err error
	do := func(t thing, measure func() (cost, error)) {
		if err == nil {
			var c cost
			if c, err = measure(); err == nil {
				into[t] = append(into[t], c)
			}
		}
	}
	changed := counted(nodes) + " changed"
	apply := func(promised string) func() (cost, error) {
		return func() (cost, error) { return b.run(ctx, nodes, promised, "apply") }
	}
	do(sshRestart, func() (cost, error) { return b.ssh(ctx, nodes, "systemctl restart containerd") })
	do(change, apply(changed))
	do(sshTrue, func() (cost, error) { return b.ssh(ctx, nodes, "true") })
	do(nothing, apply("Nothing to do"))
	// Another credential changes only a file that is read at each pull. The
	// registry takes both.
	do(certs, func() (cost, error) {
		if err := b.writeSpec(admin); err != nil {
			return cost{}, err
		}
		return apply(changed)()
	})
	for range 2 {
		if err == nil {
			_, err = b.run(ctx, nodes, "Rolled back run", "rollback", "last")
		}
	}
	if err != nil {
		return err
	}
	return b.writeSpec(robot)
}

// ansibleRound measures the same three with Ansible.
func (b *bench) ansibleRound(ctx context.Context) error {
	for _, m := range []struct {
		thing      thing
		credential credential
		changed    int // tasks and handlers on each node
	}{{ansibleChange, robot, 4}, {ansibleNothing, robot, 0}, {ansibleCerts, admin, 1}} {
		c, err := b.play(ctx, m.credential, m.changed)
		if err != nil {
			return err
		}
		b.whole[m.thing] = append(b.whole[m.thing], c)
	}
	return b.reset(ctx)
}

// startup is how long the CLI takes to say its version: the median of ten.
func (b *bench) startup(ctx context.Context) error {
	var all []time.Duration
	for range 10 {
		start := time.Now()
		if err := b.lab.Command(ctx, b.pullway, "version").Run(); err != nil {
			return err
		}
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	b.start = all[len(all)/2]
	return nil
}
