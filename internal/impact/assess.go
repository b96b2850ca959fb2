package impact

import (
	"slices"
	"strings"
)

// Assess says who is hurt by the change. It takes the cluster as it is and asks
// nobody; the same input gives the same result.
func Assess(c *Cluster, ch Change, an Answers) *Assessment {
	w := newWorld(c, ch, an)
	a := &Assessment{Version: c.Version, Nodes: len(c.Nodes), Pods: len(c.Pods), Endpoints: an.Endpoints, AlwaysPull: c.AlwaysPull, Gaps: slices.Clone(c.Gaps)}
	b := newBook(w, a)
	byOwner := podsByOwner(c)
	for o := range c.Owners {
		b.workload(int32(o), byOwner.of(int32(o)))
	}
	b.nodes()
	b.waves()
	a.needs = b.needs
	slices.SortFunc(a.Workloads, func(x, y Workload) int { return harm(&x, &y) })
	return a
}

// harm orders workloads, the worst first: those that the change hurts, then those
// that fail without it, then the safe ones.
func harm(x, y *Workload) int {
	if d := x.Cause.rank() - y.Cause.rank(); d != 0 {
		return d
	}
	if d := x.Verdict.rank() - y.Verdict.rank(); d != 0 {
		return d
	}
	for _, d := range []int{int(y.Priority) - int(x.Priority), y.gravity() - x.gravity(), y.Pods - x.Pods,
		strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Name, y.Name), strings.Compare(x.Kind, y.Kind)} {
		if d != 0 {
			return d
		}
	}
	return 0
}

// gravity weighs the exposures that make harm felt.
func (w *Workload) gravity() (n int) {
	for _, e := range w.Exposed {
		switch e {
		case SingleReplica, NoReplicaLeft, BarePod, StaticPod:
			n += 2
		case CrashLoop, RollingOut, ScalingUp, DueSoon, NotStarted, PullBackoff:
			n++
		}
	}
	return n
}

// ownerPods are the indices of pods, ordered by owner.
type ownerPods struct {
	pods  []int32
	start []int32 // by owner, one more than there are
}

func podsByOwner(c *Cluster) ownerPods {
	o := ownerPods{pods: make([]int32, len(c.Pods)), start: make([]int32, len(c.Owners)+1)}
	for i := range c.Pods {
		o.start[c.Pods[i].Owner+1]++
	}
	for i := range c.Owners {
		o.start[i+1] += o.start[i]
	}
	next := slices.Clone(o.start)
	for i := range c.Pods {
		own := c.Pods[i].Owner
		o.pods[next[own]] = int32(i)
		next[own]++
	}
	return o
}

func (o ownerPods) of(owner int32) []int32 { return o.pods[o.start[owner]:o.start[owner+1]] }
