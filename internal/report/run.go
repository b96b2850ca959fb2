package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
)

// RunSchema is the present version of Run.
const RunSchema = "pullway.dev/run/v1"

// Run is the result of `pullway apply` and `pullway rollback`, and one record of
// `pullway history`.
type Run struct {
	Schema string `json:"schema"`
	*fleet.Run
	ExitCode int `json:"exitCode"`
	// Restarts of containerd on all nodes together.
	Restarts int `json:"restarts"`
	// LargestRestartGap is the longest restartGap of a node.
	LargestRestartGap time.Duration `json:"largestRestartGap,omitempty"`
}

// NewRun makes the result of a run.
func NewRun(r *fleet.Run) Run {
	run := Run{Schema: RunSchema, Run: r, ExitCode: r.Outcome.ExitCode()}
	for _, n := range r.Nodes {
		for _, res := range []*protocol.Result{n.Result, n.UndoResult} {
			if res == nil {
				continue
			}
			restarts := res.Restarts
			if res.Restarted && restarts == 0 {
				restarts = 1 // a record of a release that did not count
			}
			run.Restarts += restarts
			run.LargestRestartGap = max(run.LargestRestartGap, res.RestartGap)
		}
	}
	return run
}

// Human writes what became of each node, and what stands now.
func (r Run) Human(out *Printer) {
	for _, n := range r.Nodes {
		out.node(n)
	}
	head := map[fleet.Outcome]colour{fleet.Done: green, fleet.NothingToDo: green, fleet.RollbackFailed: red, fleet.Partial: yellow}[r.Outcome]
	if head == "" {
		head = red
	}
	out.line("")
	out.line("%s %s", out.paint(head, outcomeText(r.Run)), painted("(run "+Clean(r.ID)+", "+took(r.Started, r.Ended)+")"))
	if r.Reason != "" {
		out.line("  %s", r.Reason)
	}
	if r.Outcome == fleet.Done || r.Restarts > 0 {
		out.line("  %s", r.disturbance())
	}
	if r.Outcome == fleet.Stopped && r.Stop == fleet.StopSoon && r.Failing() == "" {
		out.line("  the same command goes on with it")
	}
	if (r.Outcome == fleet.Done || r.Outcome == fleet.Stopped) && r.Target == "" {
		out.line("  undo it with: pullway rollback %s", r.ID)
	}
}

// disturbance says what the nodes' own pulls and pods noticed of the run.
func (r Run) disturbance() string {
	switch {
	case r.Restarts == 0:
		return "containerd was not restarted anywhere"
	case r.LargestRestartGap == 0:
		return count(r.Restarts, "restart") + " of containerd"
	}
	return fmt.Sprintf("%s of containerd, CRI away for %s at the most", count(r.Restarts, "restart"), r.LargestRestartGap.Round(time.Millisecond))
}

func outcomeText(r *fleet.Run) string {
	var changed, back int
	for _, n := range r.Nodes {
		switch n.Phase {
		case fleet.Applied:
			changed++
		case fleet.Restored, fleet.RolledBack:
			back++
		}
	}
	switch r.Outcome {
	case "":
		done, failed, look, todo := r.Standing()
		return fmt.Sprintf("Not ended: %s done, %d failed, %d in flight, %d to do.", count(done, "node"), failed, look, todo)
	case fleet.Done:
		if r.Target != "" {
			return fmt.Sprintf("Rolled back run %s on %s.", r.Target, count(back, "node"))
		}
		return fmt.Sprintf("Done: %s changed.", count(changed, "node"))
	case fleet.NothingToDo:
		return "Nothing to do: every node is as desired."
	case fleet.FailedUnchanged:
		return "Failed, and nothing was changed."
	case fleet.AllRolledBack:
		return fmt.Sprintf("Failed, and put back: %s changed and restored.", count(back, "node"))
	case fleet.RollbackFailed:
		return "A node could not be put back. Hands are needed."
	case fleet.Partial:
		return fmt.Sprintf("Stopped part-way: %s changed, the rest as before.", count(changed, "node"))
	case fleet.Stopped:
		return fmt.Sprintf("Stopped as asked: %s changed, the rest as before.", count(changed, "node"))
	}
	return "Ended as " + string(r.Outcome) + "."
}

func (p *Printer) node(n fleet.NodeRun) {
	c := green
	switch {
	case n.Phase.Failed() || n.UndoError != nil:
		c = red
	case n.Phase == fleet.Pending, n.Phase == fleet.Unchanged:
		c = faint
	case n.Phase == fleet.RolledBack && n.Undo:
		c = yellow
	}
	p.line("%-20s %s", n.Name, p.paint(c, phaseText(n)))
	if n.Result != nil {
		for _, pr := range n.Result.Proofs {
			p.proof("  ", pr)
		}
		for _, w := range n.Result.Warnings {
			p.line("  %s %s", p.paint(yellow, "warning:"), w.Text)
			p.hint("  ", w.Hint)
		}
	}
	p.gates("  ", n.Gate)
	for _, err := range []*fleet.NodeError{n.Error, n.UndoError} {
		// A pull that failed has been told with its reason already.
		if err != nil && !(err == n.Error && n.Result != nil && failedProof(n)) {
			p.line("  %s %s", p.paint(red, "error:"), err.Text)
			p.hint("  ", err.Hint)
		}
	}
}

// failedProof reports whether a pull that failed is all that went wrong.
func failedProof(n fleet.NodeRun) bool {
	switch n.Result.Failed {
	case protocol.StepProbe:
		return n.Phase == fleet.Refused && anyFailed(n.Result.Proofs)
	case protocol.StepProve:
		return n.Phase == fleet.Restored && anyFailed(n.Result.Proofs)
	}
	return false
}

func anyFailed(proofs []protocol.Proof) bool {
	return slices.ContainsFunc(proofs, func(p protocol.Proof) bool { return !p.OK })
}

func phaseText(n fleet.NodeRun) string {
	text := map[fleet.Phase]string{
		fleet.Pending: "not touched", fleet.Unchanged: "as desired already", fleet.Refused: "refused, not changed",
		fleet.Unreachable: "could not be reached, not changed", fleet.Applied: "changed and proven",
		fleet.Restored: "failed and put itself back", fleet.RolledBack: "rolled back",
		fleet.Broken: "BROKEN: could not be put back", fleet.Lost: "UNKNOWN: the connection was lost",
	}[n.Phase]
	if text == "" {
		text = string(n.Phase)
	}
	if r := n.Result; r != nil && n.Phase == fleet.Refused && r.Failed == protocol.StepProbe {
		text = "the proof failed, not changed"
	}
	if r := n.Result; r != nil && n.Phase == fleet.Applied {
		if len(r.Proofs) == 0 {
			text = "changed, not proven"
		}
		switch {
		case r.Restarted && r.RestartGap > 0:
			text += fmt.Sprintf(", containerd restarted (CRI away for %s%s)", r.RestartGap.Round(time.Millisecond), keptText(r.Kept))
		case r.Restarted:
			text += ", containerd restarted"
		default:
			text += ", no restart"
		}
	}
	return text
}

func keptText(kept int) string {
	if kept == 0 {
		return ""
	}
	return fmt.Sprintf(", %s ran on", count(kept, "container"))
}

// proof writes one line of what a proving pull showed.
func (p *Printer) proof(indent string, pr protocol.Proof) {
	if !pr.OK {
		p.line("%s%s %s: %s", indent, p.paint(red, "not pulled"), pr.Image, pr.Error)
		p.why(indent, pr)
		if pr.Why == nil || pr.Why.SameAs == "" {
			p.hint(indent, pr.WhatToDo())
		}
		return
	}
	from := "layers fetched"
	if !pr.Fresh {
		from = "manifest only, its layers were on the node"
	}
	if len(pr.Endpoints) == 0 {
		p.line("%s%s %s in %s (%s)", indent, p.paint(green, "pulled"), pr.Image, pr.Took.Round(time.Millisecond), from)
		p.line("%s  by its own name: containerd reads no hosts directory, so nothing tells which endpoint served it", indent)
		return
	}
	p.line("%s%s %s from %s in %s (%s)", indent, p.paint(green, "pulled"), pr.Image, names(pr.Endpoints, 3), pr.Took.Round(time.Millisecond), from)
	if pr.ByName != "pulled" && pr.ByName != "" {
		p.line("%s  under its own name: %s", indent, pr.ByName)
	}
}

// why writes what a trace found of a pull that failed.
func (p *Printer) why(indent string, pr protocol.Proof) {
	switch {
	case pr.Why == nil:
	case pr.Why.SameAs != "":
		p.line("%s  %s as for %s", indent, p.paint(cyan, "why:"), pr.Why.SameAs)
	default:
		p.line("%s  %s %s", indent, p.paint(cyan, "why:"), pr.Why.Text)
	}
}

func took(from, to time.Time) string {
	if to.IsZero() {
		return "not ended"
	}
	return to.Sub(from).Round(10 * time.Millisecond).String()
}
