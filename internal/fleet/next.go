// Package fleet changes many nodes: in which order, how many at once, when to
// stop and what to put back.
//
// Next is the rollout rule: a pure function of where every node stands. Driver
// does what Next says and keeps a Record of it, so that what stands in the
// record is all that a later reader needs to judge or to go on. How a node is
// reached is behind Connector; where records are kept is behind Recorder.
package fleet

import (
	"fmt"
	"slices"

	"github.com/pullway/pullway/api/v1alpha1"
)

// State is all that Next looks at.
type State struct {
	// Nodes in inventory order.
	Nodes []NodeState
	// Stop is what the person in front of it asked for.
	Stop Stop
}

// NodeState is where one node stands.
type NodeState struct {
	Name string
	// ControlPlane nodes come last and one by one.
	ControlPlane bool
	Phase        Phase
	// Begun is true once the node was started in this run, in wave Wave. Wave 0
	// is the canaries.
	Begun bool
	Wave  int
	// Undo is true once this run asked the node to undo what it had committed.
	Undo bool
}

// Stop is a request to stop.
type Stop string

// The requests to stop.
const (
	StopNone Stop = ""
	// StopSoon: finish what is in flight, start no more.
	StopSoon Stop = "soon"
	// StopNow: what is in flight is cancelled and puts itself back; no committed
	// change is undone.
	StopNow Stop = "now"
)

// Action is what the driver does next.
type Action string

// The actions.
const (
	Start  Action = "start"
	Wait   Action = "wait"
	Undo   Action = "undo"
	Finish Action = "finish"
)

// Decision is what to do next.
type Decision struct {
	Action Action
	// Nodes to start or to undo, in order; none for Wait and Finish.
	Nodes []string
	// Wave that the nodes belong to, for Start.
	Wave int
	// Outcome of the run, for Finish.
	Outcome Outcome
	// Reason in a few words why the run stops before its end; may be empty.
	Reason string
}

// Next is the rollout rule. It is pure and total: the same state and policy
// give the same decision, and carrying decisions out until each node has ended
// leads to Finish after at most two decisions a node.
//
// Nodes with nothing to do never take part. Canaries go first and alone, then
// waves of at most WaveSize, each after the whole former one ended; control-plane
// nodes go last and one by one. A failed canary, or more failures than the budget
// (those found while planning count), stops the run: nothing more is started,
// nodes in flight end, then OnFailure says what is undone, in reverse order.
func Next(s State, p Policy) Decision {
	p = p.normal()
	for _, n := range s.Nodes {
		if n.Phase.InFlight() {
			return Decision{Action: Wait}
		}
	}
	order := inOrder(s.Nodes)
	canaries := canariesOf(order, p.Canary)
	if why := failure(s, canaries, p); why != "" {
		if batch := toUndo(order, p); len(batch) > 0 && s.Stop != StopNow {
			return Decision{Action: Undo, Nodes: batch, Reason: why}
		}
		return Decision{Action: Finish, Outcome: outcomeOf(s), Reason: why}
	}
	if !slices.ContainsFunc(order, isPending) {
		return Decision{Action: Finish, Outcome: outcomeOf(s)}
	}
	if s.Stop != StopNone {
		return Decision{Action: Finish, Outcome: outcomeOf(s), Reason: "stopped as asked"}
	}
	if batch := firstBatch(canaries, p.WaveSize, isPending); len(batch) > 0 {
		return Decision{Action: Start, Nodes: batch, Wave: 0}
	}
	return Decision{Action: Start, Nodes: firstBatch(order, p.WaveSize, isPending), Wave: lastWave(order) + 1}
}

// failure returns why the run must stop, or "".
func failure(s State, canaries []NodeState, p Policy) string {
	for _, n := range canaries {
		if n.Begun && n.Phase.Failed() {
			return fmt.Sprintf("canary node %q failed", n.Name)
		}
	}
	failed := 0
	for _, n := range s.Nodes {
		if n.Phase.Failed() {
			failed++
		}
	}
	switch {
	case failed > p.FailureBudget && failed == 1:
		return fmt.Sprintf("1 node failed, the budget is %d", p.FailureBudget)
	case failed > p.FailureBudget:
		return fmt.Sprintf("%d nodes failed, the budget is %d", failed, p.FailureBudget)
	}
	// Undoing a lost node may take it off the list of failures. A run that has
	// begun to undo never goes on all the same.
	if slices.ContainsFunc(s.Nodes, func(n NodeState) bool { return n.Undo }) {
		return "undoing after a failure"
	}
	return ""
}

// toUndo returns the next batch to put back, the last started first.
func toUndo(order []NodeState, p Policy) []string {
	wave := 0
	switch p.OnFailure {
	case v1alpha1.RollbackRun:
	case v1alpha1.RollbackWave:
		wave = lastWave(order)
	default:
		return nil
	}
	last := slices.Clone(order)
	slices.Reverse(last)
	return firstBatch(last, p.WaveSize, func(n NodeState) bool {
		return n.Begun && !n.Undo && n.Wave >= wave && (n.Phase == Applied || n.Phase == Lost)
	})
}

// inOrder returns the nodes that take part: workers as given, then the control plane.
func inOrder(nodes []NodeState) []NodeState {
	var workers, control []NodeState
	for _, n := range nodes {
		switch {
		case !n.Begun && n.Phase != Pending:
		case n.ControlPlane:
			control = append(control, n)
		default:
			workers = append(workers, n)
		}
	}
	return append(workers, control...)
}

// canariesOf are the first n that take part. That is the same set during the
// whole run, because who takes part is settled before the first start.
func canariesOf(order []NodeState, n int) []NodeState { return order[:min(n, len(order))] }

// firstBatch returns the first nodes that want it: one control-plane node, or up
// to size workers.
func firstBatch(nodes []NodeState, size int, want func(NodeState) bool) []string {
	var names []string
	for _, n := range nodes {
		if !want(n) {
			continue
		}
		if n.ControlPlane && len(names) > 0 || len(names) == size {
			break
		}
		names = append(names, n.Name)
		if n.ControlPlane {
			break
		}
	}
	return names
}

func isPending(n NodeState) bool { return n.Phase == Pending }

// lastWave is the highest wave started; 0 when none was or only canaries were.
func lastWave(nodes []NodeState) int {
	last := 0
	for _, n := range nodes {
		if n.Begun {
			last = max(last, n.Wave)
		}
	}
	return last
}
