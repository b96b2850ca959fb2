package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// Human writes a block for each node, or for each group of nodes that are alike,
// the worst first.
func (s Status) Human(out *Printer) {
	for _, g := range s.groups() {
		n := g.first
		who := names(g.nodes, 8)
		if n.Status == nil {
			out.line("%s  %s", out.paint(bold, who), out.paint(red, "could not be asked"))
			if n.Error != nil {
				out.line("  %s", n.Error.Text)
				out.hint("  ", n.Error.Hint)
			}
			continue
		}
		at := ""
		if n.Status.Applied != nil && len(g.nodes) == 1 {
			at = " at " + moment(n.Status.Applied.At)
		}
		n.human(who, at, len(g.nodes) == 1, out)
	}
	if len(s.Nodes) > 1 {
		out.line("%s", out.paint(bold, "Status: "+s.Summary.text()+"."))
	}
}

func (s StatusSummary) text() string {
	text := fmt.Sprintf("%s as written, %d drifted", count(s.AsWritten, "node"), s.Drifted)
	if s.NotHealthy > 0 {
		text += fmt.Sprintf(", %d not healthy", s.NotHealthy)
	}
	if s.Failed > 0 {
		text += fmt.Sprintf(", %d could not be asked", s.Failed)
	}
	return text
}

type statusGroup struct {
	nodes []string
	first StatusNode
}

// groups puts nodes that are alike together, in the order of their first node,
// the worst first; with Each every node is a group in the order of the inventory.
func (s Status) groups() []*statusGroup {
	byKey := map[string]*statusGroup{}
	var all []*statusGroup
	for _, n := range s.Nodes {
		key := n.likeness()
		g := byKey[key]
		if g == nil || s.Each {
			g = &statusGroup{first: n}
			byKey[key], all = g, append(all, g)
		}
		g.nodes = append(g.nodes, n.Name)
	}
	if !s.Each {
		slices.SortStableFunc(all, func(a, b *statusGroup) int { return b.first.badness() - a.first.badness() })
	}
	return all
}

// likeness is everything that people read of a node, but for its names and times.
func (n StatusNode) likeness() string {
	if n.Status == nil {
		if n.Error == nil {
			return "error"
		}
		return "error " + n.Error.Text
	}
	c := *n.Status
	c.Facts.Hostname, c.History, c.Busy = "", nil, ""
	if t := putBack(*n.Status); t != nil {
		c.History = []protocol.Transaction{*timeless(t)}
	}
	if c.UnderWay != nil {
		u := *c.UnderWay
		u.Since = time.Time{}
		c.UnderWay = &u
	}
	c.Applied, c.Interrupted = timeless(c.Applied), timeless(c.Interrupted)
	c.Files, c.Kept = slices.Clone(c.Files), slices.Clone(c.Kept)
	for i := range c.Files {
		if c.Files[i].NotInForce != "" {
			c.Files[i].NotInForce = notInForce
		}
	}
	for i := range c.Kept {
		if c.Kept[i].NotInForce != "" {
			c.Kept[i].NotInForce = notInForce
		}
	}
	c.NotLoaded = timelessLoading(c.NotLoaded)
	b, _ := json.Marshal([]any{c, n.Stale, n.VariablesUnknown})
	return string(b)
}

// timeless is a transaction without what differs between the nodes of a run.
func timeless(t *protocol.Transaction) *protocol.Transaction {
	if t == nil {
		return nil
	}
	c := *t
	c.ID, c.At, c.Ended, c.Changed = "", time.Time{}, time.Time{}, nil
	return &c
}

// badness orders nodes for people: what needs hands comes first.
func (n StatusNode) badness() int {
	switch s := n.Status; {
	case s == nil:
		return 6
	case s.Interrupted != nil:
		return 5
	case !s.Healthy:
		return 4
	case n.Drifted():
		return 3
	case slices.ContainsFunc(s.Files, func(f plan.FileState) bool { return f.State != plan.AsWritten }):
		return 2
	case s.Busy != "":
		return 1
	}
	return 0
}
