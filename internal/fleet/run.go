package fleet

import (
	"time"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// Run is the record of one run. It is the driver's only memory: State derives
// from it what Next looks at, so whoever reads a stored Run knows as much as the
// driver did. It holds no secrets.
type Run struct {
	// Schema is the version of this type; RunSchema.
	Schema int `json:"schema"`
	// ID is ordered by time, such as 20261123T101502Z-4f2a.
	ID string `json:"id"`
	// Command that was given, such as "apply".
	Command string `json:"command"`
	// Name is the configuration's metadata.name.
	Name string `json:"name,omitempty"`
	// SpecDigest tells whether two runs had the same spec.
	SpecDigest string `json:"specDigest,omitempty"`
	// Target is the run that this one undoes; empty for an apply.
	Target string `json:"target,omitempty"`
	// Operator is user@host; Version is Pullway's.
	Operator string `json:"operator,omitempty"`
	Version  string `json:"version,omitempty"`
	// Adopt, Force and NoProof are the flags that it was given.
	Adopt   bool `json:"adopt,omitempty"`
	Force   bool `json:"force,omitempty"`
	NoProof bool `json:"noProof,omitempty"`

	// Play tells that Kubespray's playbook changed the nodes, and not the engine.
	Play bool `json:"play,omitempty"`

	Started time.Time `json:"started"`
	// Resumed are the times at which the run was gone on with after an interruption.
	Resumed []time.Time `json:"resumed,omitempty"`
	// Ended is zero while the run is under way, and for ever when it crashed.
	Ended time.Time `json:"ended,omitzero"`
	// Outcome is empty until the run ended. Reason says why it stopped early.
	Outcome Outcome `json:"outcome,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	// Stop is what the operator asked for.
	Stop   Stop   `json:"stop,omitempty"`
	Policy Policy `json:"policy"`
	// Nodes in the order of the inventory; all of them, also those left alone.
	Nodes []NodeRun `json:"nodes"`
}

// RunSchema is the present version of Run.
const RunSchema = 1

// NodeRun is what a run did to one node.
type NodeRun struct {
	Name         string `json:"name"`
	ControlPlane bool   `json:"controlPlane,omitempty"`
	// Group is the one of the policy's groups that the node is in.
	Group string `json:"group,omitempty"`
	Phase Phase  `json:"phase"`
	// Wave counts when Begun is set; 0 is the canaries.
	Wave  int       `json:"wave"`
	Begun time.Time `json:"begun,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Step is the last one that the engine told.
	Step protocol.Step `json:"step,omitempty"`
	Plan *PlanSummary  `json:"plan,omitempty"`
	// Result of the apply, or of the rollback in a run that undoes another.
	Result *protocol.Result `json:"result,omitempty"`
	Error  *NodeError       `json:"error,omitempty"`
	// Undo is set when this run asked the node to undo what it had committed.
	// UndoError stands beside Error and never in its place.
	Undo       bool             `json:"undo,omitempty"`
	UndoResult *protocol.Result `json:"undoResult,omitempty"`
	UndoError  *NodeError       `json:"undoError,omitempty"`
	// Gate is what Kubernetes said of the node; absent where it was not asked.
	Gate *GateRun `json:"gate,omitempty"`
}

// PlanSummary is what a record keeps of a plan: no diffs.
type PlanSummary struct {
	// Fingerprint is what apply was asked to apply.
	Fingerprint string `json:"fingerprint"`
	// Release of containerd.
	Release string   `json:"release,omitempty"`
	Changes []string `json:"changes,omitempty"`
	Restart bool     `json:"restart,omitempty"`
	// Warnings and Problems are counted.
	Warnings int `json:"warnings,omitempty"`
	Problems int `json:"problems,omitempty"`
}

func summary(p *plan.Node) *PlanSummary {
	if p == nil {
		return nil
	}
	s := &PlanSummary{
		Fingerprint: p.Fingerprint,
		Release:     oneLine(p.Facts.Release),
		Restart:     p.Restart.Needed,
		Warnings:    len(p.Warnings),
		Problems:    len(p.Problems),
	}
	left := &ration{maxKept}
	for _, c := range p.Changes {
		s.Changes = append(s.Changes, string(c.Action)+" "+c.Path)
	}
	s.Changes = shorten(left, s.Changes, left.line)
	return s
}

// State is what Next looks at.
func (r *Run) State() State {
	s := State{Nodes: make([]NodeState, len(r.Nodes)), Stop: r.Stop}
	for i, n := range r.Nodes {
		s.Nodes[i] = NodeState{
			Name:         n.Name,
			ControlPlane: n.ControlPlane,
			Group:        n.Group,
			Phase:        n.Phase,
			Begun:        !n.Begun.IsZero(),
			Wave:         n.Wave,
			Undo:         n.Undo,
			Unready:      n.Gate.unready(),
		}
	}
	return s
}

// Interrupted reports whether the run has no end: it is under way, or it crashed.
func (r *Run) Interrupted() bool { return r.Ended.IsZero() }

// targets are the nodes of the run.
func (r *Run) targets() []Target {
	all := make([]Target, len(r.Nodes))
	for i, n := range r.Nodes {
		all[i] = Target{Name: n.Name, ControlPlane: n.ControlPlane, Group: n.Group}
	}
	return all
}
