package impact

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// book collects the result, workload by workload.
type book struct {
	w *world
	a *Assessment
	// perNode counts workloads, and pods, of each node.
	perNode []Counts
	pods    []int32
	// perWave by machine's wave.
	perWave map[int]*Counts
	// wishes by image: see Assessment.Needs.
	wishes map[int32]*wish
	// scratch of one workload
	findings []finding
	onNode   []nodeVerdict
	template int32
	// slot is where in onNode a node would be.
	slot []int32
}

// nodeVerdict is what becomes of one workload on one node.
type nodeVerdict struct {
	node    int32
	verdict Verdict
	hurt    bool // by a restart of containerd there
}

func newBook(w *world, a *Assessment) *book {
	n := len(w.c.Nodes)
	return &book{w: w, a: a, perNode: make([]Counts, n), pods: make([]int32, n), slot: make([]int32, n), perWave: map[int]*Counts{}, wishes: map[int32]*wish{}}
}

// workload judges one owner by all its pods on the nodes in question.
func (b *book) workload(o int32, pods []int32) {
	w, owner := b.w, &b.w.c.Owners[o]
	b.findings, b.onNode = b.findings[:0], b.onNode[:0]
	out := Workload{Namespace: owner.Namespace, Kind: owner.Kind, Name: owner.Name, Verdict: Safe, owner: o}
	var states State
	template := owner.Template
	for _, i := range pods {
		p := &w.c.Pods[i]
		if p.State&(Finished|Leaving) != 0 {
			continue
		}
		out.InCluster++
		b.a.Containers += len(w.byTemplate[p.Template])
		if p.Node >= 0 {
			b.pods[p.Node]++
		}
		if p.Node >= 0 && !w.inQuestion(p.Node) || p.Node < 0 && !w.couldCome(p) {
			continue
		}
		out.Pods++
		template = p.Template
		states |= p.State
		b.pod(owner, p)
	}
	b.toCome(owner, &out, template)
	if len(b.findings) == 0 {
		return
	}
	b.exposures(owner, &out, states, template)
	b.template = template
	b.settle(&out)
	b.count(&out)
	b.a.Workloads = append(b.a.Workloads, out)
}

// couldCome reports whether a pod that has no node yet may get one in question.
func (w *world) couldCome(p *Pod) bool {
	return w.fits[w.c.Templates[p.Template].Placement].count() > 0
}

// pod judges the containers of one pod.
func (b *book) pod(owner *Owner, p *Pod) {
	at := where{owner: owner, template: p.Template, state: p.State, node: p.Node}
	restart := false
	if p.Node >= 0 {
		if m := b.w.machine[p.Node]; m >= 0 {
			restart = b.w.ch.Machines[m].Restart
			at.recreate = restart && b.w.ch.Machines[m].Recreates != ""
		}
	}
	on := nodeVerdict{node: p.Node, verdict: Safe}
	for j := range b.w.byTemplate[p.Template] {
		at.held, at.ended = p.holds(j), p.ended(j)
		f := b.w.judge(at, j)
		b.keep(f)
		on.verdict = worse(on.verdict, f.verdict)
		if restart && !b.w.drained.has(p.Node) && (f.verdict == FailsIfRestarted || f.verdict == FailsNow && f.cause == ByChange) {
			on.hurt = true
		}
	}
	if p.Node < 0 {
		return
	}
	if i := int(b.slot[p.Node]); i < len(b.onNode) && b.onNode[i].node == p.Node {
		b.onNode[i].verdict = worse(b.onNode[i].verdict, on.verdict)
		b.onNode[i].hurt = b.onNode[i].hurt || on.hurt
		return
	}
	b.slot[p.Node] = int32(len(b.onNode))
	b.onNode = append(b.onNode, on)
}

// toCome judges pods that are not there yet: of a CronJob, an autoscaler, a rollout.
func (b *book) toCome(owner *Owner, out *Workload, template int32) {
	if template < 0 || b.w.fits[b.w.c.Templates[template].Placement].count() == 0 {
		return
	}
	at := where{owner: owner, template: template, node: -1, fresh: true}
	switch {
	case owner.Kind == "CronJob":
		if owner.Suspended {
			return
		}
		next, ok := owner.next(b.w.ch.Now)
		if !ok {
			return
		}
		if at.due = !next.After(b.w.ch.Now.Add(b.w.ch.Window)); at.due {
			out.Exposed = append(out.Exposed, DueSoon)
		}
		out.Due = next.UTC().Format(time.RFC3339)
	case owner.Updating:
		out.Exposed = append(out.Exposed, RollingOut)
	case b.w.scaling(owner):
		out.Exposed = append(out.Exposed, ScalingUp)
	default:
		return
	}
	for j := range b.w.byTemplate[template] {
		b.keep(b.w.judge(at, j))
	}
}

// keep keeps of each image, kind of container and policy the worst finding.
func (b *book) keep(f finding) {
	for i := range b.findings {
		g := &b.findings[i]
		if g.image != f.image || g.policy != f.policy || g.kind != f.kind || g.container != f.container {
			continue
		}
		if f.before(g) {
			*g = f
		}
		return
	}
	b.findings = append(b.findings, f)
}

// before orders the findings on one workload, the worst first; of two that are as bad
// the one that says more, so that the order of pods does not matter.
func (f *finding) before(g *finding) bool {
	return cmp.Or(f.verdict.rank()-g.verdict.rank(), f.cause.rank()-g.cause.rank(), int(g.why)-int(f.why),
		strings.Compare(f.pull.why, g.pull.why)) < 0
}

// settle puts the findings into words, the worst first.
func (b *book) settle(out *Workload) {
	slices.SortStableFunc(b.findings, func(x, y finding) int {
		switch {
		case x.before(&y):
			return -1
		case y.before(&x):
			return 1
		}
		return 0
	})
	for i := range b.findings {
		f := &b.findings[i]
		out.Images = append(out.Images, b.w.inWords(f))
		if f.verdict != Safe {
			b.want(f, out.owner)
		}
	}
	first := out.Images[0]
	out.Verdict, out.Cause, out.Rule, out.Reason, out.Pull, out.Do = first.Verdict, first.Cause, first.Rule, first.Reason, first.Pull, first.Do
	for _, v := range b.onNode {
		if v.verdict != out.Verdict || out.Verdict == Safe {
			continue
		}
		if out.OnNodes++; len(out.On) < MostNames {
			out.On = append(out.On, b.w.c.Nodes[v.node].Name)
		}
	}
}

// count adds the workload to all sums.
func (b *book) count(out *Workload) {
	b.a.Summary.Add(out.Verdict)
	if out.Cause == ByChange || out.Verdict == Safe {
		b.a.ByChange.Add(out.Verdict)
	}
	hurt := false
	waves := map[int]Verdict{}
	for _, v := range b.onNode {
		b.perNode[v.node].Add(v.verdict)
		hurt = hurt || v.hurt
		if m := b.w.machine[v.node]; m >= 0 {
			wave := b.w.ch.Machines[m].Wave
			if was, ok := waves[wave]; !ok || v.verdict.rank() < was.rank() {
				waves[wave] = v.verdict
			}
		}
	}
	for wave, v := range waves {
		if b.perWave[wave] == nil {
			b.perWave[wave] = &Counts{}
		}
		b.perWave[wave].Add(v)
	}
	if hurt {
		b.a.OnRestart++
	}
}
