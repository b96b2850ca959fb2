package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pullway/pullway/test/lab/registry"
)

// Config says what a lab consists of. The zero value of every field but Nodes
// means a default.
type Config struct {
	// Dir holds the state of this lab and is its identity: two labs with two
	// folders do not meet. It is made (0700) and is gone after Down. Default:
	// $PULLWAY_LAB_DIR, or pullway-lab in the temporary folder.
	Dir string
	// Cache holds the root tree of the nodes and what was built for them; it is
	// kept and shared between labs. Default: $PULLWAY_LAB_CACHE, then pullway-lab
	// in $XDG_CACHE_HOME, then /var/cache/pullway-lab.
	Cache string
	// Nodes, at least one, at most MaxNodes; see Cycle.
	Nodes []NodeSpec
	// Registries; nil means DefaultRegistries.
	Registries []registry.Spec
	// Images that are pushed to every registry; nil means DefaultImages.
	Images []Image
	// Kubernetes, when set, is what of a cluster the lab has besides; see KubeSpec.
	Kubernetes *KubeSpec
	// Keep lets the lab live on when this process ends, until Down. Without it the
	// lab is torn down when the process ends, however it ends.
	Keep bool
	// DebianMirror is where the root tree comes from. Default:
	// $PULLWAY_LAB_DEBIAN_MIRROR, or http://deb.debian.org/debian.
	DebianMirror string
}

// NodeSpec is one node.
type NodeSpec struct {
	// Name is the node's host name: a lower-case letter, then up to 31 letters, digits and hyphens.
	Name string
	// Containerd is the release, such as "2.4.2". Empty: containerd is installed
	// but neither enabled nor started.
	Containerd string
	// Config is /etc/containerd/config.toml at the first boot. Empty: what
	// DefaultContainerdConfig gives, or PodsContainerdConfig for a node with Pods.
	Config string
	// NoConfig boots the node without that file.
	NoConfig bool
	// CRIDown says that Config is meant to leave CRI unusable; Up then waits for
	// SSH alone.
	CRIDown bool
	// User is who logs in over SSH. Empty: root. Any other user is created and may
	// become root with sudo.
	User string
	// SudoPassword is what sudo asks of User. Empty: sudo asks nothing.
	SudoPassword string
	// Pods makes the node fit to run containers over CRI: it has a pod network, the sandbox image
	// and control groups of its own. Nodes with a kubelet always are.
	Pods bool
}

// MaxNodes that a lab can have: the addresses from .11 up to .254.
const MaxNodes = 244

// Cycle gives n nodes, node1 and on, that run the releases in turn.
func Cycle(n int, releases ...string) []NodeSpec {
	if len(releases) == 0 {
		releases = Releases()
	}
	nodes := make([]NodeSpec, n)
	for i := range nodes {
		nodes[i] = NodeSpec{Name: "node" + strconv.Itoa(i+1), Containerd: releases[i%len(releases)]}
	}
	return nodes
}

// ParseReleases reads a list such as "1.6.20,1.7.35,2.4.2" into nodes, one for
// each item; "none" is a node without containerd.
func ParseReleases(list string) ([]NodeSpec, error) {
	items := strings.Split(list, ",")
	for i, v := range items {
		switch v = strings.TrimSpace(v); {
		case v == "none":
			items[i] = ""
		case releaseForm.MatchString(v):
			items[i] = v
		default:
			return nil, fmt.Errorf("%q is not a containerd release such as 2.4.2", v)
		}
	}
	return Cycle(len(items), items...), nil
}

var (
	releaseForm = regexp.MustCompile(`^[12]\.[0-9]{1,2}\.[0-9]{1,3}$`)
	nameForm    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	userForm    = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
)

// complete fills in the defaults, with the environment as getenv gives it.
func (c Config) complete(getenv func(string) string) Config {
	if c.Dir == "" {
		c.Dir = or(getenv("PULLWAY_LAB_DIR"), filepath.Join(os.TempDir(), "pullway-lab"))
	}
	if c.Cache == "" {
		c.Cache = getenv("PULLWAY_LAB_CACHE")
	}
	if c.Cache == "" {
		c.Cache = filepath.Join(or(getenv("XDG_CACHE_HOME"), "/var/cache"), "pullway-lab")
	}
	if c.DebianMirror == "" {
		c.DebianMirror = or(getenv("PULLWAY_LAB_DEBIAN_MIRROR"), "http://deb.debian.org/debian")
	}
	if c.Registries == nil {
		c.Registries = DefaultRegistries()
	}
	if c.Images == nil {
		c.Images = DefaultImages()
	}
	c.Nodes = slices.Clone(c.Nodes)
	for i := range c.Nodes {
		c.Nodes[i].User = or(c.Nodes[i].User, "root")
		c.Nodes[i].Pods = c.Nodes[i].Pods || c.Kubernetes.kubeletOn(c.Nodes[i].Name)
	}
	return c
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// check reports every problem of a completed Config at once.
func (c Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !filepath.IsAbs(c.Dir) || strings.ContainsAny(c.Dir, " :,\\\n") {
		bad("lab folder %q: must be an absolute path without blank, colon, comma, backslash and newline", c.Dir)
	}
	if !filepath.IsAbs(c.Cache) || strings.ContainsAny(c.Cache, " :,\\\n") {
		bad("cache folder %q: must be an absolute path without blank, colon, comma, backslash and newline", c.Cache)
	}
	if len(c.Nodes) == 0 || len(c.Nodes) > MaxNodes {
		bad("%d nodes: a lab has 1 to %d", len(c.Nodes), MaxNodes)
	}
	seen := map[string]bool{}
	for _, n := range c.Nodes {
		if !nameForm.MatchString(n.Name) {
			bad("node name %q: must be a lower-case letter, then up to 31 letters, digits and hyphens", n.Name)
		}
		if seen[n.Name] {
			bad("node name %q: used twice", n.Name)
		}
		seen[n.Name] = true
		if n.Containerd != "" && !releaseForm.MatchString(n.Containerd) {
			bad("node %s: %q is not a containerd release such as 2.4.2", n.Name, n.Containerd)
		}
		if !userForm.MatchString(n.User) {
			bad("node %s: user name %q", n.Name, n.User)
		}
		if n.User == "root" && n.SudoPassword != "" {
			bad("node %s: root needs no sudo password", n.Name)
		}
		if n.Pods && n.Containerd == "" {
			bad("node %s: runs no pods without a containerd", n.Name)
		}
		if strings.ContainsAny(n.SudoPassword, ":\n") {
			bad("node %s: a sudo password holds neither colon nor newline", n.Name)
		}
	}
	names, addrs := map[string]bool{}, map[string]bool{}
	for _, r := range c.Registries {
		if err := r.Check(); err != nil {
			errs = append(errs, err)
		}
		if names[r.Name] || addrs[r.Addr] {
			bad("registry %s: its name or address %s is used twice", r.Name, r.Addr)
		}
		names[r.Name], addrs[r.Addr] = true, true
	}
	if err := c.Kubernetes.check(seen, addrs); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
