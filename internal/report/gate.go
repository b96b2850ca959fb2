package report

import "github.com/pullway/pullway/internal/fleet"

// gate writes what Kubernetes said of a node; denied is the word for a denial, or
// empty where that is told elsewhere.
func (p *Printer) gate(indent, denied string, a fleet.GateAnswer) {
	switch {
	case a.Verdict == fleet.GateDeny && denied != "":
		p.line("%s%s %s", indent, p.paint(red, denied), a.Reason)
		p.hint(indent, a.Hint)
	case a.Verdict == fleet.GateSilent:
		p.line("%s%s %s", indent, p.paint(yellow, "warning:"), a.Reason)
		p.hint(indent, a.Hint)
	}
	for _, n := range a.Notes {
		p.line("%sKubernetes: %s", indent, n)
	}
}

// gates writes both answers of a run; the node's error has told a denial.
func (p *Printer) gates(indent string, g *fleet.GateRun) {
	if g == nil {
		return
	}
	if g.Before != nil {
		p.gate(indent, "", *g.Before)
	}
	if g.After == nil {
		return
	}
	p.gate(indent, "", *g.After)
	if g.After.Verdict == fleet.GatePass && len(g.After.Notes) == 0 {
		p.line("%sKubernetes: Ready, no container was restarted", indent)
	}
}
