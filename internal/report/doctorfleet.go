package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/doctor"
)

// doctorGroup is one rule on the nodes that have it, alike in when it holds.
type doctorGroup struct {
	first  doctor.Finding
	nodes  []string
	places []string
}

// fleet writes a block for each rule, the worst first, those of most nodes before
// others.
func (d Doctor) fleet(out *Printer) {
	var unasked []DoctorNode
	groups, advice := map[string]*doctorGroup{}, map[string]*doctorGroup{}
	for _, n := range d.Nodes {
		if n.Error != nil {
			unasked = append(unasked, n)
			continue
		}
		if n.Health != "" {
			out.line("%s %s: %s", out.paint(red, "not healthy:"), n.Name, n.Health)
		}
		for _, u := range n.Unread {
			if u.Outside {
				continue
			}
			out.line("%s %s: %s %s", out.paint(yellow, "not looked at:"), n.Name, u.File, u.Text)
		}
		for _, f := range n.Findings {
			into := groups
			if f.Severity == doctor.Advice {
				into = advice
			}
			into[string(f.Severity)+f.Since+f.Rule] = into[string(f.Severity)+f.Since+f.Rule].with(n.Name, f)
		}
	}
	for _, n := range unasked {
		n.human(out)
	}
	for _, g := range sortedGroups(groups) {
		f := g.first
		when := ""
		if !f.Now() {
			when = ", from " + f.Since + " on"
		}
		rule, _ := doctor.Find(f.Rule)
		out.line("%s", out.paint(bold, fmt.Sprintf("%d of %d nodes: %s", len(g.nodes), len(d.Nodes), f.Rule))+painted("  ")+painted(Clean(rule.Title)))
		out.line("  %s%s: %s", out.paint(severityColour(f), string(f.Severity)), when, names(g.nodes, 6))
		out.line("  %s", names(g.places, 2))
		out.saying(f)
		out.line("")
	}
	for _, g := range sortedGroups(advice) {
		out.wrapped("", fmt.Sprintf("advice %s: %d of %d nodes: %s", g.first.Rule, len(g.nodes), len(d.Nodes), g.first.Text))
	}
	if len(advice) > 0 {
		out.line("")
	}
	for _, n := range d.Nodes {
		for _, f := range n.Fixes {
			word := "--fix would write"
			if f.Written {
				word = "written"
			}
			out.line("%s %s: %s (%s)", out.paint(cyan, word), n.Name, f.File, strings.Join(f.Rules, ", "))
		}
	}
}

func (g *doctorGroup) with(node string, f doctor.Finding) *doctorGroup {
	if g == nil {
		g = &doctorGroup{first: f}
	}
	if len(g.nodes) == 0 || g.nodes[len(g.nodes)-1] != node {
		g.nodes = append(g.nodes, node)
	}
	if p := f.Place(); len(g.places) < 100 && !slices.Contains(g.places, p) {
		g.places = append(g.places, p)
	}
	return g
}

func sortedGroups(m map[string]*doctorGroup) []*doctorGroup {
	var all []*doctorGroup
	for _, g := range m {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *doctorGroup) int {
		return cmp.Or(cmp.Compare(a.first.Since, b.first.Since), cmp.Compare(a.first.Severity, b.first.Severity),
			cmp.Compare(len(b.nodes), len(a.nodes)), cmp.Compare(a.first.Rule, b.first.Rule))
	})
	return all
}
