package page

import (
	"fmt"
	"strings"

	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/terminal"
)

// A row of the map of nodes and registries: nodes that are alike in all that it shows.
type row struct {
	// Title is the first name, or how many there are; Names are all of them.
	Title string
	Names []string
	// Facts are the state of the nodes: drained, not Ready …
	Facts   []string
	Restart string
	Cells   []cell
	// Pods and Workloads are sums.
	Pods      int
	Workloads impact.Counts
}

// Harmed is how many workloads are not safe there.
func (r row) Harmed() int { return r.Workloads.Harmed() }

// A cell says what one endpoint answered: ok, less (images are missing), bad or unasked.
type cell struct{ State, Text, Error string }

func cellOf(e *impact.Endpoint) cell {
	switch {
	case e == nil || !e.Asked:
		return cell{State: "unasked", Text: "not asked"}
	case !e.OK:
		text := e.Fault
		if text == "" {
			text = "failed"
		}
		return cell{State: "bad", Text: terminal.Clean(text), Error: terminal.Clean(e.Error)}
	case e.Images == 0:
		return cell{State: "ok", Text: "ok"}
	case e.Has < e.Images:
		return cell{State: "less", Text: fmt.Sprintf("%d of %d images", e.Has, e.Images)}
	}
	return cell{State: "ok", Text: fmt.Sprintf("ok, %d images", e.Images)}
}

// rows puts nodes that are alike together, in the order of their first ones. The first
// row is the machine that the assessment was made from.
func rows(a *impact.Assessment) []row {
	here := row{Title: "this machine"}
	for i := range a.Endpoints {
		here.Cells = append(here.Cells, cellOf(&a.Endpoints[i]))
	}
	all := []row{here}
	index := map[string]int{}
	for i := range a.NodeImpacts {
		n := &a.NodeImpacts[i]
		r := row{Facts: facts(n), Restart: restart(n)}
		for _, e := range a.Endpoints {
			r.Cells = append(r.Cells, cellOf(find(n.Registries, e)))
		}
		key := fmt.Sprintf("%q %q %q", r.Facts, r.Restart, r.Cells)
		at, known := index[key]
		if !known {
			at = len(all)
			index[key] = at
			all = append(all, r)
		}
		g := &all[at]
		g.Names = append(g.Names, terminal.Clean(nameOf(n)))
		g.Pods += n.Pods
		g.Workloads = sum(g.Workloads, n.Workloads)
	}
	for i := range all[1:] {
		r := &all[1+i]
		r.Title = r.Names[0]
		if len(r.Names) > 1 {
			r.Title = fmt.Sprintf("%d nodes", len(r.Names))
		}
	}
	return all
}

func nameOf(n *impact.NodeImpact) string {
	if n.Name == "" {
		return n.Machine
	}
	return n.Name
}

func find(of []impact.Endpoint, e impact.Endpoint) *impact.Endpoint {
	for i := range of {
		if of[i].Registry == e.Registry && of[i].URL == e.URL {
			return &of[i]
		}
	}
	return nil
}

func facts(n *impact.NodeImpact) []string {
	var out []string
	switch {
	case n.Drained:
		out = append(out, "drained")
	case n.Cordoned:
		out = append(out, "cordoned")
	}
	if n.Name != "" && !n.Ready {
		out = append(out, "not Ready")
	}
	if n.Recreates != "" {
		out = append(out, terminal.Clean(n.Recreates))
	}
	if n.Problem != "" {
		out = append(out, terminal.Clean(n.Problem))
	}
	return out
}

func restart(n *impact.NodeImpact) string {
	switch {
	case n.Restart == nil:
		return "not known"
	case *n.Restart:
		return strings.TrimSuffix("yes: "+terminal.Clean(n.Why), ": ")
	}
	return "no"
}

func sum(a, b impact.Counts) impact.Counts {
	return impact.Counts{FailsNow: a.FailsNow + b.FailsNow, FailsIfRestarted: a.FailsIfRestarted + b.FailsIfRestarted,
		FailsIfMoved: a.FailsIfMoved + b.FailsIfMoved, Safe: a.Safe + b.Safe}
}
