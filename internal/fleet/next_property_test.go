package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/api/v1alpha1"
)

// TestNextProperties plays whole runs over random fleets and policies, in which
// nodes end in any way and any order and people press Ctrl-C at any time, and
// holds every decision against the promises, which are said again here.
func TestNextProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPolicy(rt)
		w := &world{rt: rt, p: p, state: State{Nodes: drawNodes(rt)}, size: max(p.WaveSize, 1)}
		w.canaries = w.firstInLine()
		for turn := 0; ; turn++ {
			if turn > 4*len(w.state.Nodes)+4 {
				rt.Fatalf("no end after %d turns: %+v", turn, w.state)
			}
			d := Next(w.state, p)
			if again := Next(w.state, p); !gocmp.Equal(d, again) {
				rt.Fatalf("two answers to one state: %v", gocmp.Diff(d, again))
			}
			if w.count(failedNode) > p.FailureBudget {
				w.over = true
			}
			switch d.Action {
			case Start:
				w.starts(d)
			case Undo:
				w.undoes(d)
			case Wait:
				w.waits()
			case Finish:
				w.finishes(d)
				return
			}
			w.everyMoment()
		}
	})
}

func drawPolicy(rt *rapid.T) Policy {
	groups := rapid.Permutation([]string{"a", "b", "c", ""}).Draw(rt, "groups")
	return Policy{
		Canary:        rapid.IntRange(0, 3).Draw(rt, "canary"),
		WaveSize:      rapid.IntRange(0, 5).Draw(rt, "wave"),
		FailureBudget: rapid.IntRange(0, 4).Draw(rt, "budget"),
		OnFailure:     rapid.SampledFrom([]v1alpha1.OnFailure{"", v1alpha1.RollbackNode, v1alpha1.RollbackWave, v1alpha1.RollbackRun, v1alpha1.StopOnly}).Draw(rt, "onFailure"),
		Groups:        groups[:rapid.IntRange(0, len(groups)).Draw(rt, "listed")],
		ControlPlane: rapid.SampledFrom([]v1alpha1.ControlPlaneOrder{"", v1alpha1.ControlPlaneLast, v1alpha1.ControlPlaneFirst,
			v1alpha1.ControlPlaneWithWorkers}).Draw(rt, "controlPlane"),
	}
}

func drawNodes(rt *rapid.T) []NodeState {
	var nodes []NodeState
	for i := range rapid.IntRange(0, 14).Draw(rt, "nodes") {
		n := NodeState{
			Name:         fmt.Sprintf("n%d", i),
			ControlPlane: rapid.IntRange(0, 3).Draw(rt, "cp") == 0,
			Group:        rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(rt, "group"),
			Phase:        rapid.SampledFrom([]Phase{Pending, Pending, Pending, Pending, Pending, Unchanged, Refused, Unreachable}).Draw(rt, "phase"),
		}
		if n.Phase == Pending || n.Phase == Refused {
			n.Unready = rapid.IntRange(0, 9).Draw(rt, "unready") == 0
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// world is a run under way.
type world struct {
	rt       *rapid.T
	state    State
	p        Policy
	size     int
	canaries []string
	starting bool // what is in flight was started, not undone
	over     bool // the budget was exceeded at some time
	undoing  bool
	load     int // in flight and down after the last start or undo
	actions  int
	lastUndo int // the wave of the last undo
}

func (w *world) find(name string) *NodeState {
	return &w.state.Nodes[slices.IndexFunc(w.state.Nodes, func(n NodeState) bool { return n.Name == name })]
}

func (w *world) count(f func(NodeState) bool) (c int) {
	for _, n := range w.state.Nodes {
		if f(n) {
			c++
		}
	}
	return c
}

func flying(n NodeState) bool {
	return slices.Contains([]Phase{Working, Unknown, RollingBack}, n.Phase)
}

func failedNode(n NodeState) bool {
	return slices.Contains([]Phase{Refused, Unreachable, Restored, Broken, Lost}, n.Phase)
}

// away: in flight, or taken not to serve.
func away(n NodeState) bool {
	return flying(n) || n.Unready || slices.Contains([]Phase{Unreachable, Broken, Lost}, n.Phase)
}

// stage is the pair of numbers by which nodes are in line.
func (w *world) stage(n NodeState) [2]int {
	group := slices.Index(w.p.Groups, n.Group)
	if group < 0 {
		if group = slices.Index(w.p.Groups, ""); group < 0 {
			group = len(w.p.Groups)
		}
	}
	part := 0
	switch w.p.ControlPlane {
	case v1alpha1.ControlPlaneWithWorkers:
	case v1alpha1.ControlPlaneFirst:
		if !n.ControlPlane {
			part = 1
		}
	default:
		if n.ControlPlane {
			part = 1
		}
	}
	return [2]int{part, group}
}

func (w *world) firstInLine() []string {
	var line []NodeState
	for _, n := range w.state.Nodes {
		if n.Phase == Pending {
			line = append(line, n)
		}
	}
	slices.SortStableFunc(line, func(a, b NodeState) int {
		x, y := w.stage(a), w.stage(b)
		return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]))
	})
	var names []string
	for _, n := range line[:min(len(line), w.p.Canary)] {
		names = append(names, n.Name)
	}
	return names
}

// begin checks what a start and an undo have in common, and carries it out.
func (w *world) begin(d Decision, do func(*NodeState)) {
	if w.actions += len(d.Nodes); w.actions > 2*len(w.state.Nodes) {
		w.rt.Fatalf("%d starts and undos of %d nodes", w.actions, len(w.state.Nodes))
	}
	if w.count(flying) > 0 || len(d.Nodes) == 0 {
		w.rt.Fatalf("%+v while %d are in flight", d, w.count(flying))
	}
	before := w.count(away)
	for _, name := range d.Nodes {
		do(w.find(name))
	}
	if w.load = w.count(away); w.load > max(w.size, before) {
		w.rt.Fatalf("%d nodes away after %+v, %d before, at most %d may be", w.load, d, before, w.size)
	}
	if w.count(flying) > w.size {
		w.rt.Fatalf("%+v, at most %d may be in flight", d, w.size)
	}
}

func (w *world) starts(d Decision) {
	if w.undoing || w.over || w.state.Stop != StopNone {
		w.rt.Fatalf("starts %v: undoing %v, over the budget %v, stop %q", d.Nodes, w.undoing, w.over, w.state.Stop)
	}
	for _, name := range d.Nodes {
		n := w.find(name)
		if n.Phase != Pending || (d.Wave == 0) != slices.Contains(w.canaries, name) {
			w.rt.Fatalf("node %s, %s, starts in wave %d, canaries are %v", name, n.Phase, d.Wave, w.canaries)
		}
		for _, other := range w.state.Nodes {
			mine, its := w.stage(*n), w.stage(other)
			earlier := its[0] < mine[0] || its[0] == mine[0] && its[1] < mine[1]
			switch {
			case earlier && other.Phase == Pending:
				w.rt.Fatalf("%s of %v starts before %s of %v", name, mine, other.Name, its)
			case mine != its && !earlier && other.Begun:
				w.rt.Fatalf("%s of %v starts after %s of %v", name, mine, other.Name, its)
			case d.Wave > 0 && slices.Contains(w.canaries, other.Name) && other.Phase != Applied && other.Phase != Unchanged:
				w.rt.Fatalf("wave %d starts while canary %s is %s", d.Wave, other.Name, other.Phase)
			case d.Wave > 0 && other.Begun && other.Wave >= d.Wave:
				w.rt.Fatalf("wave %d starts after wave %d", d.Wave, other.Wave)
			}
		}
	}
	w.starting = true
	w.begin(d, func(n *NodeState) { n.Phase, n.Begun, n.Wave = Working, true, d.Wave })
}

func (w *world) undoes(d Decision) {
	if w.state.Stop == StopNow || w.p.OnFailure == v1alpha1.StopOnly || w.p.OnFailure == v1alpha1.RollbackNode {
		w.rt.Fatalf("undoes %v with %q and stop %q", d.Nodes, w.p.OnFailure, w.state.Stop)
	}
	last := 0
	for _, n := range w.state.Nodes {
		if n.Begun {
			last = max(last, n.Wave)
		}
	}
	for _, name := range d.Nodes {
		n := w.find(name)
		if n.Undo || !n.Begun || n.Phase != Applied && n.Phase != Lost || w.p.OnFailure != v1alpha1.RollbackRun && n.Wave != last {
			w.rt.Fatalf("undoes %+v by %q, the last wave is %d", n, w.p.OnFailure, last)
		}
		// A lost one may go before its turn, where there is no place for others.
		if w.undoing && n.Wave > w.lastUndo && n.Phase != Lost {
			w.rt.Fatalf("undoes %s of wave %d after one of wave %d", name, n.Wave, w.lastUndo)
		}
		w.lastUndo = n.Wave
	}
	w.undoing, w.starting = true, false
	w.begin(d, func(n *NodeState) { n.Phase, n.Undo = RollingBack, true })
}

// waits lets one node in flight end in some way.
func (w *world) waits() {
	var busy []string
	for _, n := range w.state.Nodes {
		if flying(n) {
			busy = append(busy, n.Name)
		}
	}
	if len(busy) == 0 {
		w.rt.Fatalf("waits for nothing: %+v", w.state)
	}
	n := w.find(rapid.SampledFrom(busy).Draw(w.rt, "ends"))
	if n.Undo {
		n.Phase = rapid.SampledFrom([]Phase{RolledBack, RolledBack, RolledBack, Applied, Broken, Lost}).Draw(w.rt, "undone")
	} else {
		n.Phase = rapid.SampledFrom([]Phase{Applied, Applied, Applied, Applied, Applied, Applied, Applied, Applied, Unchanged, Restored, Broken, Refused,
			Unreachable, Lost, Unknown}).Draw(w.rt, "ended")
		n.Unready = failedNode(*n) && rapid.Bool().Draw(w.rt, "unready")
	}
	if w.count(away) > w.load {
		w.rt.Fatal("the test itself takes nodes away")
	}
	if rapid.IntRange(0, 15).Draw(w.rt, "stop") == 0 && w.state.Stop != StopNow {
		w.state.Stop = rapid.SampledFrom([]Stop{StopSoon, StopNow}).Draw(w.rt, "how")
	}
}

// everyMoment: the canary and each control-plane node are alone, and groups
// never overlap.
func (w *world) everyMoment() {
	var air []NodeState
	for _, n := range w.state.Nodes {
		if flying(n) {
			air = append(air, n)
		}
	}
	for _, n := range air {
		if n.ControlPlane && len(air) > 1 {
			w.rt.Fatalf("control-plane node %s is in flight among %d", n.Name, len(air))
		}
		if w.stage(n) != w.stage(air[0]) {
			w.rt.Fatalf("%s of group %q is in flight beside %s of %q", n.Name, n.Group, air[0].Name, air[0].Group)
		}
		if w.starting && slices.Contains(w.canaries, n.Name) != slices.Contains(w.canaries, air[0].Name) {
			w.rt.Fatalf("canary and other nodes are in flight: %+v", air)
		}
	}
}

func (w *world) finishes(d Decision) {
	checkOutcome(w.rt, w.state, d)
	pending := w.count(func(n NodeState) bool { return n.Phase == Pending })
	canaryFailed := slices.ContainsFunc(w.canaries, func(name string) bool { return failedNode(*w.find(name)) })
	free := w.count(away) < w.size
	if pending > 0 && free && !canaryFailed && !w.over && !w.undoing && w.state.Stop == StopNone {
		w.rt.Fatalf("stops for nothing (%q): %+v", d.Reason, w.state)
	}
	if w.state.Stop == StopNow || !free || !canaryFailed && !w.over {
		return
	}
	last := 0
	for _, n := range w.state.Nodes {
		if n.Begun {
			last = max(last, n.Wave)
		}
	}
	for _, n := range w.state.Nodes {
		mine := w.p.OnFailure == v1alpha1.RollbackRun || (w.p.OnFailure == "" || w.p.OnFailure == v1alpha1.RollbackWave) && n.Wave == last
		if mine && n.Begun && !n.Undo && (n.Phase == Applied || n.Phase == Lost) {
			w.rt.Fatalf("%q left %s of wave %d %s, the last wave is %d", w.p.OnFailure, n.Name, n.Wave, n.Phase, last)
		}
	}
}

// checkOutcome says the outcome's words again, each by itself.
func checkOutcome(rt *rapid.T, s State, d Decision) {
	var pending, hands, kept, back, failed int
	for _, n := range s.Nodes {
		if n.Phase.InFlight() {
			rt.Fatalf("finished while %s is %s", n.Name, n.Phase)
		}
		switch n.Phase {
		case Pending:
			pending++
		case Broken, Lost:
			hands++
		case Applied:
			kept++
			if n.Undo {
				hands++
			}
		case Restored, RolledBack:
			back++
		}
		if n.Phase.Failed() {
			failed++
		}
	}
	ok := map[Outcome]bool{
		Done:            kept > 0 && pending+hands+failed+back == 0,
		NothingToDo:     pending+hands+failed+back+kept == 0,
		FailedUnchanged: kept+back+hands == 0 && failed+pending > 0,
		AllRolledBack:   kept+hands == 0 && back > 0,
		RollbackFailed:  hands > 0,
		Partial:         hands == 0 && kept > 0 && failed+pending+back > 0 && s.Stop == StopNone,
		Stopped:         hands == 0 && kept > 0 && failed+pending+back > 0 && s.Stop != StopNone,
	}
	if !ok[d.Outcome] {
		rt.Fatalf("outcome %q of %+v", d.Outcome, s)
	}
	if pending > 0 && d.Reason == "" {
		rt.Fatalf("stops early without a reason: %+v", s)
	}
}
