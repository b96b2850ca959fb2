package inventory

import (
	"fmt"
	"slices"
)

// Kubespray's groups.
const (
	clusterGroup = "k8s_cluster"
	controlGroup = "kube_control_plane"
	workerGroup  = "kube_node"
	calicoGroup  = "calico_rr"
	etcdGroup    = "etcd"
)

// oldNames are the group names of Kubespray 2.15 and older, which later releases
// map when the play runs.
var oldNames = []struct{ old, name string }{
	{"k8s-cluster", clusterGroup},
	{"kube-master", controlGroup},
	{"kube-node", workerGroup},
	{"calico-rr", calicoGroup},
}

// regroup returns the groups that Kubespray adds when a play runs: new names for
// old ones, and k8s_cluster, which the samples of 2.27 and later leave out.
// The result is empty for an inventory that is not Kubespray's.
func regroup(t *tree) []group {
	var added []group
	has := func(name string) []string {
		for _, a := range added {
			if a.name == name {
				return a.hosts
			}
		}
		return t.members(name)
	}
	for _, n := range oldNames {
		if old := t.members(n.old); len(old) > 0 && len(t.members(n.name)) == 0 {
			added = append(added, group{name: n.name, hosts: old})
		}
	}
	if len(has(clusterGroup)) > 0 {
		return added
	}
	in := map[string]bool{}
	for _, g := range []string{controlGroup, workerGroup, calicoGroup} {
		for _, h := range has(g) {
			in[h] = true
		}
	}
	if len(in) == 0 {
		return added
	}
	cluster := group{name: clusterGroup}
	for _, h := range t.order {
		if in[h] {
			cluster.hosts = append(cluster.hosts, h)
		}
	}
	return append(added, cluster)
}

// targets picks the hosts that containerd is configured on: the members of
// k8s_cluster, or every host of an inventory without Kubespray's groups, except
// bastions, and localhost unless it is the only one.
func targets(t *tree, path string) ([]string, error) {
	if m := t.members(clusterGroup); len(m) > 0 {
		return m, nil
	}
	for _, g := range []string{clusterGroup, controlGroup, workerGroup} {
		if t.groups[g] != nil {
			return nil, errorAt(path, 0, "group %q has no hosts", g).hint("nodes are the members of k8s_cluster, kube_control_plane and kube_node")
		}
	}
	bastions := t.members("bastion")
	out := slices.DeleteFunc(slices.Clone(t.order), func(h string) bool { return slices.Contains(bastions, h) })
	if rest := slices.DeleteFunc(slices.Clone(out), isLocalhost); len(rest) > 0 {
		out = rest
	}
	if len(out) == 0 {
		return nil, errorAt(path, 0, "the inventory names no host")
	}
	return out, nil
}

func isLocalhost(name string) bool {
	return name == "localhost" || name == "127.0.0.1" || name == "::1"
}

// add puts the groups of regroup into t.
func (t *tree) add(groups []group) error {
	for _, g := range groups {
		for _, h := range g.hosts {
			if _, err := t.addHost(g.name, h); err != nil {
				return fmt.Errorf("group %q: %w", g.name, err)
			}
		}
	}
	return nil
}
