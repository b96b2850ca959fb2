package fleet

import (
	"context"
	"errors"
	"fmt"
)

// Resume goes on with a run whose driver crashed, from its record and under its
// id. Nodes that were in flight are asked what became of them; then the rollout
// rule goes on. o.Request must be made of the same spec (compare SpecDigest) and
// o.Run is not looked at. Nodes that have changed since their plan refuse, as
// always.
func (d *Driver) Resume(ctx context.Context, o Options, rec *Run) (*Run, error) {
	if !rec.Interrupted() {
		return nil, fmt.Errorf("run %q has ended, there is nothing to resume", rec.ID)
	}
	rec.Stop = StopNone
	rec.Policy = rec.Policy.normal()
	for _, n := range rec.Nodes {
		if n.Phase == Pending && rec.Target == "" && n.Plan == nil {
			return nil, fmt.Errorf("record of run %q has no plan for node %q", rec.ID, n.Name)
		}
	}
	return d.drive(ctx, o, rec, make([]Conn, len(rec.Nodes)))
}

// settleLeftovers asks the nodes that a crash of the driver left in flight.
// There are at most as many as a wave has.
func (r *run) settleLeftovers(ctx context.Context) {
	for i := range r.rec.Nodes {
		if n := &r.rec.Nodes[i]; n.Phase.InFlight() {
			n.Phase = Unknown
			r.spawn(ctx, i, func(ctx context.Context, i int, n NodeRun) update {
				return r.settle(ctx, i, n, errors.New("the run was interrupted while the engine was at work"))
			})
		}
	}
}
