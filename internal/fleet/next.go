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
	// ControlPlane nodes go one by one; Policy says when.
	ControlPlane bool
	// Group is the one of Policy.Groups that the node is in; empty for none.
	Group string
	Phase Phase
	// Unready is true once a gate found that the node cannot run pods.
	Unready bool
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
// waves, each after the whole former one ended. A wave is of one group, and a
// group is finished before the next one begins; control-plane nodes go one by
// one, and last unless the policy says otherwise. Nodes in flight and nodes that
// are down already are together never more than WaveSize, when nodes are undone
// too: where no room is left, nothing more is started or undone.
//
// A failed canary, or more failures than the budget (those found while planning
// count), stops the run: nothing more is started, nodes in flight end, then
// OnFailure says what is undone, in reverse order.
func Next(s State, p Policy) Decision {
	p = p.normal()
	for i := range s.Nodes {
		if s.Nodes[i].Phase.InFlight() {
			return Decision{Action: Wait}
		}
	}
	q := queueUp(s.Nodes, p)
	canaries := q.canaries(p.Canary)
	if why := failure(s, canaries, p); why != "" {
		return afterFailure(s, q, p, why)
	}
	if !slices.ContainsFunc(q.nodes, isPending) {
		return Decision{Action: Finish, Outcome: outcomeOf(s)}
	}
	if s.Stop != StopNone {
		return Decision{Action: Finish, Outcome: outcomeOf(s), Reason: stoppedAsAsked}
	}
	down := countDown(s.Nodes)
	if batch := canaries.batch(p.WaveSize, down, isPending); len(batch) > 0 {
		return Decision{Action: Start, Nodes: batch, Wave: 0}
	}
	if batch := q.batch(p.WaveSize, down, isPending); len(batch) > 0 {
		return Decision{Action: Start, Nodes: batch, Wave: q.lastWave() + 1}
	}
	return Decision{Action: Finish, Outcome: outcomeOf(s), Reason: downText(down, p) + ": no other may start"}
}

const stoppedAsAsked = "stopped as asked"

// afterFailure is the decision once the run must stop because of why.
func afterFailure(s State, q lineup, p Policy, why string) Decision {
	d := Decision{Action: Finish, Outcome: outcomeOf(s), Reason: why}
	if s.Stop == StopNow {
		return d
	}
	wanted := undoWanted(q, p)
	down := countDown(s.Nodes)
	// To undo a node that is down takes none away, whatever else is down.
	possible := func(n *NodeState) bool { return wanted(n) && (n.down() || down < p.WaveSize) }
	if batch := q.reversed().batch(p.WaveSize, down, possible); len(batch) > 0 {
		return Decision{Action: Undo, Nodes: batch, Reason: why}
	}
	kept := 0
	for _, n := range q.nodes {
		if wanted(n) {
			kept++
		}
	}
	if kept > 0 {
		d.Reason += fmt.Sprintf("; %s, so %s not undone", downText(down, p), are(kept))
	}
	return d
}

// failure returns why the run must stop, or "".
func failure(s State, canaries lineup, p Policy) string {
	for _, n := range canaries.nodes {
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

// undoWanted tells which nodes are to be put back by the policy, and were not yet.
func undoWanted(q lineup, p Policy) func(*NodeState) bool {
	wave := 0
	switch p.OnFailure {
	case v1alpha1.RollbackRun:
	case v1alpha1.RollbackWave:
		wave = q.lastWave()
	default:
		return func(*NodeState) bool { return false }
	}
	return func(n *NodeState) bool {
		return n.Begun && !n.Undo && n.Wave >= wave && (n.Phase == Applied || n.Phase == Lost)
	}
}

func isPending(n *NodeState) bool { return n.Phase == Pending }

// down reports whether the node can be taken not to serve: it is counted against
// WaveSize as one in flight is.
func (n *NodeState) down() bool {
	return n.Unready || n.Phase == Unreachable || n.Phase == Broken || n.Phase == Lost
}

// Down is how many nodes count as down, those in flight left out.
func (s State) Down() int { return countDown(s.Nodes) }

func countDown(nodes []NodeState) int {
	down := 0
	for i := range nodes {
		if nodes[i].down() {
			down++
		}
	}
	return down
}

func downText(down int, p Policy) string {
	return fmt.Sprintf("%s down already and maxUnavailable is %d", are(down), p.WaveSize)
}

func are(nodes int) string {
	if nodes == 1 {
		return "1 node is"
	}
	return fmt.Sprintf("%d nodes are", nodes)
}
