package plan

import "path/filepath"

// playFingerprint is that of every plan of a play: what a playbook makes of a node
// does not depend on what was seen there before.
const playFingerprint = "play"

// ForPlay is the plan of a node that Kubespray's playbook shall change. What it
// changes is not known beforehand: that it may restart containerd is, so the node
// always has something to do. Problems forbid to run the play there.
func ForPlay(o Observed, opt Options) Node {
	b := &builder{o: o, opt: opt, node: Node{Facts: FactsOf(o), Fingerprint: playFingerprint}}
	b.node.Restart = Restart{Needed: true, Reasons: []string{"Kubespray's playbook decides"}}
	if !o.Distribution.Editable {
		b.problem("distribution", false, o.Distribution.Hint,
			"containerd of this node belongs to %s, and is not Kubespray's to change", o.Distribution.Name)
	}
	if k := opt.Kubespray; k != nil && filepath.Dir(filepath.Clean(k.HostsDir)) != filepath.Dir(filepath.Clean(o.ConfigFile)) {
		b.problem("kubespray-elsewhere", false, "look at containerd_cfg_dir",
			"this Kubespray writes to %s, and containerd of this node reads %s", filepath.Dir(k.HostsDir), o.ConfigFile)
	}
	if o.Running {
		b.judgeRestart()
	}
	if !o.Healthy {
		b.warn("unwell", "", "CRI is not healthy before the play: %s", o.Health)
	}
	if opt.Force {
		b.node.Problems = b.forced(b.node.Problems)
	}
	return b.node
}
