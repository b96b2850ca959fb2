package fleet

import (
	"slices"

	"github.com/pullway/pullway/api/v1alpha1"
)

// lineup is the nodes that take part in the order in which they go, each with the
// number of its stage: a stage is finished before the next one begins.
type lineup struct {
	nodes  []*NodeState
	stages []int
}

// queueUp puts the nodes that take part in line: the groups one after the other,
// nodes in none after them, control-plane nodes after all workers, before them
// or among them, as the policy says; within a stage as they were given.
func queueUp(nodes []NodeState, p Policy) lineup {
	groups := p.groupOrder()
	rank := make(map[string]int, len(groups))
	for i, g := range groups {
		rank[g] = i
	}
	stageOf := func(n *NodeState) int {
		stage, ok := rank[n.Group]
		if !ok {
			stage = rank[""]
		}
		if p.ControlPlane != v1alpha1.ControlPlaneWithWorkers && n.ControlPlane == (p.ControlPlane != v1alpha1.ControlPlaneFirst) {
			stage += len(groups)
		}
		return stage
	}
	// Counted first and placed then, so that a large fleet costs two walks.
	at := make([]int, 2*len(groups)+1)
	for i := range nodes {
		if n := &nodes[i]; n.takesPart() {
			at[stageOf(n)+1]++
		}
	}
	for i := 1; i < len(at); i++ {
		at[i] += at[i-1]
	}
	l := lineup{nodes: make([]*NodeState, at[len(at)-1]), stages: make([]int, at[len(at)-1])}
	for i := range nodes {
		if n := &nodes[i]; n.takesPart() {
			stage := stageOf(n)
			l.nodes[at[stage]], l.stages[at[stage]] = n, stage
			at[stage]++
		}
	}
	return l
}

func (n *NodeState) takesPart() bool { return n.Begun || n.Phase == Pending }

// canaries are the first n in line. That is the same set during the whole run,
// because who takes part is settled before the first start.
func (l lineup) canaries(n int) lineup {
	n = min(n, len(l.nodes))
	return lineup{l.nodes[:n], l.stages[:n]}
}

// reversed is the way back.
func (l lineup) reversed() lineup {
	r := lineup{slices.Clone(l.nodes), slices.Clone(l.stages)}
	slices.Reverse(r.nodes)
	slices.Reverse(r.stages)
	return r
}

// batch returns the first nodes that want it: one control-plane node, or workers
// of one stage, at most size of them. With the nodes that are down already they
// are no more than size either; to work on one of those takes none away.
func (l lineup) batch(size, down int, want func(*NodeState) bool) []string {
	var names []string
	stage := 0
	for i, n := range l.nodes {
		if !want(n) {
			continue
		}
		full := len(names) == size || down >= size && !n.down()
		if full || len(names) > 0 && (n.ControlPlane || l.stages[i] != stage) {
			return names
		}
		names, stage = append(names, n.Name), l.stages[i]
		if n.ControlPlane {
			return names
		}
		if !n.down() {
			down++
		}
	}
	return names
}

// lastWave is the highest wave started; 0 when none was or only canaries were.
func (l lineup) lastWave() int {
	last := 0
	for _, n := range l.nodes {
		if n.Begun {
			last = max(last, n.Wave)
		}
	}
	return last
}
