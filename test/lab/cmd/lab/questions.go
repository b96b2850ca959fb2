package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/pullway/pullway/test/lab"
)

// questions are the verbs that are put to a lab that is up.
var questions = map[string]struct {
	args int // at least
	do   func(ctx context.Context, p program, l *lab.Lab, args []string) error
}{
	"status":  {0, status},
	"exec":    {1, execIn},
	"ssh":     {1, sshTo},
	"node":    {2, inNode},
	"pull":    {2, pull},
	"log":     {1, accessLog},
	"stop":    {1, onRegistry(func(ctx context.Context, r *lab.Registry) error { return r.Stop(ctx) })},
	"start":   {1, onRegistry(func(ctx context.Context, r *lab.Registry) error { return r.Start(ctx) })},
	"cut":     {1, onNode(func(ctx context.Context, n *lab.Node) error { return n.CutLink(ctx) })},
	"restore": {1, onNode(func(ctx context.Context, n *lab.Node) error { return n.RestoreLink(ctx) })},
}

func status(ctx context.Context, p program, l *lab.Lab, _ []string) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "folder\t%s\nnetwork\t%s\ninventory\t%s\nssh key\t%s\nknown hosts\t%s\nregistry CA\t%s\n",
		l.Dir(), l.Netns(), l.Inventory(), l.SSHKey(), l.KnownHosts(), l.CAFile())
	if k := l.Kube(); k != nil {
		fmt.Fprintf(w, "kubernetes\t%s\nkubeconfig\t%s\n", k.URL(), k.AdminKubeconfig())
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "NODE\tADDRESS\tUSER\tCONTAINERD")
	for _, n := range l.Nodes() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", n.Name, n.Addr, n.Spec.User, containerd(ctx, n))
	}
	fmt.Fprintln(w, "\nREGISTRY\tURL\tAUTH\tSTATE")
	for _, r := range l.Registries() {
		state := "down"
		if r.Running() {
			state = "up"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Spec.Name, r.Spec.URL(), r.Spec.Auth, state)
	}
	return w.Flush()
}

func containerd(ctx context.Context, n *lab.Node) string {
	switch {
	case !n.Running():
		return "node is down"
	case n.Spec.Containerd == "":
		return "none"
	}
	v, err := n.CRIVersion(ctx)
	if err != nil {
		return n.Spec.Containerd + ", CRI does not answer"
	}
	return v
}

func execIn(_ context.Context, _ program, l *lab.Lab, args []string) error {
	return replaceSelf(append(l.EnterArgs(), args...))
}

func sshTo(_ context.Context, _ program, l *lab.Lab, args []string) error {
	n, err := node(l, args[0])
	if err != nil {
		return err
	}
	argv := append(l.EnterArgs(), "ssh", "-i", l.SSHKey(), "-o", "UserKnownHostsFile="+l.KnownHosts(),
		"-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-p", strconv.Itoa(n.SSHPort),
		n.Spec.User+"@"+n.Addr.String())
	return replaceSelf(append(argv, args[1:]...))
}

func inNode(_ context.Context, _ program, l *lab.Lab, args []string) error {
	n, err := node(l, args[0])
	if err != nil {
		return err
	}
	argv, err := n.ExecArgs(args[1:]...)
	if err != nil {
		return err
	}
	return replaceSelf(argv)
}

func pull(ctx context.Context, p program, l *lab.Lab, args []string) error {
	n, err := node(l, args[0])
	if err != nil {
		return err
	}
	id, err := n.CRIPull(ctx, args[1])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, id)
	return err
}

func accessLog(_ context.Context, p program, l *lab.Lab, args []string) error {
	r, err := registryOf(l, args[0])
	if err != nil {
		return err
	}
	entries, err := r.Log()
	for _, e := range entries {
		fmt.Fprintln(p.stdout, e.Time.Format("15:04:05.000"), e)
	}
	return err
}

func onRegistry(do func(context.Context, *lab.Registry) error) func(context.Context, program, *lab.Lab, []string) error {
	return func(ctx context.Context, _ program, l *lab.Lab, args []string) error {
		r, err := registryOf(l, args[0])
		if err != nil {
			return err
		}
		return do(ctx, r)
	}
}

func onNode(do func(context.Context, *lab.Node) error) func(context.Context, program, *lab.Lab, []string) error {
	return func(ctx context.Context, _ program, l *lab.Lab, args []string) error {
		n, err := node(l, args[0])
		if err != nil {
			return err
		}
		return do(ctx, n)
	}
}

func node(l *lab.Lab, name string) (*lab.Node, error) {
	if n := l.Node(name); n != nil {
		return n, nil
	}
	var names []string
	for _, n := range l.Nodes() {
		names = append(names, n.Name)
	}
	return nil, fmt.Errorf("no node %q; there are %s", name, strings.Join(names, ", "))
}

func registryOf(l *lab.Lab, name string) (*lab.Registry, error) {
	if r := l.Registry(name); r != nil {
		return r, nil
	}
	var names []string
	for _, r := range l.Registries() {
		names = append(names, r.Spec.Name)
	}
	return nil, fmt.Errorf("no registry %q; there are %s", name, strings.Join(names, ", "))
}
