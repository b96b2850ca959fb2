package impact

import "math/bits"

// nodeCount is on how many of the nodes where a pod could go its image is missing
// and a pull of it would fail.
type nodeCount struct {
	nodes, lacking int
	// unknown of the lacking may have it all the same.
	unknown int
	// recheck have it, brought there by pods of other namespaces only: the kubelet
	// asks the registry whether this pod's credential is good for it.
	recheck int
}

type countKey struct {
	image, placement int32
	secrets, never   bool
	// namespace is set for shared images only.
	namespace string
}

// count fills in the counts of a finding.
func (f *finding) count(w *world, t *Template, namespace string, img *image) {
	key := countKey{image: f.image, placement: t.Placement, secrets: f.secrets, never: f.policy == Never}
	if img.holders != nil {
		key.namespace = namespace
	}
	n, ok := w.counts[key]
	if !ok {
		n = w.countNodes(key, img)
		w.counts[key] = n
	}
	f.nodeCount = n
}

func (w *world) countNodes(key countKey, img *image) (n nodeCount) {
	fit := w.fits[key.placement]
	n.nodes = fit.count()
	var rechecks set // worked out when the first pull fails
	for k := range w.classes {
		p := w.pull(key.image, int16(k), key.secrets)
		if bad, _ := p.bad(); !bad && !key.never {
			continue
		}
		if rechecks == nil && len(img.holders) > 0 {
			rechecks = w.rechecks(img, key.namespace)
		}
		for i, word := range w.classes[k].nodes {
			word &= fit[i]
			n.lacking += bits.OnesCount64(word &^ img.has[i])
			n.unknown += bits.OnesCount64(word &^ img.has[i] & w.vague[i])
			if rechecks != nil {
				n.recheck += bits.OnesCount64(word & img.has[i] & rechecks[i])
			}
		}
	}
	return n
}

// rechecks are the nodes whose kubelet checks credentials of present images, and where
// pods of other namespaces hold the image and none of this one.
func (w *world) rechecks(img *image, namespace string) set {
	held := newSet(len(w.c.Nodes))
	for ns, nodes := range img.holders {
		if ns == namespace {
			continue
		}
		for _, n := range nodes {
			if w.checks.has(n) {
				held.add(n)
			}
		}
	}
	for _, n := range img.holders[namespace] {
		held.remove(n)
	}
	return held
}

// share notes who holds the images that pods of several namespaces use, pull
// secrets among them: only of those the kubelet keeps a record that can miss.
func (w *world) share() {
	w.checks = newSet(len(w.c.Nodes))
	any := false
	for i := range w.c.Nodes {
		if rechecks(w.c.Nodes[i].Kubelet) {
			w.checks.add(int32(i))
			any = true
		}
	}
	if !any {
		return
	}
	first := make([]string, len(w.images))
	shared := make([]bool, len(w.images))
	for i := range w.c.Pods {
		p := &w.c.Pods[i]
		ns := w.c.Owners[p.Owner].Namespace
		for _, im := range w.byTemplate[p.Template] {
			switch {
			case first[im] == "":
				first[im] = ns
			case first[im] != ns:
				shared[im] = true
			}
		}
	}
	for i := range w.c.Pods {
		p := &w.c.Pods[i]
		if p.Node < 0 || len(w.c.Templates[p.Template].PullSecrets) == 0 {
			continue
		}
		ns := w.c.Owners[p.Owner].Namespace
		for j, im := range w.byTemplate[p.Template] {
			if !shared[im] || !p.holds(j) {
				continue
			}
			img := &w.images[im]
			if img.holders == nil {
				img.holders = map[string][]int32{}
			}
			img.holders[ns] = append(img.holders[ns], p.Node)
		}
	}
}
