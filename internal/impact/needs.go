package impact

import (
	"cmp"
	"slices"
	"strings"
)

// Need is an image at risk and the nodes that should have it before the change:
// those where a workload could be started without it.
type Need struct {
	// Image is the normalised reference.
	Image string `json:"image"`
	// Verdict is the worst of the workloads that need it.
	Verdict Verdict `json:"verdict"`
	// Nodes are Kubernetes nodes that lack it, sorted; Unknown of them may have it.
	Nodes   []string `json:"nodes"`
	Unknown int      `json:"unknown,omitempty"`
	// Always tells that a workload pulls it whether it is there or not: to have it on
	// the node helps that one only after its policy is IfNotPresent.
	Always bool `json:"always,omitempty"`
	// Namespaces of the workloads, sorted, and their PullSecrets as NAMESPACE/NAME.
	Namespaces  []string `json:"namespaces"`
	PullSecrets []string `json:"pullSecrets,omitempty"`
}

// Needs are the images at risk, the worst first, then by name. An image that is on
// every node where it could be needed is not among them. The list is made by each
// call: for many images and nodes it is long.
func (a *Assessment) Needs() []Need { return a.needs() }

// wish is a Need in the making.
type wish struct {
	verdict Verdict
	always  bool
	nodes   set
	spaces  map[string]bool
	secrets map[string]bool
}

// want notes that the nodes where a finding's pods could go should have its image.
func (b *book) want(f *finding, o int32) {
	w := b.w
	img := &w.images[f.image]
	if f.policy == Never && f.cause == Already || img.bad != "" {
		return
	}
	at := b.wishes[f.image]
	if at == nil {
		at = &wish{verdict: Safe, nodes: newSet(len(w.c.Nodes)), spaces: map[string]bool{}, secrets: map[string]bool{}}
		b.wishes[f.image] = at
	}
	owner := &w.c.Owners[o]
	t := &w.c.Templates[b.template]
	at.verdict = worse(at.verdict, f.verdict)
	at.always = at.always || f.policy == Always
	at.spaces[owner.Namespace] = true
	for _, s := range t.PullSecrets {
		at.secrets[owner.Namespace+"/"+s] = true
	}
	if !owner.stays() {
		fit := w.fits[t.Placement]
		for i := range fit {
			at.nodes[i] |= fit[i] &^ img.has[i]
		}
	}
	for _, v := range b.onNode {
		if !img.has.has(v.node) {
			at.nodes.add(v.node)
		}
	}
}

// needs puts the wishes in order.
func (b *book) needs() (all []Need) {
	for im, at := range b.wishes {
		n := Need{Image: b.w.images[im].text, Verdict: at.verdict, Always: at.always}
		at.nodes.each(func(i int32) bool {
			n.Nodes = append(n.Nodes, b.w.c.Nodes[i].Name)
			if b.w.vague.has(i) {
				n.Unknown++
			}
			return true
		})
		if len(n.Nodes) == 0 {
			continue
		}
		slices.Sort(n.Nodes)
		n.Namespaces, n.PullSecrets = sorted(at.spaces), sorted(at.secrets)
		all = append(all, n)
	}
	slices.SortFunc(all, func(x, y Need) int {
		return cmp.Or(x.Verdict.rank()-y.Verdict.rank(), strings.Compare(x.Image, y.Image))
	})
	return all
}

func sorted(m map[string]bool) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}
