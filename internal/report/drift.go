package report

import (
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/plan"
)

// StatusSummary counts nodes. A node that is not healthy may be drifted as well.
type StatusSummary struct {
	// AsWritten nodes have everything as Pullway wrote it, or nothing of it.
	AsWritten int `json:"asWritten"`
	// Drifted nodes do not; see StatusNode.Drifted.
	Drifted int `json:"drifted"`
	// NotHealthy nodes answered, and their CRI is not well.
	NotHealthy int `json:"notHealthy"`
	// Failed nodes could not be asked.
	Failed int `json:"failed"`
}

func (s *StatusSummary) count(n StatusNode) {
	switch {
	case n.Status == nil:
		s.Failed++
		return
	case n.Drifted():
		s.Drifted++
	default:
		s.AsWritten++
	}
	if !n.Status.Healthy {
		s.NotHealthy++
	}
}

// Drifted reports whether somebody changed or removed what is ours, put something
// before it, or changed a file of the configuration that is not in force.
func (n StatusNode) Drifted() bool {
	if n.Status == nil {
		return false
	}
	return len(n.Stale) > 0 || n.Status.NotLoaded != nil ||
		slices.ContainsFunc(n.Status.Files, func(f plan.FileState) bool { return f.Drifted() || f.NotInForce != "" }) ||
		slices.ContainsFunc(n.Status.Kept, func(k plan.Foreign) bool { return k.Shadows || k.NotInForce != "" })
}

// drift writes what became of our files, and what others have beside them.
func (n StatusNode) drift(out *Printer) {
	for _, f := range n.Status.Files {
		out.fileState(f)
	}
	for _, s := range n.Stale {
		out.stale(s)
	}
	for _, k := range n.Status.Kept {
		told := slices.ContainsFunc(n.Stale, func(s plan.Stale) bool { return s.Path == k.Path }) ||
			n.Status.NotLoaded != nil && k.Path == n.Status.Facts.ConfigFile
		if !told {
			out.kept(k)
		}
	}
	out.variablesUnknown(n.VariablesUnknown)
	out.hint("  ", driftHint(n))
}

// driftHint is what a person can do about the drift of a node; empty for none.
func driftHint(n StatusNode) string {
	s := n.Status
	switch {
	case slices.ContainsFunc(s.Files, plan.FileState.Drifted):
		return "pullway plan shows the difference; apply --overwrite writes anew what is Pullway's"
	case slices.ContainsFunc(s.Kept, func(k plan.Foreign) bool { return k.Shadows }):
		return "move away what is read in place of Pullway's, or take the registry out of the spec"
	case len(n.Stale) > 0:
		return staleHint
	case n.Drifted():
		return "pullway plan says what a restart brings into force, and pullway apply restarts containerd"
	}
	return ""
}

// notInForce is what people read; the times of each node are in the JSON.
const notInForce = "changed after containerd started: not in force until a restart"

func (p *Printer) fileState(f plan.FileState) {
	c := green
	switch {
	case f.Drifted():
		c = red
	case f.State != plan.AsWritten:
		c = yellow
	}
	text := f.Path
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	switch {
	case f.By == "":
	case f.State == plan.Gone:
		text += " (" + strings.TrimPrefix(writtenBy(f.By, f.Evidence), "written ") + ")"
	default:
		text += " (" + writtenBy(f.By, f.Evidence) + ")"
	}
	p.line("    %s %s", p.paint(c, f.State), text)
	if f.NotInForce != "" {
		p.line("      %s", p.paint(red, notInForce))
	}
}

// kept writes what somebody else wrote and what stays.
func (p *Printer) kept(k plan.Foreign) {
	text := k.Path + " (" + writtenBy(k.Owner, k.Evidence) + ")"
	if k.Effect != "" {
		text += ": " + k.Effect
	}
	if k.Shadows {
		p.line("  %s %s", p.paint(red, "kept:"), text)
	} else {
		p.line("  kept: %s", text)
	}
	if k.NotInForce != "" {
		p.line("    %s", p.paint(red, notInForce))
	}
}

func writtenBy(who, evidence string) string {
	if evidence == "" {
		return "written by " + who
	}
	return "written by " + who + ": " + evidence
}
