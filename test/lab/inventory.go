package lab

import (
	"fmt"
	"strings"
)

// inventory renders a hosts.yaml of the shape that Kubespray's inventories have.
// The first node is control plane and etcd too.
func inventory(nodes []*Node, key, knownHosts string) string {
	var b strings.Builder
	b.WriteString("all:\n  vars:\n")
	fmt.Fprintf(&b, "    ansible_ssh_private_key_file: %q\n", key)
	fmt.Fprintf(&b, "    ansible_ssh_common_args: %q\n", "-o UserKnownHostsFile="+knownHosts+" -o StrictHostKeyChecking=yes")
	b.WriteString("    ansible_python_interpreter: /usr/bin/python3\n")
	b.WriteString("  hosts:\n")
	for _, n := range nodes {
		fmt.Fprintf(&b, "    %s:\n      ansible_host: %s\n      ansible_port: %d\n      ansible_user: %s\n", n.Name, n.Addr, n.SSHPort, n.Spec.User)
		if n.Spec.User != "root" {
			b.WriteString("      ansible_become: true\n")
		}
		if n.Spec.SudoPassword != "" {
			fmt.Fprintf(&b, "      ansible_become_password: %q\n", n.Spec.SudoPassword)
		}
		fmt.Fprintf(&b, "      ip: %s\n      access_ip: %s\n", n.Addr, n.Addr)
	}
	group := func(name string, members []*Node) {
		fmt.Fprintf(&b, "    %s:\n      hosts:\n", name)
		for _, n := range members {
			fmt.Fprintf(&b, "        %s:\n", n.Name)
		}
	}
	b.WriteString("  children:\n")
	group("kube_control_plane", nodes[:1])
	group("kube_node", nodes)
	group("etcd", nodes[:1])
	b.WriteString("    k8s_cluster:\n      children:\n        kube_control_plane:\n        kube_node:\n    calico_rr:\n      hosts: {}\n")
	return b.String()
}
