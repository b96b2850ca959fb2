package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Scenario is a change that was struck.
type Scenario struct {
	Name, Release, What string
	Points              int
}

// Page is what docs/faults.md says of a whole run.
type Page struct {
	Scenarios []Scenario
	Results   []Result
	// Within is the confirmWithin of every change.
	Within time.Duration
	Nodes  int
	// Planned is how many strikes there are; more than Results when the run was cut
	// short, which the page tells.
	Planned int
}

// Head is one line that other pages quote.
func (p Page) Head() string {
	var releases []string
	points := 0
	for _, s := range p.Scenarios {
		points += s.Points
		if !slices.Contains(releases, s.Release) {
			releases = append(releases, s.Release)
		}
	}
	slices.Sort(releases)
	strikes := fmt.Sprint(len(p.Results))
	if len(p.Results) < p.Planned {
		strikes += fmt.Sprintf(" (of %d)", p.Planned)
	}
	return fmt.Sprintf("%s strikes at %d points of %d changes on containerd %s: every node ended whole, %d in its old state and %d in its new one.",
		strikes, points, len(p.Scenarios), list(releases), p.count(func(r Result) bool { return r.State == Old }), p.count(func(r Result) bool { return r.State == New }))
}

func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func (p Page) count(of func(Result) bool) (n int) {
	for _, r := range p.Results {
		if of(r) {
			n++
		}
	}
	return n
}

// Markdown is the whole page.
func (p Page) Markdown() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Faults at every step")
	line("")
	line("<!-- Written by `make e2e-full`. Do not edit. -->")
	line("")
	line("%s", p.Head())
	line("")
	if len(p.Results) < p.Planned {
		line("The run that wrote this page was cut short: it made %d of %d strikes, evenly spread over all of them.", len(p.Results), p.Planned)
		line("")
	}
	line("An engine built for tests tells every point that it passes: before and after each call that changes the node or asks something of systemd,")
	line("containerd or the registry. Each change below is made once to list its points on a real node (systemd, sshd, containerd, a registry). Then it is made")
	line("again and again, %d nodes at a time, and struck at one of them each time:", p.Nodes)
	line("")
	line("- **error**: the call fails. Before the call it is not made; after it, it was made and says that it failed.")
	line("- **kill**: the engine gets SIGKILL.")
	line("- **freeze**: the engine gets SIGSTOP and stays frozen until it is ended.")
	line("")
	line("Kill and freeze strike each moment once: a point before a call that directly follows the point after another call is the same moment.")
	line("After each strike /etc/containerd is compared with the old and the new state in every name, byte, mode and owner; CRI must answer; and a pull")
	line("must fail in the old state and work in the new one, so that containerd runs with what the files say. No temporary file, journal, probe, image")
	line("name, process, lock, timer or unit of Pullway may be left. Anything else fails the run, and no page is written. `confirmWithin` is %s here.", p.Within)
	line("")
	line("Who made the node whole: *the engine* itself, by undoing or by finishing; *the switch*, a recovery that systemd started, with nobody asking; or *the next")
	line("contact*, where nothing had to be put back, or an error came after the commit, and only tidying was left. An engine that the busy machine keeps from")
	line("giving a sign of life for half of `confirmWithin` counts as dead; that is how the switch comes to heal an error.")
	line("")
	line("## Changes")
	line("")
	line("| Change | containerd | Points | Strikes | Old | New |")
	line("| --- | --- | ---: | ---: | ---: | ---: |")
	for _, s := range p.Scenarios {
		of := func(r Result) bool { return r.Scenario == s.Name }
		line("| %s | %s | %d | %d | %d | %d |", s.What, s.Release, s.Points, p.count(of),
			p.count(func(r Result) bool { return of(r) && r.State == Old }), p.count(func(r Result) bool { return of(r) && r.State == New }))
	}
	line("")
	line("## Steps")
	line("")
	line("Times are from the strike until the node was whole, on a busy machine that runs all nodes at once.")
	line("")
	line("| Step | Fault | Strikes | Old | New | Engine | Switch | Next contact | Median | Longest |")
	line("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, step := range p.steps() {
		for _, action := range Actions {
			p.row(line, step, action)
		}
	}
	return b.String()
}

func (p Page) row(line func(string, ...any), step, action string) {
	var some []Result
	for _, r := range p.Results {
		if r.Step() == step && r.Action == action {
			some = append(some, r)
		}
	}
	if len(some) == 0 {
		return
	}
	part := Page{Results: some}
	by := func(h Healer) int { return part.count(func(r Result) bool { return r.Healer == h }) }
	var took []time.Duration
	for _, r := range some {
		took = append(took, r.Whole)
	}
	slices.Sort(took)
	line("| %s | %s | %d | %d | %d | %d | %d | %d | %s | %s |", step, action, len(some),
		part.count(func(r Result) bool { return r.State == Old }), part.count(func(r Result) bool { return r.State == New }),
		by(Engine), by(Switch), by(Contact), seconds(took[len(took)/2]), seconds(took[len(took)-1]))
}

// steps in the order in which the changes come to them.
func (p Page) steps() (all []string) {
	first := map[string]int{}
	for _, r := range p.Results {
		if at, ok := first[r.Step()]; !ok || r.Index < at {
			first[r.Step()] = r.Index
		}
	}
	for s := range first {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b string) int {
		if first[a] != first[b] {
			return first[a] - first[b]
		}
		return strings.Compare(a, b)
	})
	return all
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
