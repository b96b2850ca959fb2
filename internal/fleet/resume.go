package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
)

// Settle asks the nodes that a crash of the driver left in flight what became of
// them, and records it in rec: a change that still waits for its word is kept,
// what was put back for want of an operator is pending again, as if it had never
// been begun. Nothing is started. o.Run is not looked at.
func (d *Driver) Settle(ctx context.Context, o Options, rec *Run) (*Run, error) {
	rec.Policy = rec.Policy.normal()
	return d.with(o, rec, make([]Conn, len(rec.Nodes)), func(r *run) {
		r.settleLeftovers(ctx)
		for slices.ContainsFunc(rec.Nodes, func(n NodeRun) bool { return n.Phase.InFlight() }) {
			r.hear(ctx)
			r.wait(ctx)
		}
		rec.Stop = StopNone
	})
}

// Resume goes on with a run that has no end, under its id: what is in flight is
// settled, then the rollout rule goes on. plans are new plans of its nodes; those
// of nodes that are still pending replace the recorded ones, and Resume takes over
// their connections. They may be nil for a rollback, and for a run of which only
// the undo is left. o.Request must be made of the same spec (compare SpecDigest);
// of o.Run only the policy is looked at.
func (d *Driver) Resume(ctx context.Context, o Options, rec *Run, plans *Plans) (*Run, error) {
	if !rec.Interrupted() {
		return nil, fmt.Errorf("run %q has ended, there is nothing to resume", rec.ID)
	}
	rec.Stop = StopNone
	rec.Policy = o.Run.Policy.normal()
	if rec.Target != "" {
		rec.Policy.OnFailure = v1alpha1.StopOnly
	}
	rec.Adopt, rec.Force, rec.NoProof = o.Request.Adopt, o.Request.Force, o.Request.NoProof
	rec.Resumed = append(rec.Resumed, time.Now())
	conns := make([]Conn, len(rec.Nodes))
	if plans != nil {
		rec.plannedAnew(plans, conns)
	}
	for _, n := range rec.Nodes {
		if n.Phase == Pending && rec.Target == "" && n.Plan == nil {
			return nil, fmt.Errorf("record of run %q has no plan for node %q", rec.ID, n.Name)
		}
	}
	return d.drive(ctx, o, rec, conns)
}

// StateWith is where the nodes of an interrupted run stand once its pending ones
// have the new plans. The run itself stays as it is.
func (r *Run) StateWith(plans *Plans) State {
	again := *r
	again.Nodes = slices.Clone(r.Nodes)
	again.Stop = StopNone
	for i := range again.Nodes {
		if p := plans.of(again.Nodes[i].Name); p != nil && again.Nodes[i].Phase == Pending {
			again.Nodes[i].Phase = p.Phase()
		}
	}
	return again.State()
}

// of is the plan of a node; nil when there is none.
func (p *Plans) of(node string) *Planned {
	at := slices.IndexFunc(p.Nodes, func(p Planned) bool { return p.Target.Name == node })
	if at < 0 {
		return nil
	}
	return &p.Nodes[at]
}

// plannedAnew puts new plans in the place of those of pending nodes, and their
// connections into conns.
func (r *Run) plannedAnew(plans *Plans, conns []Conn) {
	for i := range r.Nodes {
		n := &r.Nodes[i]
		p := plans.of(n.Name)
		if p == nil || n.Phase != Pending {
			continue
		}
		n.Phase, n.Plan, n.Error = p.Phase(), summary(p.Plan), p.Err
		conns[i], p.conn = p.conn, nil
	}
}

// settleLeftovers asks the nodes that a crash of the driver left in flight.
// There are at most as many as a wave has.
func (r *run) settleLeftovers(ctx context.Context) {
	for i := range r.rec.Nodes {
		if n := &r.rec.Nodes[i]; n.Phase.InFlight() {
			n.Phase = Unknown
			r.spawn(ctx, i, r.checked(func(ctx context.Context, i int, n NodeRun) update {
				u := r.settle(ctx, i, n, errors.New("the run was interrupted while the engine was at work"))
				if !n.Undo && u.notDone() {
					u = update{phase: Pending}
				}
				return u
			}))
		}
	}
}

// notDone reports whether a node that was asked what became of it is as it was
// before, and for no fault of its own.
func (u update) notDone() bool {
	return !u.own && (u.phase == Restored || u.phase == Refused || u.phase == Unreachable)
}
