package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/plan"
)

// Plan is the result of `pullway plan`.
type Plan struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// SpecDigest identifies the specification, without its secrets.
	SpecDigest string      `json:"specDigest"`
	Nodes      []PlanNode  `json:"nodes"`
	Summary    PlanSummary `json:"summary"`
	// Rollout is the order in which the nodes would go.
	Rollout *Rollout `json:"rollout,omitempty"`
	// Impact is who would be hurt; only with a kubeconfig.
	Impact *Headline `json:"impact,omitempty"`
}

// PlanSchema is the present version of Plan.
const PlanSchema = "pullway.dev/plan/v1"

// PlanNode is one node's plan, or why there is none.
type PlanNode struct {
	Name  string           `json:"name"`
	Plan  *plan.Node       `json:"plan,omitempty"`
	Error *fleet.NodeError `json:"error,omitempty"`
	// Gate is what Kubernetes says of the node, where it was asked.
	Gate *fleet.GateAnswer `json:"gate,omitempty"`
}

func (n PlanNode) denied() bool { return n.Gate != nil && n.Gate.Verdict == fleet.GateDeny }

// PlanSummary counts nodes.
type PlanSummary struct {
	Change    int `json:"change"`
	Restart   int `json:"restart"`
	Unchanged int `json:"unchanged"`
	Refused   int `json:"refused"`
	Failed    int `json:"failed"`
}

// NewPlan makes the result of a fleet's plans.
func NewPlan(name, digest string, nodes []fleet.Planned) Plan {
	p := Plan{Schema: PlanSchema, Name: name, SpecDigest: digest}
	for _, n := range nodes {
		p.Nodes = append(p.Nodes, PlanNode{Name: n.Target.Name, Plan: n.Plan, Error: n.Err, Gate: n.Gate})
		switch {
		case n.Plan == nil:
			p.Summary.Failed++
		case n.Plan.NothingToDo():
			p.Summary.Unchanged++
		case n.Plan.CanApply() && !p.Nodes[len(p.Nodes)-1].denied():
			p.Summary.Change++
			if n.Plan.Restart.Needed {
				p.Summary.Restart++
			}
		default:
			p.Summary.Refused++
		}
	}
	return p
}

// Human writes the plan as a person reads it: one block for each group of nodes
// with the same plan.
func (p Plan) Human(out *Printer) {
	for _, g := range p.groups() {
		g.human(out)
	}
	s := p.Summary
	text := fmt.Sprintf("%s to change (%s of containerd), %d as desired", count(s.Change, "node"), count(s.Restart, "restart"), s.Unchanged)
	if s.Refused > 0 {
		text += fmt.Sprintf(", %d refused", s.Refused)
	}
	if s.Failed > 0 {
		text += fmt.Sprintf(", %d could not be asked", s.Failed)
	}
	out.line("%s", out.paint(bold, "Plan: "+text+"."))
	p.Rollout.human(out)
	p.Impact.human(out)
}

type planGroup struct {
	nodes []string
	first PlanNode
}

// groups puts nodes with the same plan together, in the order of their first node.
func (p Plan) groups() []*planGroup {
	byKey := map[string]*planGroup{}
	var all []*planGroup
	for _, n := range p.Nodes {
		key := groupKey(n)
		g := byKey[key]
		if g == nil {
			g = &planGroup{first: n}
			byKey[key], all = g, append(all, g)
		}
		g.nodes = append(g.nodes, n.Name)
	}
	return all
}

// groupKey is everything that is shown of a plan; hashes, fingerprints and host
// names differ between nodes that are alike.
func groupKey(n PlanNode) string {
	if n.Plan == nil {
		return "error " + n.Error.Text
	}
	c := *n.Plan
	c.Fingerprint, c.Facts.Hostname = "", ""
	c.Changes = append([]plan.Change(nil), c.Changes...)
	for i := range c.Changes {
		c.Changes[i].Before, c.Changes[i].After = "", ""
	}
	b, _ := json.Marshal([]any{c, n.Gate})
	return string(b)
}

func (g *planGroup) human(out *Printer) {
	n := g.first
	out.line("%s", out.paint(bold, names(g.nodes, 8)))
	if n.Plan == nil {
		out.line("  %s %s", out.paint(red, "could not be asked:"), n.Error.Text)
		out.hint("  ", n.Error.Hint)
		out.line("")
		return
	}
	f := n.Plan.Facts
	out.line("  containerd %s, %s", orNone(f.Release), f.ConfigFile)
	if n.Plan.NothingToDo() {
		out.line("  %s", out.paint(green, "as desired"))
		g.notices(out)
		out.line("")
		return
	}
	for _, d := range n.Plan.Delivery {
		out.line("  credential for %s: %s (%s)", d.Host, d.Method, d.Reason)
	}
	if n.Plan.Restart.Needed {
		out.line("  %s", out.paint(yellow, "containerd restarts, because"))
		for _, r := range n.Plan.Restart.Reasons {
			out.line("    %s", r)
		}
	} else {
		out.line("  %s: %s", out.paint(green, "no restart"), strings.Join(n.Plan.Restart.Reasons, "; "))
	}
	for _, c := range n.Plan.Changes {
		out.change(c)
	}
	g.notices(out)
	out.line("")
}

func (g *planGroup) notices(out *Printer) {
	n := g.first.Plan
	for _, f := range n.Foreign {
		if !f.Conflict {
			out.kept(f)
		}
	}
	for _, w := range n.Warnings {
		out.line("  %s %s", out.paint(yellow, "warning:"), w.Text)
		out.hint("  ", w.Hint)
	}
	for _, w := range n.Problems {
		out.line("  %s %s", out.paint(red, "refused:"), w.Text)
		out.hint("  ", w.Hint)
	}
	if gate := g.first.Gate; gate != nil {
		out.gate("  ", "refused:", *gate)
	}
}

func (p *Printer) hint(indent, hint string) {
	if hint != "" {
		p.line("%s  %s %s", indent, p.paint(cyan, "hint:"), hint)
	}
}

func (p *Printer) change(c plan.Change) {
	head := map[plan.Action]painted{plan.Create: p.paint(green, "create"), plan.Update: p.paint(yellow, "update"), plan.Delete: p.paint(red, "delete")}[c.Action]
	mode := ""
	if c.Mode != 0 {
		mode = fmt.Sprintf(" mode %04o", c.Mode)
	}
	p.line("  %s %s%s: %s", head, c.Path, mode, c.Reason)
	if c.Drift != "" {
		p.line("    %s %s", p.paint(yellow, "drift:"), "it "+c.Drift)
	}
	p.diff(c.Diff)
}

// diff writes a unified diff without its head.
func (p *Printer) diff(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
		case strings.HasPrefix(line, "+"):
			p.line("      %s", p.paint(green, line))
		case strings.HasPrefix(line, "-"):
			p.line("      %s", p.paint(red, line))
		case strings.HasPrefix(line, "@@"):
			p.line("      %s", p.paint(cyan, line))
		default:
			p.line("      %s", line)
		}
	}
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}
