package fleet

import (
	"context"
	"fmt"
)

// work is what is done to one node on its goroutine.
type work func(ctx context.Context, i int, n NodeRun) update

// gated is do with the gate before and after it. A node that the gate denies
// before is refused, untouched. When the gate is silent the node stays pending
// and the run stops softly: whether it may go nobody knows, and a node that is
// well must not be taken for a failed one.
func (r *run) gated(do work) work {
	if r.Gate == nil {
		return do
	}
	return func(ctx context.Context, i int, n NodeRun) update {
		restart := n.Plan != nil && n.Plan.Restart
		a := r.askGate(ctx, i, n.Name, func(ctx context.Context) GateAnswer { return r.Gate.Before(ctx, n.Name, restart) })
		n.Gate = &GateRun{Before: &a}
		switch a.Verdict {
		case GatePass:
			return r.checked(do)(ctx, i, n)
		case GateDeny:
			return update{phase: Refused, err: gateError(n.Name, a), gate: n.Gate}
		}
		return update{phase: Pending, gate: n.Gate, silent: r.silence(ctx, n.Name, a)}
	}
}

// checked is do with the gate after it, where do brought the node to where the
// run wants it. A node that the gate denies then has failed, and is put back at
// once as every failed node is. When the gate is silent the node stays as it is
// (the pulls have proven it) and the run stops softly.
func (r *run) checked(do work) work {
	if r.Gate == nil {
		return do
	}
	return func(ctx context.Context, i int, n NodeRun) update {
		u := do(ctx, i, n)
		goal := Applied
		if r.rec.Target != "" {
			goal = RolledBack
		}
		if u.gate = n.Gate; n.Undo || u.phase != goal {
			return u
		}
		a := r.askGate(ctx, i, n.Name, func(ctx context.Context) GateAnswer { return r.Gate.After(ctx, n.Name) })
		u.gate = &GateRun{After: &a}
		if n.Gate != nil {
			u.gate.Before = n.Gate.Before
		}
		switch a.Verdict {
		case GatePass:
		case GateDeny:
			return r.takeBack(ctx, i, n, u)
		default:
			u.silent = r.silence(ctx, n.Name, a)
		}
		return u
	}
}

// askGate asks within Timeouts.Gate. What a gate says after that, or after the
// run was cancelled, is not listened to.
func (r *run) askGate(ctx context.Context, i int, node string, ask func(context.Context) GateAnswer) GateAnswer {
	r.tell(i, node, StepGate, "")
	bounded, cancel := context.WithTimeout(ctx, r.times.Gate)
	defer cancel()
	a := ask(bounded)
	switch {
	case ctx.Err() != nil:
		a = GateAnswer{Verdict: GateSilent, Reason: "the run was stopped before the gate had answered"}
	case bounded.Err() != nil:
		a = GateAnswer{Verdict: GateSilent, Reason: fmt.Sprintf("the gate did not answer within %s", r.times.Gate)}
	}
	a.Reason, a.Hint = oneLine(a.Reason), oneLine(a.Hint)
	for j := range a.Notes {
		a.Notes[j] = oneLine(a.Notes[j])
	}
	return a
}

// silence is why the run stops, or empty when it was stopped by a person.
func (r *run) silence(ctx context.Context, node string, a GateAnswer) string {
	if ctx.Err() != nil {
		return ""
	}
	return fmt.Sprintf("node %q: %s", node, a.Reason)
}

// takeBack undoes what was committed on a node that is not well after it. An undo
// that is not well itself has no way back.
func (r *run) takeBack(ctx context.Context, i int, n NodeRun, u update) update {
	u.err = gateError(n.Name, *u.gate.After)
	if r.rec.Target != "" {
		u.phase = Broken
		return u
	}
	// The line was idle while the gate thought; a new one is sure.
	if conn := r.conns[i]; conn != nil {
		r.conns[i] = nil
		_ = conn.Close()
	}
	n.Undo = true
	back := r.putBack(ctx, i, n, Applied)
	u.undone, u.phase = back.result, back.phase
	switch {
	case back.phase == RolledBack:
		u.phase = Restored
	case back.phase == Applied && back.err != nil && back.err.Kind == ErrUnreachable:
		u.phase = Lost
	case back.phase == Applied:
		u.phase = Broken
	}
	if back.err != nil {
		hint := u.err.Hint
		u.err = newNodeError(n.Name, ErrGate, fmt.Errorf("%w; putting it back: %w", u.err, back.err))
		if back.err.Hint == "" {
			u.err.Hint = hint
		}
	}
	return u
}

// noteGate records what an update tells of the gate.
func (r *run) noteGate(n *NodeRun, u update) {
	if u.gate != nil {
		n.Gate = u.gate
	}
	if u.undone != nil {
		n.UndoResult = u.undone
	}
	if u.silent != "" {
		r.askStop(StopSoon)
		r.silent = u.silent
	}
	if u.phase == Pending {
		r.mail.ended(n.Name, Pending, nil)
	}
}
