package lab

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/pullway/pullway/test/lab/registry"
)

// DefaultContainerdConfig is what a node has as /etc/containerd/config.toml at
// first: a cluster installer's kind of file for that release, with comments,
// runtime and sandbox image, and without anything about registries.
func DefaultContainerdConfig(release string) string {
	if strings.HasPrefix(release, "2.") {
		return `# containerd of the container runtime interface
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0

[plugins]
  [plugins."io.containerd.cri.v1.images"]
    snapshotter = "overlayfs"
    [plugins."io.containerd.cri.v1.images".pinned_images]
      sandbox = "registry.k8s.io/pause:3.10"
  [plugins."io.containerd.cri.v1.runtime"]
    [plugins."io.containerd.cri.v1.runtime".containerd]
      default_runtime_name = "runc"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
        runtime_type = "io.containerd.runc.v2"
        [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
          SystemdCgroup = true
`
	}
	return `# containerd of the container runtime interface
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "registry.k8s.io/pause:3.9"
    [plugins."io.containerd.grpc.v1.cri".containerd]
      snapshotter = "overlayfs"
      default_runtime_name = "runc"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
        runtime_type = "io.containerd.runc.v2"
        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
          SystemdCgroup = true
`
}

// containerdConfig is the node's first config.toml.
func (s NodeSpec) containerdConfig() string {
	if s.Pods {
		return or(s.Config, PodsContainerdConfig(s.Containerd))
	}
	return or(s.Config, DefaultContainerdConfig(s.Containerd))
}

// networkFile gives the node its address, by systemd-networkd.
func networkFile(addr netip.Addr) string {
	return fmt.Sprintf("[Match]\nName=host0\n\n[Network]\nAddress=%s/%d\nGateway=%s\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nConfigureWithoutCarrier=yes\n", addr, subnetBits, Operator)
}

// hostsFile names the lab's machines: the same file for all nodes and for what
// runs in the lab's namespace.
func hostsFile(nodes []*Node, registries []registry.Spec) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	for _, n := range nodes {
		fmt.Fprintf(&b, "%s %s\n", n.Addr, n.Name)
	}
	for _, r := range registries {
		if r.Host != "" {
			fmt.Fprintf(&b, "%s %s\n", netip.MustParseAddrPort(r.Addr).Addr(), r.Host)
		}
	}
	return b.String()
}
