//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/pullway/pullway/test/kubespray"
	"github.com/pullway/pullway/test/lab"
)

// guide is the inventory of docs/kubespray.md, with what the popular guide adds.
const guide = "../docs/testdata/guide/inventory/mycluster/group_vars/all/containerd.yml"

// roleBin is where the nodes have the ctr that the role's handlers ask.
const roleBin = "/opt/kubespray-bin"

// role is one node that the real tasks of one Kubespray are run on, and the
// operator whose inventory holds that node alone.
type role struct {
	*operator
	t     *testing.T
	n     *lab.Node
	tasks kubespray.Tasks
	// inventory, and the file of variables beside it; vault holds ansible-vault's password.
	inventory, vars, vault string
	// said is all that pullway and the plays have printed.
	said []string
}

func newRole(t *testing.T, l *lab.Lab, name string, tasks kubespray.Tasks) *role {
	t.Helper()
	r := &role{operator: newAnsibleOperator(t, l), t: t, n: l.Node(name), tasks: tasks}
	r.tasks.Node = name
	all := filepath.Join(r.dir, "inventory", "group_vars", "all")
	if err := os.MkdirAll(all, 0o755); err != nil {
		t.Fatal(err)
	}
	r.inventory = r.file("inventory/hosts.yaml", alone(t, l, name))
	r.nodes = []string{"-i", r.inventory}
	r.vars, r.vault = filepath.Join(all, "containerd.yml"), r.file("vault", "a vault password\n")
	// The role writes this file in an earlier task, from what ctr says.
	sh(t, r.n, `echo '{"ociVersion":"1.0.0","process":{}}' > /etc/containerd/cri-base.json`)
	sh(t, r.n, "mkdir -p "+roleBin+" && printf '#!/bin/sh\\nexit 0\\n' > "+roleBin+"/ctr && chmod +x "+roleBin+"/ctr")
	return r
}

// alone is the lab's inventory with one node of it.
func alone(t *testing.T, l *lab.Lab, name string) string {
	t.Helper()
	b, err := os.ReadFile(l.Inventory())
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		All struct {
			Vars     map[string]string         `yaml:"vars"`
			Hosts    map[string]map[string]any `yaml:"hosts"`
			Children map[string]any            `yaml:"children"`
		} `yaml:"all"`
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	group := map[string]any{"hosts": map[string]any{name: nil}}
	for host := range doc.All.Hosts {
		if host != name {
			delete(doc.All.Hosts, host)
		}
	}
	for _, g := range []string{"kube_control_plane", "kube_node", "etcd"} {
		doc.All.Children[g] = group
	}
	out, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// set writes the file of variables.
func (r *role) set(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.vars, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// text is the file of variables.
func (r *role) text() string {
	r.t.Helper()
	b, err := os.ReadFile(r.vars)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

func (r *role) ansible() []string {
	return []string{"ANSIBLE_VAULT_PASSWORD_FILE=" + r.vault, "ANSIBLE_HOST_KEY_CHECKING=0"}
}

// anyPlay runs the real tasks to their end, whatever that is.
func (r *role) anyPlay(when string) kubespray.Outcome {
	r.t.Helper()
	out, err := r.tasks.On(r.t.Context(), r.lab.Command, r.inventory, r.t.TempDir(), roleBin, r.ansible()...)
	r.said = append(r.said, out.Log)
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", when, err, out.Log)
	}
	if err := r.n.Await(r.t.Context()); err != nil {
		r.t.Fatalf("%s: %v", when, err)
	}
	return out
}

// play is anyPlay for one that must not fail.
func (r *role) play(when string) kubespray.Outcome {
	r.t.Helper()
	out := r.anyPlay(when)
	if out.Failed != "" {
		r.t.Fatalf("%s: failed task %q\n%s", when, out.Failed, out.Log)
	}
	return out
}

// stays runs the tasks, which have to change nothing and restart nothing.
func (r *role) stays(when string) {
	r.t.Helper()
	before, pid := etc(r.t, r.n), r.pid()
	if out := r.play(when); out.Changed != 0 {
		r.t.Errorf("%s: Kubespray changed %d things: %s", when, out.Changed, out.Log)
	}
	unchanged(r.t, when, before, etc(r.t, r.n))
	if r.pid() != pid {
		r.t.Errorf("%s: Kubespray restarted containerd", when)
	}
}

func (r *role) pid() int {
	r.t.Helper()
	pid, err := r.n.ContainerdPID(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return pid
}

// pulls fails when the node cannot pull as kubelet does.
func (r *role) pulls(when, ref string) {
	r.t.Helper()
	if err := pull(r.t, r.n, ref); err != nil {
		r.t.Errorf("%s: %v", when, err)
	}
}

// pullsNot fails when the node can.
func (r *role) pullsNot(when, ref string) {
	r.t.Helper()
	if err := pull(r.t, r.n, ref); err == nil {
		r.t.Errorf("%s: %s was pulled", when, ref)
	}
}

// says runs a command line that has to end with that code.
func (r *role) says(code int, args ...string) result {
	r.t.Helper()
	out := r.run(args...)
	r.said = append(r.said, out.out+out.err)
	if out.code != code {
		r.t.Fatalf("want exit code %d: %s", code, out)
	}
	return out
}

// kubespray is a command of pullway kubespray on the inventory and the checkout.
func (r *role) kubespray(code int, command string, args ...string) result {
	r.t.Helper()
	return r.says(code, append([]string{"kubespray", command, "-i", r.inventory, "--kubespray", r.tasks.Tree}, args...)...)
}

// write has the variables written for a specification.
func (r *role) write(spec string) {
	r.t.Helper()
	r.kubespray(0, "apply", "-f", spec, "--vault-password-file", r.vault, "--yes", "--no-preflight")
}

// tells fails when anything that was printed, or the inventory, holds one of the forms.
func (r *role) tells(forms []string) {
	r.t.Helper()
	s := secrets{r.t, r.operator, slices.DeleteFunc(slices.Clone(forms), func(f string) bool { return strings.Contains(f, "\n") })}
	for _, text := range r.said {
		s.tells("what was printed", text)
	}
	s.tells("the file of variables", r.text())
	s.operator()
	journal, err := r.n.Journal(r.t.Context(), "")
	if err != nil {
		r.t.Fatal(err)
	}
	s.tells("the node's journal", journal)
}
