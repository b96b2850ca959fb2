package fleet

import (
	"context"
	"errors"

	"github.com/pullway/pullway/internal/protocol"
)

// Gate is asked about a node before it is started and after it was changed, such
// as a cluster's API server. It is called by many goroutines at once, bounds what
// it asks by itself, and returns soon after ctx ended. It changes nothing.
type Gate interface {
	// Before says whether the node may be started now. restart tells that
	// containerd will be restarted.
	Before(ctx context.Context, node string, restart bool) GateAnswer
	// After says whether the node is well after the change.
	After(ctx context.Context, node string) GateAnswer
}

// Verdict is what a gate decides. It is kept in run records.
type Verdict string

// The verdicts.
const (
	GatePass Verdict = "pass"
	// GateDeny: the node must not be started, or is not well after the change.
	GateDeny Verdict = "deny"
	// GateSilent: the gate could not be asked, so nobody knows.
	GateSilent Verdict = "silent"
)

// GateAnswer is what a gate said of one node.
type GateAnswer struct {
	Verdict Verdict `json:"verdict"`
	// Reason is one line, and Hint what a person can do about it; both for deny
	// and silent.
	Reason string `json:"reason,omitempty"`
	Hint   string `json:"hint,omitempty"`
	// Notes are worth knowing and decide nothing: one line each.
	Notes []string `json:"notes,omitempty"`
	// Unready is true when the node cannot run pods: it counts as down.
	Unready bool `json:"unready,omitempty"`
}

// GateRun is what the gate said of one node in a run.
type GateRun struct {
	Before *GateAnswer `json:"before,omitempty"`
	After  *GateAnswer `json:"after,omitempty"`
}

func (g *GateRun) unready() bool {
	switch {
	case g == nil:
		return false
	case g.After != nil && g.After.Verdict != GateSilent:
		return g.After.Unready
	}
	return g.Before != nil && g.Before.Unready
}

const (
	// ErrGate is the kind of error of a node that a gate denied.
	ErrGate protocol.ErrorKind = "gate"
	// StepGate asks the gate.
	StepGate protocol.Step = "gate"
)

// gateError makes the node's error of a denial.
func gateError(node string, a GateAnswer) *NodeError {
	e := newNodeError(node, ErrGate, errors.New(a.Reason))
	e.Hint = oneLine(a.Hint)
	return e
}

// AskGate asks g about every node of the plans that would be started, at most
// limit at once (DefaultLimit when less than 1), and keeps the answers: a denied
// node is refused before the run begins.
func (p *Plans) AskGate(ctx context.Context, g Gate, limit int, o Observer) {
	mail := newMailbox(o)
	defer mail.close()
	indices := make([]int, 0, len(p.Nodes))
	for i := range p.Nodes {
		if p.Nodes[i].Phase() == Pending {
			indices = append(indices, i)
		}
	}
	Each(ctx, indices, limit, func(ctx context.Context, i int) struct{} {
		n := &p.Nodes[i]
		mail.step(n.Target.Name, StepGate, "")
		a := g.Before(ctx, n.Target.Name, n.Plan.Restart.Needed)
		n.Gate = &a
		if a.Verdict == GateDeny {
			n.Err = gateError(n.Target.Name, a)
		}
		mail.ended(n.Target.Name, n.Phase(), n.Err)
		return struct{}{}
	})
}
