package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// row is one line of the table.
type row struct {
	// id is one word by which other pages quote the row.
	id, what, value string
	// against says what ratio is the ratio to.
	against string
	ratio   float64 // 0 for none
	goal    goal
	// figure is what the goal is about.
	figure float64
}

// goal is what a figure should be; the zero goal is none.
type goal struct {
	text string
	met  func(float64) bool
}

func atMost(x float64, text string) goal {
	return goal{text, func(got float64) bool { return got <= x }}
}

func atLeast(x float64, text string) goal {
	return goal{text, func(got float64) bool { return got >= x }}
}

// reached is the last word on a row.
func (r row) reached() string {
	switch {
	case r.goal.met == nil:
		return ""
	case r.goal.met(r.figure):
		return "yes"
	}
	return "**no**"
}

// compared is a row about a ratio.
func compared(id, what string, value time.Duration, against string, other time.Duration, g goal) row {
	r := float64(value) / float64(other)
	return row{id: id, what: what, value: show(value), against: against, ratio: r, goal: g, figure: r}
}

func megabytes(kib int64) float64 { return float64(kib) / 1024 }

func (b *bench) rows() []row {
	wall := func(t thing) time.Duration { return b.whole.median(t).wall }
	isTrue, restart := wall(sshTrue), wall(sshRestart)
	const ofTrue, ofRestart = "parallel `true`", "parallel restart"
	rows := []row{
		{id: "true", what: "parallel `ssh NODE true`", value: show(isTrue)},
		{id: "restart", what: "parallel `ssh NODE systemctl restart containerd`", value: show(restart)},
		compared("change", "`apply`, first change: restart, health, pull proof", wall(change), ofRestart, restart, atMost(2, "at most 2")),
		compared("nothing", "`apply`, nothing to do", wall(nothing), ofTrue, isTrue, atMost(1.5, "at most 1.5")),
		compared("certs", "`apply`, new password: certs.d only, pull proof, no restart", wall(certs), ofTrue, isTrue, atMost(1.5, "at most 1.5")),
	}
	if b.ansible {
		for _, r := range []struct {
			id, what      string
			ansible, ours thing
			goal          goal
		}{
			{"ansible-change", "Ansible, first change: restart, socket, pull", ansibleChange, change, atLeast(8, "at least 8")},
			{"ansible-nothing", "Ansible, nothing to do", ansibleNothing, nothing, goal{}},
			{"ansible-certs", "Ansible, new password: certs.d only, pull", ansibleCerts, certs, goal{}},
		} {
			rows = append(rows, compared(r.id, r.what, wall(r.ansible), "`apply`, the same", wall(r.ours), r.goal))
		}
	}
	return append(rows, b.sizes()...)
}

// sizes are the rows about bytes and starts.
func (b *bench) sizes() []row {
	size := float64(b.engine.size) / 1e6
	rows := []row{
		compared("upload", "`plan`, very first: the engine is put on every node", b.upload.first, "`plan` again", b.upload.again, goal{}),
		{id: "uploads", what: "engines put on nodes by all later runs", value: fmt.Sprintf("%d on %d nodes", b.uploads, b.nodes), goal: atMost(0, "none"), figure: float64(b.uploads)},
		{id: "memory", what: "pullway, peak memory of all these runs", value: fmt.Sprintf("%.0f MB", megabytes(b.memory)), goal: atMost(150, "at most 150 MB"), figure: megabytes(b.memory)},
		{id: "start", what: "`pullway version`", value: show(b.start), goal: atMost(100, "at most 100 ms"), figure: float64(b.start.Milliseconds())},
		{id: "engine-size", what: "pullway-node, size", value: fmt.Sprintf("%.1f MB", size), goal: atMost(20, "at most 20 MB"), figure: size},
		{id: "engine-plan", what: "pullway-node, peak memory in a plan", value: fmt.Sprintf("%.0f MB", megabytes(b.engine.plan)), goal: atMost(40, "at most 40 MB"), figure: megabytes(b.engine.plan)},
		{id: "engine-apply", what: "pullway-node, peak memory in an apply with its proof", value: fmt.Sprintf("%.0f MB", megabytes(b.engine.apply)), goal: atMost(40, "at most 40 MB"), figure: megabytes(b.engine.apply)},
	}
	if b.simulated == nil {
		return rows
	}
	s := b.simulated
	return append(rows,
		row{id: "fleet-cpu", what: "5,000 simulated nodes, plan and apply: the operator's CPU time", value: fmt.Sprintf("%.2f s", s["cpu-s"]), goal: atMost(1, "at most 1 s"), figure: s["cpu-s"]},
		row{id: "fleet-heap", what: "the same: live memory at its peak", value: fmt.Sprintf("%.0f MB", s["heap-max-MB"])},
		row{id: "fleet-goroutines", what: "the same: goroutines at their peak, in waves of 500", value: fmt.Sprintf("%.0f", s["goroutines-max"])},
		row{id: "fleet-record", what: "the same: written to the run record", value: fmt.Sprintf("%.1f MB in %.0f saves", s["written-MB"], s["saves"])},
	)
}

// perNode compares the cost of one node among few with that among all.
type perNode struct {
	what      string
	few, all  time.Duration // wall time by the number of nodes
	operators time.Duration // CPU time of the operator's side, among all
}

func (b *bench) perNode() []perNode {
	var list []perNode
	for _, t := range []struct {
		thing thing
		what  string
	}{{sshTrue, "parallel `true`"}, {sshRestart, "parallel restart"}, {nothing, "`apply`, nothing to do"}, {certs, "`apply`, certs.d only"}, {change, "`apply`, first change"}} {
		few, all := b.few.median(t.thing), b.whole.median(t.thing)
		list = append(list, perNode{t.what, few.wall / time.Duration(b.small), all.wall / time.Duration(b.nodes), all.cpu / time.Duration(b.nodes)})
	}
	return list
}

// growth is how a node's cost among all compares with that among few. One that
// shrinks is flat, too: what a command costs once is shared by more nodes.
func (p perNode) growth() float64 { return float64(p.all) / float64(p.few) }

// flat is the goal for it.
var flat = atMost(1.1, "at most 1.1")

func show(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// middle is the median; of an even number the upper one.
func middle[T cmp.Ordered](xs []T) T {
	s := slices.Sorted(slices.Values(xs))
	return s[len(s)/2]
}
