package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/pullway/pullway/internal/protocol"
)

// Rollback undoes an earlier run on its nodes, as a run of its own with its own
// record: last changed first and so the last group first, control-plane nodes one
// by one and when o.Run.Policy says, as canaries and waves. When it fails it stops and
// leaves what it has undone so. Nodes that hold nothing of the old run, by its
// record, do not take part. To roll back fewer nodes, take the others out of
// old.Nodes. A run that was a rollback itself is refused.
func (d *Driver) Rollback(ctx context.Context, o Options, old *Run) (*Run, error) {
	if old.Target != "" {
		return nil, fmt.Errorf("run %q is a rollback itself (of %q)", old.ID, old.Target)
	}
	head := o.Run
	head.Target = old.ID
	head.Name, head.SpecDigest = old.Name, old.SpecDigest
	// Undoing an undo would need a transaction that no node has.
	head.Policy.OnFailure = "stop"
	head.Policy.Groups = slices.Clone(head.Policy.groupOrder())
	slices.Reverse(head.Policy.Groups)
	head.Nodes = nil
	for _, n := range slices.Backward(lastChangedLast(old.Nodes)) {
		phase := Pending
		if !holdsChange(n) {
			phase = Unchanged
		}
		head.Nodes = append(head.Nodes, NodeRun{Name: n.Name, ControlPlane: n.ControlPlane, Group: n.Group, Phase: phase, Plan: n.Plan})
	}
	return d.begin(ctx, o, head, make([]Conn, len(head.Nodes)))
}

// holdsChange reports whether the node may hold what the run brought; in doubt yes.
func holdsChange(n NodeRun) bool {
	return !n.Begun.IsZero() && (n.Phase.InFlight() || n.Phase == Applied || n.Phase == Lost || n.Phase == Broken)
}

// Holding counts the nodes that may hold what the run brought.
func Holding(r *Run) (n int) {
	for _, node := range r.Nodes {
		if holdsChange(node) {
			n++
		}
	}
	return n
}

// Undone returns the runs, newest first, with the nodes that a later rollback among
// them put back marked as rolled back. The runs themselves stay as they are.
func Undone(runs []*Run) []*Run {
	back := map[string]map[string]bool{}
	out := make([]*Run, len(runs))
	for i, r := range runs {
		seen := *r
		seen.Nodes = slices.Clone(r.Nodes)
		for k := range seen.Nodes {
			n := &seen.Nodes[k]
			if r.Target != "" && n.Phase == RolledBack {
				if back[r.Target] == nil {
					back[r.Target] = map[string]bool{}
				}
				back[r.Target][n.Name] = true
			}
			if back[r.ID][n.Name] && n.Phase.Ended() {
				n.Phase = RolledBack
			}
		}
		out[i] = &seen
	}
	return out
}

// lastChangedLast orders nodes by wave; nodes of one wave as they were.
func lastChangedLast(nodes []NodeRun) []NodeRun {
	sorted := slices.Clone(nodes)
	slices.SortStableFunc(sorted, func(a, b NodeRun) int { return a.Wave - b.Wave })
	return sorted
}

// putBack undoes what this run committed on a node that was in the phase was.
func (r *run) putBack(ctx context.Context, i int, n NodeRun, was Phase) update {
	// An undo is the way to safety, so the end of ctx does not cut it short.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.times.Connect+r.times.Apply+r.rec.Policy.ConfirmWithin)
	defer cancel()
	conn, nerr := r.line(ctx, i, n.Name)
	if nerr != nil {
		return update{phase: was, err: nerr}
	}
	req := protocol.Request{
		Version: protocol.Version, Op: protocol.OpRollback, Run: r.rec.ID, Operator: r.rec.Operator, Target: r.rec.ID,
		// A node goes back to what it was, well or not.
		Force: true, ConfirmWithin: r.rec.Policy.ConfirmWithin,
	}
	reply, err := conn.Do(ctx, req, r.listen(ctx, i, &n))
	if err != nil {
		return r.settle(ctx, i, n, err)
	}
	phase, nerr := judge(n.Name, protocol.OpRollback, reply)
	switch phase {
	case "":
		return r.settle(ctx, i, n, nerr)
	case Unchanged:
		// Nothing of this run is left there to undo.
		phase = RolledBack
	case Refused, Restored, Applied:
		// The undo did not happen; the node is as it was before.
		phase = was
	}
	return update{phase: phase, result: resultOf(reply), err: nerr}
}
