package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// Planner asks every node for its plan. It changes nothing, unless Settle is set.
type Planner struct {
	Connector Connector
	// Observer may be nil.
	Observer Observer
	Timeouts Timeouts
	// Limit is how many nodes are asked at once; less than 1 means DefaultLimit.
	Limit int
	// Settle lets nodes on which an earlier run was interrupted put themselves in
	// order first and plans them again. It is the one thing by which a planner
	// changes a node.
	Settle bool
}

// Planned is the plan of one node, or why there is none.
type Planned struct {
	Target Target
	// Plan is nil when Err is about the connection or the engine.
	Plan *plan.Node
	Err  *NodeError
	// Gate is what the gate says before the run; nil when none was asked.
	Gate *GateAnswer
	// conn stays open for the apply when there is something to do.
	conn Conn
}

// Phase is where the node stands before a run.
func (p *Planned) Phase() Phase {
	switch {
	case p.Err != nil && (p.Err.Kind == ErrUnreachable || p.Err.Kind == ErrLineLost):
		return Unreachable
	case p.Err != nil:
		return Refused
	case p.Plan.NothingToDo():
		return Unchanged
	case !p.Plan.CanApply():
		return Refused
	}
	return Pending
}

// Plans are the plans of all nodes, in the order of the targets. The
// connections of nodes with something to do stay open until Close.
type Plans struct{ Nodes []Planned }

// Close gives all connections back. It may be called more than once, and after
// an apply, which takes the connections over.
func (p *Plans) Close() error {
	var open []Conn
	for i := range p.Nodes {
		if c := p.Nodes[i].conn; c != nil {
			open = append(open, c)
			p.Nodes[i].conn = nil
		}
	}
	// Side by side, for each waits until its engine has left.
	return errors.Join(Each(context.Background(), open, 0, func(_ context.Context, c Conn) error { return c.Close() })...)
}

// Plan asks all targets at once, at most Limit in flight. base says what is
// desired; its Op and Version are set here. The only error is about the
// targets: a name that is empty or stands there twice. What goes wrong with a
// node is in its Planned.
func (p *Planner) Plan(ctx context.Context, targets []Target, base protocol.Request) (*Plans, error) {
	if err := checkTargets(targets); err != nil {
		return nil, err
	}
	base.Op = protocol.OpPlan
	t := p.Timeouts.withDefaults()
	mail := newMailbox(p.Observer)
	defer mail.close()
	return &Plans{Nodes: Each(ctx, targets, p.Limit, func(ctx context.Context, target Target) Planned {
		planned := p.one(ctx, target, base, t, mail)
		if phase := planned.Phase(); phase != Pending && planned.conn != nil {
			_ = planned.conn.Close()
			planned.conn = nil
		}
		mail.ended(target.Name, planned.Phase(), planned.Err)
		return planned
	})}, nil
}

func (p *Planner) one(ctx context.Context, target Target, req protocol.Request, t Timeouts, mail *mailbox) Planned {
	planned := Planned{Target: target}
	mail.step(target.Name, StepConnect, "")
	if planned.conn, planned.Err = connect(ctx, p.Connector, target.Name, t.Connect); planned.Err != nil {
		return planned
	}
	reply, nerr := converse(ctx, planned.conn, target.Name, req, t.Plan, mail)
	if p.Settle && nerr == nil && reply.Plan != nil && reply.Plan.Interrupted != "" {
		recover := protocol.Request{Op: protocol.OpRecover, Run: req.Run, Operator: req.Operator}
		if _, nerr = converse(ctx, planned.conn, target.Name, recover, t.Apply, mail); nerr == nil {
			reply, nerr = converse(ctx, planned.conn, target.Name, req, t.Plan, mail)
		}
	}
	switch {
	case nerr != nil:
		planned.Err = nerr
	case reply.Plan == nil:
		planned.Err = newNodeError(target.Name, ErrBadReply, errors.New("the engine's reply holds no plan"))
	case reply.Plan.CanApply() && reply.Plan.Fingerprint == "":
		planned.Err = newNodeError(target.Name, ErrBadReply, errors.New("the engine's plan has no fingerprint"))
	case len(reply.Plan.Fingerprint) > maxFingerprint:
		planned.Err = newNodeError(target.Name, ErrBadReply, fmt.Errorf("the engine's plan has a fingerprint of %d bytes", len(reply.Plan.Fingerprint)))
	default:
		planned.Plan = reply.Plan
		planned.Err = firstProblem(target.Name, reply.Plan)
	}
	return planned
}

// maxFingerprint is the longest fingerprint that is taken of a node, in bytes.
const maxFingerprint = 256

// firstProblem is the error of a plan that has problems; the others are in the plan.
func firstProblem(node string, p *plan.Node) *NodeError {
	if len(p.Problems) == 0 {
		return nil
	}
	first := p.Problems[0]
	return fromEngine(node, &protocol.Error{Kind: protocol.ErrRefused, Text: first.Text, Hint: first.Hint})
}

func checkTargets(targets []Target) error {
	seen := make(map[string]bool, len(targets))
	for i, t := range targets {
		switch {
		case t.Name == "":
			return fmt.Errorf("node %d of %d has no name", i+1, len(targets))
		case seen[t.Name]:
			return fmt.Errorf("node %q is named twice", t.Name)
		}
		seen[t.Name] = true
	}
	return nil
}
