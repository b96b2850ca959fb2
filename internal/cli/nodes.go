package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/engine"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/inventory"
	"github.com/pullway/pullway/internal/kube"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/transport"
)

// nodeFlags say which nodes, and how they are reached.
type nodeFlags struct {
	inventory  string
	nodes      string
	local      bool
	limit      string
	user       string
	port       int
	key        string
	knownHosts string
	acceptNew  bool
	sshConfig  string
	becomePass string
	sshPass    string
}

func (n *nodeFlags) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&n.inventory, "inventory", "i", "", "Ansible or Kubespray inventory: YAML or INI file, or a directory")
	f.StringVar(&n.nodes, "nodes", "", "nodes by name: a,b,user@c:2222,node[01:20]")
	f.BoolVar(&n.local, "local", false, "this machine")
	n.registerReach(c)
	c.MarkFlagsMutuallyExclusive("inventory", "nodes", "local")
	_ = c.MarkFlagFilename("inventory")
}

// reachFlags are the names of what registerReach registers.
var reachFlags = []string{"limit", "user", "port", "key", "known-hosts", "accept-new-host-keys", "ssh-config", "become-password-env", "ssh-password-env"}

// registerReach registers which of an inventory's nodes, and how they are reached.
func (n *nodeFlags) registerReach(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&n.limit, "limit", "", "only these of them: names, groups and patterns as Ansible's --limit takes them")
	n.registerWay(c)
}

// registerWay registers how nodes are reached.
func (n *nodeFlags) registerWay(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&n.user, "user", "", "SSH user where the inventory names none")
	f.IntVar(&n.port, "port", 0, "SSH port where the inventory names none")
	f.StringVar(&n.key, "key", "", "SSH private key file, tried first")
	f.StringVar(&n.knownHosts, "known-hosts", "", "known_hosts file in place of the user's and the system's")
	f.BoolVar(&n.acceptNew, "accept-new-host-keys", false, "remember the host keys of nodes that are not known yet (changed ones are always refused)")
	f.StringVar(&n.sshConfig, "ssh-config", "", "ssh_config file in place of the user's and the system's; none for no file")
	f.StringVar(&n.becomePass, "become-password-env", "", "environment variable with the password that sudo asks for")
	f.StringVar(&n.sshPass, "ssh-password-env", "", "environment variable with the SSH password")
	_ = c.MarkFlagFilename("key")
}

// named reports whether any nodes were named.
func (n *nodeFlags) named() bool { return n.inventory != "" || n.nodes != "" || n.local }

// fleetNodes are the nodes of one command and the way to them.
type fleetNodes struct {
	targets   []fleet.Target
	connector *connector
	// all that the inventory has, before --limit.
	all []inventory.Node
	// grouped tells that an inventory with groups was read.
	grouped bool
	// look and gate ask Kubernetes, ahead and during a run; nil without a kubeconfig.
	look, gate fleet.Gate
	// cluster that gate asks; nil without a kubeconfig.
	cluster *kube.Cluster
}

// group puts each node into the first of the spec's groups that it is in.
func (a *app) group(fn *fleetNodes, groups []string) error {
	if len(groups) == 0 {
		return nil
	}
	if !fn.grouped {
		a.warn("spec.rollout.groups does nothing here: nodes that are not of an inventory are in no group", "give the inventory by -i")
		return nil
	}
	first, err := inventory.FirstGroup(fn.all, groups)
	if err != nil {
		var ie *inventory.Error
		_ = errors.As(err, &ie)
		return usage(fmt.Errorf("spec.rollout.groups: %w", err), ie.Hint)
	}
	for i := range fn.targets {
		fn.targets[i].Group = first[fn.targets[i].Name]
	}
	return nil
}

// load reads the inventory and prepares the way to its nodes. It connects to nothing.
func (a *app) load(ctx context.Context, n nodeFlags) (*fleetNodes, error) {
	nodes, err := a.list(ctx, n)
	if err != nil {
		return nil, err
	}
	all := nodes
	if n.limit != "" {
		if nodes, err = inventory.Limit(nodes, n.limit); err != nil {
			return nil, asUsage(err)
		}
	}
	if len(nodes) == 0 {
		return nil, usage(errors.New("no node is left to work on"), "look at the inventory's groups and at --limit")
	}
	sudo, err := secretOfEnv("become-password-env", n.becomePass)
	if err != nil {
		return nil, err
	}
	login, err := secretOfEnv("ssh-password-env", n.sshPass)
	if err != nil {
		return nil, err
	}
	c := &connector{warn: a.warn, budget: protocol.NewBudget(a.limits.budget), targets: map[string]transport.Target{}, dialer: &transport.Dialer{Engines: engine.Embedded(), Options: transport.Options{
		AcceptNewHostKeys: n.acceptNew, SSHConfig: n.sshConfig,
	}}}
	if n.knownHosts != "" {
		c.dialer.Options.KnownHosts = []string{n.knownHosts}
	}
	out := &fleetNodes{connector: c, all: all, grouped: n.inventory != ""}
	for _, node := range nodes {
		t := transport.Target{Name: node.Name, Local: node.Local, Host: node.Host, Port: node.Port, User: node.User,
			IdentityFiles: node.IdentityFiles, Password: node.Password, Become: node.Become, BecomeUser: node.BecomeUser,
			BecomePassword: node.BecomePassword, SSHArgs: node.SSHArgs}
		if t.User == "" {
			t.User = n.user
		}
		if t.Port == 0 {
			t.Port = n.port
		}
		if n.key != "" {
			t.IdentityFiles = append([]string{n.key}, t.IdentityFiles...)
		}
		if t.BecomePassword.IsZero() {
			t.BecomePassword = sudo
		}
		if t.Password.IsZero() {
			t.Password = login
		}
		c.targets[node.Name] = t
		out.targets = append(out.targets, fleet.Target{Name: node.Name, ControlPlane: node.ControlPlane})
	}
	return out, nil
}

func (a *app) list(ctx context.Context, n nodeFlags) ([]inventory.Node, error) {
	switch {
	case n.local:
		name, err := os.Hostname()
		if err != nil {
			name = "localhost"
		}
		return []inventory.Node{{Name: name, Host: name, Local: true}}, nil
	case n.nodes != "":
		nodes, err := inventory.FromNames(n.nodes)
		return nodes, asUsage(err)
	case n.inventory != "":
		r, err := inventory.Load(ctx, n.inventory, inventory.Options{})
		if err != nil {
			return nil, asUsage(err)
		}
		for _, w := range r.Warnings {
			a.warn(w, "")
		}
		return r.Nodes, nil
	}
	return nil, usage(errors.New("no nodes were named"), "use -i INVENTORY, --nodes a,b,c or --local")
}

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	var ie *inventory.Error
	if errors.As(err, &ie) {
		return usage(err, ie.Hint)
	}
	return usage(err, "")
}

func sshKind(err error) (*transport.Error, bool) {
	var te *transport.Error
	return te, errors.As(err, &te)
}

var errNoEnv = errors.New("the environment variable is not set or empty")

func envError(flag, name string) error {
	return usage(fmt.Errorf("--%s %s: %w", flag, name, errNoEnv), "")
}
