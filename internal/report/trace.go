package report

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/trace"
)

// Trace is the result of `pullway trace`.
type Trace struct {
	Schema string `json:"schema"`
	// Image is the whole reference.
	Image   string       `json:"image"`
	Nodes   []TraceNode  `json:"nodes"`
	Summary TraceSummary `json:"summary"`
}

// TraceSchema is the present version of Trace.
const TraceSchema = "pullway.dev/trace/v1"

// TraceNode is one node, or with --root one directory: Trace, or Error.
type TraceNode struct {
	Name  string           `json:"name"`
	Trace *trace.Trace     `json:"trace,omitempty"`
	Error *fleet.NodeError `json:"error,omitempty"`
}

// TraceSummary counts nodes.
type TraceSummary struct {
	Served    int `json:"served"`
	NotServed int `json:"notServed"`
	// NotAsked: only the order was told, from files.
	NotAsked int `json:"notAsked"`
	Failed   int `json:"failed"`
	// Disagree counts nodes on which a pull showed otherwise than the trace.
	Disagree int `json:"disagree,omitempty"`
}

// NewTrace makes the result of what nodes answered.
func NewTrace(image string, answers []fleet.Answer) Trace {
	t := Trace{Schema: TraceSchema, Image: image, Nodes: []TraceNode{}}
	for _, a := range answers {
		n := TraceNode{Name: a.Target.Name, Error: a.Err}
		if a.Err == nil && a.Reply != nil {
			n.Trace = a.Reply.Trace
		}
		t.add(n)
	}
	return t
}

// NewTraceOfFiles makes the result of one directory, where no host was asked.
func NewTraceOfFiles(name string, of *trace.Trace) Trace {
	t := Trace{Schema: TraceSchema, Image: of.Image}
	t.add(TraceNode{Name: name, Trace: of})
	return t
}

func (t *Trace) add(n TraceNode) {
	t.Nodes = append(t.Nodes, n)
	if n.Trace != nil && n.Trace.Pull != nil && n.Trace.Pull.Agrees != nil && !*n.Trace.Pull.Agrees {
		t.Summary.Disagree++
	}
	switch {
	case n.Trace == nil:
		t.Summary.Failed++
	case n.Trace.Verdict == nil:
		t.Summary.NotAsked++
	case n.Trace.Verdict.Served:
		t.Summary.Served++
	default:
		t.Summary.NotServed++
	}
}

// Human draws a tree for each node, or for each group of nodes that say the same.
func (t Trace) Human(out *Printer) {
	groups := t.groups()
	for i, g := range groups {
		if i > 0 {
			out.line("")
		}
		who := names(g.nodes, 8)
		if g.first.Trace == nil {
			out.line("%s  %s", out.paint(bold, who), out.paint(red, "could not be asked"))
			if g.first.Error != nil {
				out.line("  %s", g.first.Error.Text)
				out.hint("  ", g.first.Error.Hint)
			}
			continue
		}
		drawTrace(out, who, g.first.Trace)
	}
	if len(t.Nodes) > 1 {
		text := fmt.Sprintf("%s served, %d not served", count(t.Summary.Served, "node"), t.Summary.NotServed)
		if t.Summary.Failed > 0 {
			text += fmt.Sprintf(", %d could not be asked", t.Summary.Failed)
		}
		if t.Summary.Disagree > 0 {
			text += fmt.Sprintf(", the pull shows otherwise on %d", t.Summary.Disagree)
		}
		out.line("")
		out.line("%s", out.paint(bold, "Trace: "+text+"."))
	}
}

type traceGroup struct {
	nodes []string
	first TraceNode
}

// groups puts nodes together that differ in times only, the worst first.
func (t Trace) groups() []*traceGroup {
	byKey := map[string]*traceGroup{}
	var all []*traceGroup
	for _, n := range t.Nodes {
		key := n.likeness()
		g := byKey[key]
		if g == nil {
			g = &traceGroup{first: n}
			byKey[key], all = g, append(all, g)
		}
		g.nodes = append(g.nodes, n.Name)
	}
	slices.SortStableFunc(all, func(a, b *traceGroup) int { return a.first.rank() - b.first.rank() })
	return all
}

func (n TraceNode) rank() int {
	switch {
	case n.Trace == nil:
		return 0
	case n.Trace.Pull != nil && n.Trace.Pull.Agrees != nil && !*n.Trace.Pull.Agrees:
		return 1
	case n.Trace.Verdict == nil:
		return 2
	case n.Trace.Verdict.Served:
		return 3
	}
	return 1
}

// likeness is everything that people read of a node, but for its name and times.
func (n TraceNode) likeness() string {
	if n.Trace == nil {
		b, _ := json.Marshal(n.Error)
		return string(b)
	}
	c := *n.Trace
	c.Hosts = slices.Clone(c.Hosts)
	for i, h := range c.Hosts {
		c.Hosts[i].Answer, c.Hosts[i].Content = untimed(h.Answer), untimed(h.Content)
	}
	if c.Pull != nil && c.Pull.Agrees != nil && *c.Pull.Agrees {
		p := *c.Pull
		p.Took, p.Text = 0, ""
		c.Pull = &p
	}
	b, _ := json.Marshal(c)
	return string(b)
}

func untimed(of *trace.Answer) *trace.Answer {
	if of == nil {
		return nil
	}
	a := *of
	a.Took, a.Steps = 0, slices.Clone(a.Steps)
	for k := range a.Steps {
		a.Steps[k].Took = 0
	}
	return &a
}
