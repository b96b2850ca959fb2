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
	ctx, cancel := context.WithTimeout(ctx, r.times.Apply+r.rec.Policy.ConfirmWithin)
	defer cancel()
	reply, err := conn.Do(ctx, r.order(n), r.listen(ctx, i, &n))
	if err != nil {
		return r.settle(ctx, i, n, err)
	}
	phase, nerr := judge(n.Name, reply)
	if phase == "" {
		return r.settle(ctx, i, n, nerr)
	}
	return update{phase: phase, result: resultOf(reply), err: nerr}
}

// order is the request for one node.
func (r *run) order(n NodeRun) protocol.Request {
	req := protocol.Request{Version: protocol.Version, Run: r.rec.ID, ConfirmWithin: r.rec.Policy.ConfirmWithin}
	if r.rec.Target != "" {
		req.Op, req.Target, req.Force = protocol.OpRollback, r.rec.Target, r.request.Force
		return req
	}
	req.Op = protocol.OpApply
	req.Desired = r.request.Desired
	req.Adopt, req.Force, req.NoProof = r.request.Adopt, r.request.Force, r.request.NoProof
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
func judge(node string, reply *protocol.Reply) (Phase, *NodeError) {
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
	if phase == "" {
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
	return reply.Result
}
