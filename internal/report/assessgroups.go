package report

import (
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/impact"
)

// likeEachOther are workloads with the same verdict for the same reason.
type likeEachOther struct {
	first impact.Workload
	all   []impact.Workload
}

// alike groups workloads; with --all each stands for itself.
func (a Assess) alike() (groups []*likeEachOther) {
	type key struct {
		v              impact.Verdict
		c              impact.Cause
		rule, pull, do string
	}
	by := map[key]*likeEachOther{}
	for _, w := range a.Workloads {
		if w.Verdict == impact.Safe && !a.All {
			continue
		}
		k := key{w.Verdict, w.Cause, w.Rule, w.Pull, w.Do}
		g := by[k]
		if g == nil || a.All {
			g = &likeEachOther{first: w}
			by[k], groups = g, append(groups, g)
		}
		g.all = append(g.all, w)
	}
	return groups
}

func (a Assess) workloads(out *Printer) {
	groups := a.alike()
	for i, g := range groups {
		if i == mostWorkloads && !a.All {
			left := 0
			for _, g := range groups[i:] {
				left += len(g.all)
			}
			out.line("%s more, for other reasons; --all shows each by itself.", count(left, "workload"))
			break
		}
		g.human(out)
	}
}

func (g *likeEachOther) human(out *Printer) {
	w := g.first
	mark := out.paint(verdictColours[w.Verdict], strings.ToUpper(verdictTexts[w.Verdict]))
	if len(g.all) == 1 {
		out.line("%s  %s", mark, w.Kind+" "+w.Namespace+"/"+w.Name)
		out.wrap("  ", g.facts())
	} else {
		pods := 0
		var some []string
		for _, w := range g.all {
			pods += w.Pods
			some = append(some, w.Namespace+"/"+w.Name)
		}
		out.line("%s  %s with %s", mark, count(len(g.all), "workload"), count(pods, "pod"))
		out.wrap("  ", names(some, 3))
	}
	out.wrap("  ", names(g.images(), 2)+": "+g.reason())
	if w.Do != "" {
		out.wrap("  do: ", w.Do)
	}
}

// images are those of the group that are not safe.
func (g *likeEachOther) images() (all []string) {
	for _, w := range g.all {
		for _, im := range w.Images {
			if im.Verdict == w.Verdict && im.Rule == w.Rule && !slices.Contains(all, im.Ref) && len(all) < 1000 {
				all = append(all, im.Ref)
			}
		}
	}
	return all
}

// reason of the group; where it counts nodes, of many the counts differ.
func (g *likeEachOther) reason() string {
	text := g.first.Reason
	for _, w := range g.all {
		if w.Reason != text && w.Rule == "lacks-elsewhere" {
			return "some nodes where they could go lack the image, and " + w.Pull
		}
	}
	return text
}

// facts of one workload, in one line.
func (g *likeEachOther) facts() string {
	w := g.first
	facts := []string{count(w.Pods, "pod")}
	if w.OnNodes > 0 {
		facts[0] += " on " + names(trimTo(w.On, 3, w.OnNodes))
	}
	for _, e := range w.Exposed {
		text := strings.ReplaceAll(string(e), "-", " ")
		if e == impact.DueSoon {
			text += " at " + w.Due
		}
		facts = append(facts, text)
	}
	if w.Cause == impact.Already {
		facts = append(facts, "not by the change")
	}
	return strings.Join(facts, ", ")
}

// trimTo shortens a list of names, of which there are n in all, to at most most.
func trimTo(all []string, most, n int) ([]string, int) {
	all = slices.Clone(all)
	for len(all) < n { // names counts what is left out
		all = append(all, "")
	}
	return all, most
}
