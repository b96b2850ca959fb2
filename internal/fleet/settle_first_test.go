package fleet

import (
	"context"
	"slices"
	"testing"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// interruptedNode has a transaction that a crash left, until it is asked to recover.
type interruptedNode struct {
	settled bool
	asked   []protocol.Op
}

func (n *interruptedNode) Connect(context.Context, string) (Conn, error) { return n, nil }
func (n *interruptedNode) Close() error                                  { return nil }

func (n *interruptedNode) Do(_ context.Context, req protocol.Request, _ func(protocol.Event) *protocol.Control) (*protocol.Reply, error) {
	n.asked = append(n.asked, req.Op)
	if req.Op == protocol.OpRecover {
		n.settled = true
		return &protocol.Reply{Result: &protocol.Result{Outcome: protocol.OutcomeRestored}}, nil
	}
	p := &plan.Node{Fingerprint: "before"}
	if !n.settled {
		p.Interrupted = "20260101T000000.000Z-0001"
		return &protocol.Reply{Plan: p}, nil
	}
	p.Fingerprint = "after"
	p.Changes = []plan.Change{{Path: "/x"}}
	return &protocol.Reply{Plan: p}, nil
}

func TestPlannerSettlesInterruptedNodesOnlyWhenTold(t *testing.T) {
	for settle, want := range map[bool][]protocol.Op{
		false: {protocol.OpPlan},
		true:  {protocol.OpPlan, protocol.OpRecover, protocol.OpPlan},
	} {
		n := &interruptedNode{}
		plans, err := (&Planner{Connector: n, Settle: settle}).Plan(t.Context(), []Target{{Name: "node1"}}, protocol.Request{})
		if err != nil {
			t.Fatal(err)
		}
		got := plans.Nodes[0]
		if !slices.Equal(n.asked, want) {
			t.Errorf("settle %v: asked %v, want %v", settle, n.asked, want)
		}
		if got.Phase() != Pending {
			t.Errorf("settle %v: phase %s; a node in the middle of a transaction has something to do", settle, got.Phase())
		}
		if err := plans.Close(); err != nil {
			t.Error(err)
		}
	}
}
