package kube

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Machine is one of the nodes to change, by the names it goes by.
type Machine struct {
	// Name in the inventory, and the Host (name or address) it is reached at.
	Name, Host string
}

// matched is the Kubernetes node of a machine. Node is empty for none; several
// are as bad as none, and Among names them then.
type matched struct {
	node  string
	among []string
}

// match finds the Kubernetes node of each machine: by its name, else by the label
// kubernetes.io/hostname, else by an InternalIP. Names are compared without
// regard to case, as host names are. Two machines that are one Kubernetes node
// are an error, and so is a cluster that knows none of the machines.
func match(machines []Machine, nodes []node) (map[string]matched, error) {
	byName, byLabel, byIP := map[string][]string{}, map[string][]string{}, map[string][]string{}
	put := func(m map[string][]string, key, name string) {
		if key = strings.ToLower(key); key != "" {
			m[key] = append(m[key], name)
		}
	}
	for _, n := range nodes {
		put(byName, n.Name, n.Name)
		put(byLabel, n.Hostname, n.Name)
		for _, ip := range n.IPs {
			put(byIP, ip, n.Name)
		}
	}
	out := make(map[string]matched, len(machines))
	owner := map[string]string{}
	for _, m := range machines {
		var found []string
		for _, by := range []map[string][]string{byName, byLabel, byIP} {
			for _, key := range []string{m.Name, m.Host} {
				if len(found) == 0 {
					found = by[strings.ToLower(key)]
				}
			}
		}
		found = slices.Compact(slices.Sorted(slices.Values(found)))
		switch {
		case len(found) == 0:
			out[m.Name] = matched{}
			continue
		case len(found) > 1:
			out[m.Name] = matched{among: found}
			continue
		case owner[found[0]] != "":
			return nil, fmt.Errorf("nodes %q and %q are both node %q of the cluster", owner[found[0]], m.Name, found[0])
		}
		owner[found[0]] = m.Name
		out[m.Name] = matched{node: found[0]}
	}
	if len(owner) == 0 {
		return nil, fmt.Errorf("the cluster knows none of the %d nodes; it has %s", len(machines), has(nodes))
	}
	return out, nil
}

func has(nodes []node) string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	if len(names) == 0 {
		return "no nodes"
	}
	return some(names)
}

// MachineOf gives the machine's name for each Kubernetes node that is one of them;
// see match.
func MachineOf(machines []Machine, nodes []corev1.Node) (map[string]string, error) {
	var all []node
	for i := range nodes {
		all = append(all, nodeFrom(&nodes[i]))
	}
	matches, err := match(machines, all)
	if err != nil {
		return nil, &Error{Text: "Kubernetes: " + err.Error(), hint: "is this the kubeconfig of another cluster? --context names another one of its contexts", final: true}
	}
	of := map[string]string{}
	for name, m := range matches {
		if m.node != "" {
			of[m.node] = name
		}
	}
	return of, nil
}
