package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/doctor"
)

// Events are the pulls that failed as kubelet told Kubernetes of them.
type Events struct {
	// Since is from when on they count; Kubernetes itself keeps events for an hour, as
	// a rule.
	Since time.Time `json:"since"`
	// Pulls are of all nodes of the cluster, each image on each node once.
	Pulls []doctor.FailedPull `json:"pulls"`
	// More counts what was left out; Unread says why not all events were read.
	More   int    `json:"more,omitempty"`
	Unread string `json:"unread,omitempty"`
}

// leaveOut takes rules out of what is told of pulls.
func leaveOut(pulls []doctor.FailedPull, ignore []string) {
	for i := range pulls {
		pulls[i].Rules = slices.DeleteFunc(slices.Clone(pulls[i].Rules), func(rule string) bool {
			return slices.ContainsFunc(ignore, func(id string) bool { return strings.EqualFold(id, rule) })
		})
	}
}

// WithEvents adds what kubelets told.
func (d Doctor) WithEvents(e Events, ignore []string) Doctor {
	leaveOut(e.Pulls, ignore)
	d.Events = &e
	return d
}

// mostShown is how many pulls are written for people.
const mostShown = 10

// pullGroup is one image that fails the same way on some nodes.
type pullGroup struct {
	newest doctor.FailedPull
	nodes  []string
	times  int
}

// groupPulls puts together what is of one image with one text.
func groupPulls(all []doctor.FailedPull) (groups []*pullGroup) {
	for _, p := range all {
		i := slices.IndexFunc(groups, func(g *pullGroup) bool {
			return g.newest.Image == p.Image && g.newest.Text == p.Text && g.newest.Pulled.IsZero() == p.Pulled.IsZero()
		})
		if i < 0 {
			i, groups = len(groups), append(groups, &pullGroup{newest: p})
		}
		g := groups[i]
		if p.At.After(g.newest.At) {
			g.newest = p
		}
		g.nodes, g.times = append(g.nodes, p.Node), g.times+p.Times
	}
	slices.SortStableFunc(groups, func(a, b *pullGroup) int {
		if fails := a.newest.Pulled.IsZero(); fails != b.newest.Pulled.IsZero() {
			return map[bool]int{true: -1, false: 1}[fails]
		}
		return b.newest.At.Compare(a.newest.At)
	})
	return groups
}

// pulls writes what failed, from containerd's journals and from events.
func (d Doctor) pulls(out *Printer) {
	var all []doctor.FailedPull
	var since time.Time
	asked, more := 0, 0
	unread := map[string][]string{}
	var reasons []string
	for _, n := range d.Nodes {
		j := n.Journal
		if j == nil {
			continue
		}
		if asked++; since.IsZero() || j.Since.Before(since) {
			since = j.Since
		}
		for _, p := range j.Pulls {
			p.Node = n.Name
			all = append(all, p)
		}
		more += j.More
		if j.Unread != "" {
			if unread[j.Unread] == nil {
				reasons = append(reasons, j.Unread)
			}
			unread[j.Unread] = append(unread[j.Unread], n.Name)
		}
	}
	named := len(d.Nodes) > 1
	for _, why := range reasons {
		on := ""
		if named {
			on = names(unread[why], 6) + ": "
		}
		out.line("%s %scontainerd's journal: %s", out.paint(yellow, "not looked at:"), on, why)
	}
	out.failedPulls("Pulls that failed since "+clockOf(since)+", by containerd's journal", all, more, named)
	if len(reasons) > 0 && len(all) == 0 {
		out.line("")
	}
	d.events(out)
}

func (d Doctor) events(out *Printer) {
	e := d.Events
	if e == nil {
		return
	}
	if e.Unread != "" {
		out.line("%s events of Kubernetes: %s", out.paint(yellow, "not looked at:"), e.Unread)
	}
	out.failedPulls("Pulls that failed since "+clockOf(e.Since)+", by kubelets' events", e.Pulls, e.More, true)
}

// eventsAlone is for when nothing else was asked for.
func (d Doctor) eventsAlone(out *Printer) {
	d.events(out)
	if n := len(d.Events.Pulls); n > 0 {
		out.line("%s", out.paint(yellow, count(n+d.Events.More, "failed pull")+" in events."))
	} else if d.Events.Unread == "" {
		out.line("%s", out.paint(green, "No kubelet told of a failed pull since "+clockOf(d.Events.Since)+"."))
	}
}

func clockOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// failedPulls writes a block, or nothing where nothing failed.
func (p *Printer) failedPulls(title string, all []doctor.FailedPull, more int, named bool) {
	if len(all) == 0 {
		return
	}
	groups := groupPulls(all)
	p.line("%s", p.paint(bold, title))
	for _, g := range groups[:min(len(groups), mostShown)] {
		f := g.newest
		when := clockOf(f.At)
		if g.times > 1 {
			when = fmt.Sprintf("%s, %d times", when, g.times)
		}
		p.line("  %s  %s", p.paint(bold, f.Image), when)
		if named {
			p.line("    on %s", names(g.nodes, 6))
		}
		p.wrap("    ", short(f.Text, 400))
		for _, b := range f.Before {
			p.wrapUnder("    before: ", "      ", short(b, 300))
		}
		for _, id := range f.Rules[:min(len(f.Rules), 3)] {
			if rule, err := doctor.Find(id); err == nil {
				p.line("    %s  %s", p.paint(yellow, id), rule.Title)
			}
		}
		if len(f.Rules) == 0 {
			p.line("    no rule knows this message")
		}
		if !f.Pulled.IsZero() {
			p.line("    %s %s", p.paint(green, "pulled well since then:"), clockOf(f.Pulled))
		}
	}
	if left := len(groups) - mostShown; left > 0 || more > 0 {
		p.line("  and %s; -o json tells more", count(max(0, left)+more, "more image"))
	}
	p.line("")
}
