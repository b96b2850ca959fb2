package inventory

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Load reads the inventory at path, a file or a directory, and returns the nodes
// that run containerd: the members of k8s_cluster (made up from
// kube_control_plane, kube_node and calico_rr where the inventory leaves it to
// Kubespray), or all hosts of an inventory without Kubespray's groups.
//
// Errors about the input are *Error. Ansible programs run for at most
// Options.Timeout each and never ask for a password.
func Load(ctx context.Context, path string, opt Options) (Result, error) {
	src, err := listSources(path)
	if err != nil {
		return Result{}, err
	}
	opt = opt.withDefaults()
	own, ownErr := readBuiltIn(src)
	if program := opt.ansible(); program != "" {
		var e *Error
		if errors.As(ownErr, &e) && (e.strict || e.junk) {
			return Result{}, ownErr
		}
		a := ansible{program: program, src: src, timeout: opt.Timeout}
		v, err := a.read(ctx, own)
		switch {
		case err == nil:
			return build(ctx, v, src, opt, &a)
		case ctx.Err() != nil:
			return Result{}, ctx.Err()
		case ownErr != nil && (e == nil || !e.foreign):
			return Result{}, ownErr // it names file and line
		case ownErr != nil || !errors.Is(err, errVault):
			return Result{}, err
		}
		own.warnings = append(own.warnings, "ansible-inventory has no password for files that ansible-vault encrypted; read without it")
	}
	if ownErr != nil {
		return Result{}, ownErr
	}
	return build(ctx, own, src, opt, nil)
}

func (o Options) withDefaults() Options {
	o.Timeout = cmp.Or(o.Timeout, 60*time.Second)
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir()
	}
	if o.Env == nil {
		o.Env = os.Getenv
	}
	return o
}

// ansible returns the ansible-inventory to run, or "" for the built-in reader.
func (o Options) ansible() string {
	if o.Reader == ReaderBuiltIn {
		return ""
	}
	if o.Program != "" {
		return o.Program
	}
	program, err := exec.LookPath("ansible-inventory")
	if err != nil && o.Reader == ReaderAnsible {
		return "ansible-inventory" // running it gives the error
	}
	return program
}

// build picks the nodes of a view and reads their connection variables.
func build(ctx context.Context, v *view, src sources, opt Options, a *ansible) (Result, error) {
	res := Result{By: ByBuiltIn}
	if a != nil {
		res.By = ByAnsible
	}
	if err := v.add(regroup(v.tree)); err != nil {
		return Result{}, errorAt(src.path, 0, "%s", err)
	}
	names, err := targets(v.tree, src.path)
	if err != nil {
		return Result{}, err
	}
	all, err := v.resolve(names)
	if err != nil {
		return Result{}, err
	}
	groups := v.groupsOf()
	control, etcd := v.inside(controlGroup), v.inside(etcdGroup)
	hard := map[string]error{} // hosts that need Ansible to template
	for _, name := range names {
		n, err := nodeOf(scopeOf(name, all[name], src, opt), opt.Home)
		var e *Error
		if errors.As(err, &e) && e.foreign && a != nil {
			hard[name] = err
			err = nil
		}
		if err != nil {
			return Result{}, err
		}
		n.Groups = slices.Sorted(slices.Values(groups[name]))
		n.ControlPlane = control[name] || etcd[name]
		res.Nodes = append(res.Nodes, n)
	}
	for i := range res.Nodes {
		if len(hard) == 0 {
			break
		}
		if i == 0 {
			a.evaluate(ctx, hard, all)
		}
		n := &res.Nodes[i]
		if hard[n.Name] == nil {
			continue
		}
		done, err := nodeOf(scopeOf(n.Name, all[n.Name], src, opt), opt.Home)
		if err != nil {
			return Result{}, hard[n.Name]
		}
		done.Groups, done.ControlPlane = n.Groups, n.ControlPlane
		*n = done
	}
	res.Warnings = v.warnings
	if a == nil {
		res.Warnings = append(res.Warnings, v.passed...)
	}
	return res, nil
}

// scopeOf gives a host's variables the names that Ansible itself defines.
func scopeOf(name string, v layers, src sources, opt Options) scope {
	short, _, _ := strings.Cut(name, ".")
	magic := map[string]string{"inventory_hostname": name, "inventory_hostname_short": short}
	if dir, err := filepath.Abs(src.dir); err == nil {
		magic["inventory_dir"] = dir
	}
	return scope{host: name, vars: v, magic: magic, env: opt.Env}
}
