package fleet

import "slices"

// Coming is one batch of nodes that will be started together.
type Coming struct {
	// Wave as in NodeRun; 0 is the canaries.
	Wave int `json:"wave"`
	// Group of the policy; empty for nodes in none.
	Group        string   `json:"group,omitempty"`
	ControlPlane bool     `json:"controlPlane,omitempty"`
	Nodes        []string `json:"nodes"`
}

// Forecast is the order in which a run starts the nodes of s when all goes well.
// When nothing will be started, why says the reason that the run will give; it is
// empty when there is nothing to do.
func Forecast(s State, p Policy) (coming []Coming, why string) {
	if d := Next(s, p); d.Action != Start {
		return nil, d.Reason
	}
	p = p.normal()
	nodes := make([]NodeState, len(s.Nodes))
	index := make(map[string]*NodeState, len(nodes))
	for i, n := range s.Nodes {
		nodes[i] = n
		index[n.Name] = &nodes[i]
	}
	line := queueUp(nodes, p)
	canaries := line.canaries(p.Canary)
	down := countDown(nodes)
	for {
		wave := 0
		batch := canaries.batch(p.WaveSize, down, isPending)
		if len(batch) == 0 {
			wave = line.lastWave() + 1
			batch = line.batch(p.WaveSize, down, isPending)
		}
		if len(batch) == 0 {
			return coming, ""
		}
		first := index[batch[0]]
		group := first.Group
		if !slices.Contains(p.Groups, group) {
			group = ""
		}
		coming = append(coming, Coming{Wave: wave, Group: group, ControlPlane: first.ControlPlane, Nodes: batch})
		for _, name := range batch {
			n := index[name]
			if n.Unready {
				n.Unready = false // well after the change, as all is here
				down--
			}
			n.Phase, n.Begun, n.Wave = Applied, true, wave
		}
	}
}

// State is where the planned nodes stand before a run.
func (p *Plans) State() State {
	r := Run{Nodes: p.begun()}
	return r.State()
}

// begun are the records of the planned nodes at the beginning of a run.
func (p *Plans) begun() []NodeRun {
	nodes := make([]NodeRun, len(p.Nodes))
	for i := range p.Nodes {
		n := &p.Nodes[i]
		nodes[i] = NodeRun{Name: n.Target.Name, ControlPlane: n.Target.ControlPlane, Group: n.Target.Group,
			Phase: n.Phase(), Plan: summary(n.Plan), Error: n.Err}
		if n.Gate != nil {
			nodes[i].Gate = &GateRun{Before: n.Gate}
		}
	}
	return nodes
}
