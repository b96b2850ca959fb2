package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/protocol"
)

// undoing is one rollback: of a run of this machine or of one that only the nodes
// know, or the rest of a rollback that was interrupted.
type undoing struct {
	*session
	force, overwrite, yes bool
}

func (u *undoing) do(ctx context.Context, ref string) error {
	answers := u.ask(ctx, u.nodes, protocol.Request{Op: protocol.OpStatus}, 0)
	old, err := u.pick(ref, answers)
	if err != nil {
		return err
	}
	took := len(old.Nodes)
	if old, err = u.onlyKnown(old); err != nil {
		return err
	}
	if err := u.onNodes(ctx, old); err != nil {
		return err
	}
	if len(old.Nodes) < took {
		if k, _ := keptVariables(u.store, old.ID); len(k.Files) > 0 {
			u.say("the variables of Kubespray stay as run %s left them: not all of its nodes were named", old.ID)
		}
		return nil
	}
	return u.variablesBack(old.ID)
}

// onNodes undoes the run on the nodes that are left of it.
func (u *undoing) onNodes(ctx context.Context, old *fleet.Run) error {
	pol := old.Policy
	pol.Canary = 0 // what is put back worked before
	o := fleet.Options{Run: fleet.Run{Name: old.Name, SpecDigest: old.SpecDigest, Policy: pol}, Request: protocol.Request{Force: u.force, Overwrite: u.overwrite}}
	rest, err := u.leftover(ctx, fleet.Wanted{Target: old.ID})
	if err != nil {
		return err
	}
	if rest != nil {
		if rest, err = u.settled(ctx, rest, o); err != nil {
			return err
		}
		if over, err := u.failedRun(ctx, rest, o, u.yes); over || err != nil {
			return err
		}
	}
	if rest != nil && u.head.ID == rest.ID {
		_, _, _, todo := rest.Standing()
		if err := u.agree(fmt.Sprintf("Go on with run %s: undo run %s on the %d nodes left?", rest.ID, old.ID, todo), todo); err != nil {
			return err
		}
		return u.run(ctx, o, func(ctx context.Context, d *fleet.Driver, o fleet.Options) (*fleet.Run, error) {
			return d.Resume(ctx, o, rest, nil)
		})
	}
	held := fleet.Holding(old)
	if err := u.agree(fmt.Sprintf("Undo run %s on %d nodes?", old.ID, held), held); err != nil {
		return err
	}
	return u.run(ctx, o, func(ctx context.Context, d *fleet.Driver, o fleet.Options) (*fleet.Run, error) {
		return d.Rollback(ctx, o, old)
	})
}

// agree asks, unless nothing is left to do.
func (u *undoing) agree(question string, nodes int) error {
	if nodes == 0 {
		return nil
	}
	return u.confirm(u.yes, question)
}

// pick finds the run to undo: the one named, or for "last" the newest apply that is
// in force on a node, whoever made it. What the nodes tell counts.
func (u *undoing) pick(ref string, answers []fleet.Answer) (*fleet.Run, error) {
	known := fleet.KnownRuns(answers)
	if ref != "last" {
		return u.named(ref, known, answers)
	}
	// A rollback that was cut off may have left nothing in force.
	if len(u.earlier) > 0 && u.earlier[0].Target != "" && u.earlier[0].Interrupted() {
		return u.named(u.earlier[0].Target, known, answers)
	}
	ids := map[string]*fleet.Run{}
	for _, r := range fleet.Undone(u.earlier) {
		if r.Target == "" {
			ids[r.ID] = r
		}
	}
	var order []string
	for id := range ids {
		order = append(order, id)
	}
	for _, k := range known {
		if _, recorded := ids[k.ID]; k.Standing() && !recorded {
			order = append(order, k.ID)
		}
	}
	slices.SortFunc(order, func(a, b string) int { return strings.Compare(b, a) })
	for _, id := range order {
		if run, notes := fleet.AsTold(id, ids[id], answers); fleet.Holding(run) > 0 {
			return u.told(run, ids[id], notes), nil
		}
	}
	return nil, usage(errors.New("no run has anything to undo on these nodes"), "pullway history lists the runs; with -i INVENTORY those that the nodes know")
}

// named finds a run by its id or the beginning of it, here or on the nodes.
func (u *undoing) named(ref string, known []fleet.KnownRun, answers []fleet.Answer) (*fleet.Run, error) {
	old, err := u.store.Get(ref)
	var damaged *record.Damaged
	if err != nil && !errors.Is(err, record.ErrNotFound) && !errors.As(err, &damaged) {
		return nil, err
	}
	if err == nil {
		if old.Target != "" {
			return nil, usage(fmt.Errorf("run %s is a rollback itself (of %s)", old.ID, old.Target), "apply brings back what it undid")
		}
		run, notes := fleet.AsTold(old.ID, fleet.Undone(append(slices.Clone(u.earlier), old))[len(u.earlier)], answers)
		return u.told(run, old, notes), nil
	}
	var fits []string
	for _, k := range known {
		if strings.HasPrefix(k.ID, ref) && k.Command == "apply" {
			fits = append(fits, k.ID)
		}
	}
	switch len(fits) {
	case 0:
		return nil, runError(err)
	case 1:
		run, notes := fleet.AsTold(fits[0], nil, answers)
		return u.told(run, nil, notes), nil
	}
	return nil, usage(fmt.Errorf("run %q fits %d runs of the nodes, such as %s", ref, len(fits), fits[0]), "")
}

// told tells where the nodes know better than the record.
func (u *undoing) told(run, recorded *fleet.Run, notes []string) *fleet.Run {
	for _, n := range notes {
		u.say("%s", n)
	}
	if recorded == nil {
		u.say("run %s is not recorded on this machine; by the nodes it is of %s", run.ID, orUnknown(run.Operator))
		run.Policy = careful(len(u.nodes.targets))
	}
	return run
}

// careful is the policy of a specification that says nothing about the rollout.
func careful(nodes int) fleet.Policy {
	size, _ := config.ParseQuota(config.DefaultMaxUnavailable)
	within, _ := time.ParseDuration(config.DefaultConfirmWithin)
	return fleet.Policy{WaveSize: size.Of(nodes), ConfirmWithin: within}
}

func orUnknown(s string) string {
	if s == "" {
		return "an unknown operator"
	}
	return s
}

// onlyKnown leaves out nodes of the run that were not named this time.
func (u *undoing) onlyKnown(old *fleet.Run) (*fleet.Run, error) {
	some := *old
	some.Nodes = nil
	for _, n := range old.Nodes {
		if _, ok := u.nodes.connector.targets[n.Name]; ok {
			some.Nodes = append(some.Nodes, n)
			continue
		}
		if n.Phase == fleet.Applied {
			u.warn(fmt.Sprintf("node %s of run %s is not among the nodes named now, and keeps its change", n.Name, old.ID), "")
		}
	}
	if len(some.Nodes) == 0 {
		return nil, usage(fmt.Errorf("none of the nodes named now took part in run %s", old.ID), "")
	}
	return &some, nil
}
