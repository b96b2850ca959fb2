package report

import (
	"fmt"
	"strings"

	"github.com/pullway/pullway/internal/impact"
)

// How much of an assessment is shown without --all: it shall fit a screen.
const (
	mostWorkloads = 4
	mostEndpoints = 4
	mostWaves     = 5
	mostGaps      = 3
)

// verdictTexts in the words of the human view.
var verdictTexts = map[impact.Verdict]string{
	impact.FailsNow: "fails now", impact.FailsIfRestarted: "fails if restarted", impact.FailsIfMoved: "fails if moved", impact.Safe: "safe",
}

var verdictColours = map[impact.Verdict]colour{impact.FailsNow: red, impact.FailsIfRestarted: red, impact.FailsIfMoved: yellow, impact.Safe: green}

// Human writes the summary first, then the worst.
func (a Assess) Human(out *Printer) {
	out.line("%s", out.paint(bold, a.Headline()))
	a.counts(out)
	a.registries(out)
	a.change(out)
	a.waves(out)
	a.workloads(out)
	a.gaps(out)
}

// Headline is the assessment in one line.
func (a Assess) Headline() string {
	s, by := a.Summary, a.ByChange
	text := fmt.Sprintf("Assess: %s of %d would be hurt by this change", count(by.Harmed(), "workload"), s.All())
	if s.All() == 0 {
		text = "Assess: no workload is on these nodes"
	} else if by.Harmed() == 0 {
		text = fmt.Sprintf("Assess: none of %s would be hurt by this change", count(s.All(), "workload"))
	}
	if already := s.Harmed() - by.Harmed(); already > 0 {
		text += fmt.Sprintf("; %d would not start without it either", already)
	}
	return text + "."
}

func (a Assess) counts(out *Printer) {
	s, by := a.Summary, a.ByChange
	line := func(v impact.Verdict, all, change int) {
		if all == 0 && v != impact.Safe {
			return
		}
		note := ""
		if v != impact.Safe && change != all {
			note = fmt.Sprintf("  (%d of them already, without the change)", all-change)
		}
		out.line("  %s %6d%s", out.paint(verdictColours[v], fmt.Sprintf("%-20s", verdictTexts[v])), all, note)
	}
	line(impact.FailsNow, s.FailsNow, by.FailsNow)
	line(impact.FailsIfRestarted, s.FailsIfRestarted, by.FailsIfRestarted)
	line(impact.FailsIfMoved, s.FailsIfMoved, by.FailsIfMoved)
	line(impact.Safe, s.Safe, by.Safe)
	of := ""
	if a.InQuestion != a.Nodes {
		of = fmt.Sprintf("%d of ", a.InQuestion)
	}
	out.line("  looked at %s on %s%s of the cluster", count(a.Pods, "pod"), of, count(a.Nodes, "node"))
}

func (a Assess) registries(out *Printer) {
	if len(a.Endpoints) == 0 {
		out.line("Registries, not asked from this machine:")
	} else {
		out.line("Registries, asked from this machine:")
	}
	for i, e := range a.Endpoints {
		if i == mostEndpoints && !a.All {
			out.line("  and %d more", len(a.Endpoints)-i)
			break
		}
		host := e.Registry
		switch {
		case !e.Asked:
			out.line("  %s by %s: not asked", host, e.URL)
		case !e.OK:
			out.wrap("  ", fmt.Sprintf("%s by %s: %s", host, e.URL, e.Error))
			if e.Hint != "" {
				out.wrap("    hint: ", e.Hint)
			}
		case e.Images == 0:
			out.line("  %s by %s: ok; the pods use no image of it", host, e.URL)
		case e.Has < e.Images:
			out.line("  %s by %s: ok; %s", host, e.URL, out.paint(red, fmt.Sprintf("it has %d of the %d images that the pods use", e.Has, e.Images)))
		default:
			out.line("  %s by %s: ok; it has all %s that the pods use", host, e.URL, count(e.Images, "image"))
		}
	}
	a.fromNodes(out)
}

// fromNodes tells which nodes do not reach an endpoint.
func (a Assess) fromNodes(out *Printer) {
	type place struct{ registry, url, err string }
	bad := map[place][]string{}
	var order []place
	asked := 0
	for _, n := range a.NodeImpacts {
		for _, e := range n.Registries {
			asked++
			if e.Asked && !e.OK {
				p := place{e.Registry, e.URL, e.Error}
				if bad[p] == nil {
					order = append(order, p)
				}
				bad[p] = append(bad[p], n.Machine)
			}
		}
	}
	for i, p := range order {
		if i == mostEndpoints && !a.All {
			out.line("  and %d more from nodes", len(order)-i)
			break
		}
		out.wrap("  ", fmt.Sprintf("from %s: %s by %s: %s", names(bad[p], 4), p.registry, p.url, p.err))
	}
	if asked > 0 && len(order) == 0 {
		out.line("  from the nodes: each answers")
	}
}

func (a Assess) change(out *Printer) {
	r := a.Restarts
	switch {
	case r.Known == 0:
		out.line("The change: no node was asked, so whether containerd restarts is not known (name the nodes by -i).")
	case len(r.Nodes) == 0:
		out.line("The change: containerd restarts on none of %s, and no stream drops.", count(r.Known, "node"))
	default:
		out.line("The change: containerd restarts on %d of %s: %s.", len(r.Nodes), count(r.Known, "node"), names(r.Nodes, 6))
		out.line("  %s there run on; exec, attach, port-forward and log streams to them drop.", count(r.Pods, "pod"))
	}
	var recreates, problems byText
	var drained, cordoned, unready []string
	for _, n := range a.NodeImpacts {
		name := n.Name
		if name == "" {
			name = n.Machine
		}
		switch {
		case n.Drained:
			drained = append(drained, name)
		case n.Cordoned:
			cordoned = append(cordoned, name)
		}
		if n.Name != "" && !n.Ready {
			unready = append(unready, name)
		}
		recreates.add(n.Recreates, name)
		problems.add(n.Problem, name)
	}
	recreates.human(out, a.All)
	if len(drained) > 0 {
		out.line("  drained, so nobody is hurt there: %s", names(drained, 8))
	}
	if len(cordoned) > 0 {
		out.line("  cordoned, and pods still run there: %s", names(cordoned, 8))
	}
	if len(unready) > 0 {
		out.line("  not Ready: %s", names(unready, 8))
	}
	problems.human(out, a.All)
}

// byText are the nodes of which the same is to be said, in the order of the first.
type byText struct {
	texts []string
	nodes map[string][]string
}

func (b *byText) add(text, node string) {
	if text == "" {
		return
	}
	if b.nodes == nil {
		b.nodes = map[string][]string{}
	}
	if b.nodes[text] == nil {
		b.texts = append(b.texts, text)
	}
	b.nodes[text] = append(b.nodes[text], node)
}

func (b *byText) human(out *Printer, all bool) {
	for i, text := range b.texts {
		if i == 3 && !all {
			out.line("  and as much of other nodes; --all tells")
			return
		}
		out.wrap("  ", names(b.nodes[text], 4)+": "+text)
	}
}

func (a Assess) waves(out *Printer) {
	for i, w := range a.Waves {
		if i == mostWaves && !a.All {
			out.line("  and %d more waves", len(a.Waves)-i)
			break
		}
		name := "canary"
		if w.Wave > 0 {
			name = fmt.Sprintf("wave %d", w.Wave)
		}
		out.line("  %s (%s, %s): %s", name, count(len(w.Nodes), "node"), count(w.Restarts, "restart"), countsText(w.Workloads))
	}
}

// countsText is "1 fails now, 2 fail if restarted, 30 safe".
func countsText(c impact.Counts) string {
	var parts []string
	for _, p := range []struct {
		n    int
		text string
	}{{c.FailsNow, "fail now"}, {c.FailsIfRestarted, "fail if restarted"}, {c.FailsIfMoved, "fail if moved"}, {c.Safe, "safe"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.text))
		}
	}
	if len(parts) == 0 {
		return "no workload"
	}
	return strings.Join(parts, ", ")
}

func (a Assess) gaps(out *Printer) {
	for i, g := range a.Gaps {
		if i == mostGaps && !a.All {
			out.line("not looked at: and %d more", len(a.Gaps)-i)
			break
		}
		out.wrap("not looked at: ", fmt.Sprintf("%s: %s; %s", g.What, g.Why, g.Means))
		if g.Hint != "" {
			out.wrap("  hint: ", g.Hint)
		}
	}
	if a.AlwaysPull != "" {
		out.wrap("", a.AlwaysPull+" turns AlwaysPullImages on: every container pulls at each start, whatever its policy says.")
	}
}
