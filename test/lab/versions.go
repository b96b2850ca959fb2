package lab

// The outside software that a lab is made of, pinned in this one place. All of
// it comes from the Debian archive or from the Go module proxy; it is fetched
// at the first Up and kept in Config.Cache.
const (
	// debianSuite is the release of the nodes.
	debianSuite = "bookworm"
	// debianContainerd is the containerd release of that suite. A node with this
	// release runs the distribution's own package, every other one a binary built
	// from the release's module.
	debianContainerd = "1.6.20"
	// distributionVersion is the registry.
	distributionVersion = "v3.1.2"
	// kubernetesVersion is that of kube-apiserver, kubelet and the other parts of Kubernetes,
	// etcdVersion the one that kubeadm of that release would run or later.
	kubernetesVersion = "v1.37.2"
	etcdVersion       = "v3.7.3"
	// cniVersion is that of the plugins that give pods their network.
	cniVersion = "v1.9.1"
	// rootRecipe and the others are raised by whoever changes how the cached thing
	// of that name is made, so that old ones are not used again.
	rootRecipe     = "r1"
	layerRecipe    = "r1"
	registryRecipe = "r1"
	kubeRecipe     = "r1"
	podsRecipe     = "r1"
)

// Releases are the containerd releases that the demo, the end-to-end tests and
// the benchmarks use: one of each line that clusters run. Others of the 1.x and
// 2.x lines can be named in a NodeSpec as well, as far as the module proxy serves them.
func Releases() []string { return []string{debianContainerd, "1.7.35", "2.4.2"} }

// debianPackages go into the root tree of the nodes.
var debianPackages = []string{
	"systemd", "systemd-sysv", "dbus", "openssh-server", "containerd", "runc",
	"python3", "iproute2", "ca-certificates", "sudo",
}
