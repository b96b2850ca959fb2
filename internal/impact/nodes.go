package impact

import (
	"slices"
	"strings"
)

// nodes tells what the change does on each node.
func (b *book) nodes() {
	a, w := b.a, b.w
	one := func(i int32, m *Machine) {
		n := NodeImpact{Wave: -1}
		if i >= 0 {
			k := &w.c.Nodes[i]
			n.Name, n.Cordoned, n.Ready = k.Name, k.Cordoned, k.Ready
			n.Pods, n.Workloads = int(b.pods[i]), b.perNode[i]
			n.Drained = w.drained.has(i)
			a.InQuestion++
		}
		if m != nil {
			n.Machine, n.Wave, n.Problem, n.Registries = m.Name, m.Wave, m.Problem, m.Endpoints
			if m.Asked {
				n.Restart, n.Why, n.Recreates = &m.Restart, m.Why, m.Recreates
				b.restart(&n)
			}
		}
		a.NodeImpacts = append(a.NodeImpacts, n)
	}
	if w.ch.Machines != nil {
		for i := range w.ch.Machines {
			one(w.ch.Machines[i].Node, &w.ch.Machines[i])
		}
		return
	}
	for i := range w.c.Nodes {
		one(int32(i), nil)
	}
	slices.SortFunc(a.NodeImpacts, func(x, y NodeImpact) int { return strings.Compare(x.Name, y.Name) })
}

// restart adds one node to what the restarts of containerd mean.
func (b *book) restart(n *NodeImpact) {
	r := &b.a.Restarts
	r.Known++
	if !*n.Restart {
		return
	}
	name := n.Machine
	r.Nodes = append(r.Nodes, name)
	r.Pods += n.Pods
	if n.Recreates != "" {
		r.Recreate = append(r.Recreate, name)
	}
}

// waves sums up each wave of the rollout.
func (b *book) waves() {
	byWave := map[int]*WaveImpact{}
	for i := range b.w.ch.Machines {
		m := &b.w.ch.Machines[i]
		if m.Wave < 0 {
			continue
		}
		v := byWave[m.Wave]
		if v == nil {
			v = &WaveImpact{Wave: m.Wave}
			if c := b.perWave[m.Wave]; c != nil {
				v.Workloads = *c
			}
			byWave[m.Wave] = v
		}
		v.Nodes = append(v.Nodes, m.Name)
		if m.Restart {
			v.Restarts++
		}
	}
	for _, v := range byWave {
		b.a.Waves = append(b.a.Waves, *v)
	}
	slices.SortFunc(b.a.Waves, func(x, y WaveImpact) int { return x.Wave - y.Wave })
}
