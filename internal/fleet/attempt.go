package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/pullway/pullway/internal/protocol"
)

// attempt does to one node what the run is for: it applies the plan, or undoes
// the run that is the target. It is tried once; what it returns has an end.
func (r *run) attempt(ctx context.Context, i int, n NodeRun) update {
	conn, nerr := r.line(ctx, i, n.Name)
	if nerr != nil {
		return update{phase: Unreachable, err: nerr}
	}
	within := r.times.Apply + r.rec.Policy.ConfirmWithin
	converse := func(ctx context.Context) (*protocol.Reply, error) {
		return conn.Do(ctx, r.order(n), r.listen(ctx, i, &n))
	}
	if r.plays() {
		within += r.times.Play
		converse = func(ctx context.Context) (*protocol.Reply, error) { return r.played(ctx, conn, i, &n) }
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	reply, err := converse(ctx)
	if err == nil && r.rec.Target != "" && reply != nil && reply.Error != nil && reply.Error.Kind == protocol.ErrLocked {
		// The run that is to be undone may be what holds the node, waiting for its word.
		if u, _ := r.word(ctx, conn, n.Name, r.rec.Target, false); u.phase != "" {
			reply, err = conn.Do(ctx, r.order(n), r.listen(ctx, i, &n))
		}
	}
	if err != nil {
		return r.settle(ctx, i, n, err)
	}
	phase, nerr := judge(n.Name, r.op(), reply)
	if phase == "" {
		return r.settle(ctx, i, n, nerr)
	}
	return update{phase: phase, result: resultOf(reply), err: nerr}
}

// op is what the run does to its nodes.
func (r *run) op() protocol.Op {
	if r.rec.Target != "" {
		return protocol.OpRollback
	}
	return protocol.OpApply
}

// order is the request for one node.
func (r *run) order(n NodeRun) protocol.Request {
	req := protocol.Request{Version: protocol.Version, Run: r.rec.ID, Operator: r.rec.Operator, ConfirmWithin: r.rec.Policy.ConfirmWithin}
	if r.rec.Target != "" {
		req.Op, req.Target, req.Force, req.Overwrite = protocol.OpRollback, r.rec.Target, r.request.Force, r.request.Overwrite
		return req
	}
	req.Op = r.op()
	req.Desired = r.request.Desired
	req.Overwrite, req.Adopt, req.Force, req.NoProof = r.request.Overwrite, r.request.Adopt, r.request.Force, r.request.NoProof
	req.Kubespray, req.Play, req.Mend = r.request.Kubespray, r.rec.Play, r.request.Mend
	req.Fingerprint = n.Plan.Fingerprint
	return req
}

// listen passes events on, remembers the last in n, and confirms a change as
// soon as it is proven, unless the run was cancelled in the meantime.
func (r *run) listen(ctx context.Context, i int, n *NodeRun) func(protocol.Event) *protocol.Control {
	return func(e protocol.Event) *protocol.Control {
		n.Step = e.Step
		r.tell(i, n.Name, e.Step, e.Text)
		if e.Step != protocol.StepProven {
			return nil
		}
		return &protocol.Control{Confirm: ctx.Err() == nil}
	}
}

// judge turns a reply into the phase it means. The phase is empty when the reply
// does not tell what the node is like now.
func judge(node string, op protocol.Op, reply *protocol.Reply) (Phase, *NodeError) {
	if reply == nil {
		return "", newNodeError(node, ErrBadReply, errors.New("the engine gave no reply"))
	}
	told := fromEngine(node, reply.Error)
	if reply.Result == nil {
		switch {
		case told == nil:
			return "", newNodeError(node, ErrBadReply, errors.New("the engine's reply holds no result"))
		case told.Kind == protocol.ErrFailed:
			return "", told
		}
		return Refused, told
	}
	phases := map[protocol.Outcome]Phase{
		protocol.OutcomeUnchanged:  Unchanged,
		protocol.OutcomeApplied:    Applied,
		protocol.OutcomeRefused:    Refused,
		protocol.OutcomeRestored:   Restored,
		protocol.OutcomeRolledBack: RolledBack,
		protocol.OutcomeBroken:     Broken,
	}
	phase := phases[reply.Result.Outcome]
	if phase == "" || !canMean(op, reply.Result.Outcome) {
		return "", newNodeError(node, ErrBadReply, fmt.Errorf("the engine's result has the outcome %q", oneLine(string(reply.Result.Outcome))))
	}
	if phase.Failed() && told == nil {
		told = newNodeError(node, protocol.ErrFailed, fmt.Errorf("step %q failed, the engine gave no reason", oneLine(string(reply.Result.Failed))))
	}
	return phase, told
}

func resultOf(reply *protocol.Reply) *protocol.Result {
	if reply == nil {
		return nil
	}
	return kept(reply.Result)
}
