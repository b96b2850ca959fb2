//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullway/pullway/test/kubespray"
	"github.com/pullway/pullway/test/lab"
)

// TestKubesprayRuns: kubespray apply --run on nodes that Kubespray wrote. A wave
// that fails its proof leaves variables and node files byte for byte as they were;
// a good one makes pulls work; rollback undoes it, variables included.
//
// The whole of cluster.yml needs downloads and a cluster: a small playbook stands
// for it, with the real role from its registry tasks on, under its tag, with its
// handlers, in the real checkout with its ansible.cfg.
func TestKubesprayRuns(t *testing.T) {
	t.Parallel()
	repo, ok := kubespray.Find()
	if !ok {
		t.Skip(kubespray.Skipped)
	}
	for _, c := range []struct{ tag, containerd string }{{"v2.20.0", "1.6.20"}, {"v2.23.3", "1.6.20"}, {"v2.27.1", "1.7.35"}, {"v2.31.0", "2.2.3"}} {
		t.Run(c.tag, func(t *testing.T) {
			k := newKubesprayRun(t, repo, c.tag, c.containerd)
			k.fails()
			k.works()
		})
	}
}

// kubesprayRun is a cluster of two nodes as a checkout of Kubespray wrote them with
// the guide's variables, or without any where those fail.
type kubesprayRun struct {
	*operator
	t     *testing.T
	lab   *lab.Lab
	tasks kubespray.Tasks
	// vars is the file of variables, and guide its content.
	vars, guide string
	// args of kubespray apply --run, and words of ansible-playbook.
	args, words []string
}

func newKubesprayRun(t *testing.T, repo kubespray.Repository, tag, release string) *kubesprayRun {
	tree, err := repo.Extract(t.Context(), tag, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := kubespray.NewTasks(tree)
	if err != nil {
		t.Fatal(err)
	}
	l := up(t, lab.NodeSpec{Name: "node1", Containerd: release}, lab.NodeSpec{Name: "node2", Containerd: release})
	k := &kubesprayRun{operator: newAnsibleOperator(t, l), t: t, lab: l, tasks: tasks}
	name, value, _ := strings.Cut(kubespray.OwnConnections, "=")
	k.env[name] = value
	hosts, err := os.ReadFile(l.Inventory())
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(k.dir, "inventory", "group_vars", "all"), 0o755); err != nil {
		t.Fatal(err)
	}
	inventory := k.file("inventory/hosts.yaml", string(hosts))
	if k.guide = string(b); !tasks.Profile.Mirrors {
		k.guide = "---\n# The guide's variables would fail this play.\n"
	}
	k.vars = k.file("inventory/group_vars/all/containerd.yml", k.guide)
	k.nodes = []string{"-i", inventory}
	playbook := fmt.Sprintf(`- hosts: k8s_cluster
  gather_facts: false
  any_errors_fatal: true
  vars: {containerd_bin_dir: /opt/kubespray-bin, ansible_service_mgr: systemd, containerd_default_base_runtime_spec: {}}
  roles: [%s, {role: container-engine/containerd, tags: [containerd]}]
`, tasks.Profile.DefaultsRole)
	if err := os.WriteFile(filepath.Join(tree, "cluster.yml"), []byte(playbook), 0o644); err != nil {
		t.Fatal(err)
	}
	k.words = []string{"--start-at-task", tasks.Profile.RolePrefix + " | Copy containerd config file"}
	k.args = []string{"apply", "-f", k.file("pullway.yaml", spec(harbor, image)), "--kubespray", tree,
		"--vault-password-file", k.file("vault", "a vault password\n"), "--run", "--yes"}
	for _, n := range l.Nodes() {
		// The role writes this file in an earlier task, from what ctr says.
		sh(t, n, `echo '{"ociVersion":"1.0.0","process":{}}' > /etc/containerd/cri-base.json`)
		sh(t, n, "mkdir -p /opt/kubespray-bin && printf '#!/bin/sh\\nexit 0\\n' > /opt/kubespray-bin/ctr && chmod +x /opt/kubespray-bin/ctr")
	}
	// Kubespray alone, with the guide's variables.
	cmd := l.Command(t.Context(), "ansible-playbook", append([]string{"-i", inventory, "cluster.yml", "-b", "--tags=containerd"}, k.words...)...)
	cmd.Dir, cmd.Env = tree, append(os.Environ(), kubespray.OwnConnections)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), "changed: [node") < 2 {
		t.Fatalf("Kubespray alone: %v\n%s", err, out)
	}
	for _, n := range l.Nodes() {
		if err := n.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := pull(t, n, image); err == nil {
			t.Fatal("the guide's variables took effect")
		}
	}
	return k
}

// apply is kubespray apply --run, which has to end with that code.
func (k *kubesprayRun) apply(code int, more ...string) result {
	k.t.Helper()
	return k.must(code, "kubespray", append(append(append([]string{}, k.args...), more...), append([]string{"--"}, k.words...)...)...)
}

// tells fails when a result does not say something.
func (k *kubesprayRun) tells(r result, what string) {
	k.t.Helper()
	if !strings.Contains(r.out+r.err, what) {
		k.t.Errorf("does not say %q: %s", what, r)
	}
}

// asBefore compares variables and node files with what they were.
func (k *kubesprayRun) asBefore(when string, before map[string]tree) {
	k.t.Helper()
	unchanged(k.t, when, before, allEtc(k.t, k.lab))
	if text, err := os.ReadFile(k.vars); err != nil || string(text) != k.guide {
		k.t.Errorf("%s: the variables: %v\n%s", when, err, text)
	}
	beside, err := os.ReadDir(filepath.Dir(k.vars))
	if err != nil || len(beside) != 1 {
		k.t.Errorf("%s: beside the variables: %v, %v", when, beside, err)
	}
	for _, n := range k.lab.Nodes() {
		clean(k.t, n)
		healthy(k.t, n)
	}
}

func (k *kubesprayRun) fails() {
	k.t.Helper()
	before := allEtc(k.t, k.lab)
	k.env["HARBOR_PASSWORD"] = "an-old-password"
	r := k.apply(4, "--no-preflight")
	k.env["HARBOR_PASSWORD"] = secret1
	k.tells(r, "the variables of Kubespray are as they were")
	k.tells(r, "canary: node2")
	if strings.Contains(r.out+r.err, "an-old-password") {
		k.t.Error("the password was told")
	}
	k.asBefore("after a wave that failed its proof", before)
}

func (k *kubesprayRun) works() {
	k.t.Helper()
	before := allEtc(k.t, k.lab)
	r := k.apply(0)
	k.t.Logf("%s", r)
	for _, n := range k.lab.Nodes() {
		if err := pull(k.t, n, image); err != nil {
			k.t.Errorf("%s after the run: %v", n.Name, err)
		}
		clean(k.t, n)
	}
	if k.tasks.Profile.Mirrors {
		k.must(0, "verify", "-f", filepath.Join(k.dir, "pullway.yaml"))
	}
	k.tells(k.run("history"), "kubespray apply")
	if !k.tasks.Profile.Mirrors {
		// There an image proves nothing that is on the node.
		k.tells(k.apply(4), "the node has this image, so a pull would prove nothing")
		for _, n := range k.lab.Nodes() {
			if err := n.CRIRemove(k.t.Context(), image); err != nil {
				k.t.Fatal(err)
			}
		}
	}
	// Once more there is nothing that could be undone.
	k.tells(k.apply(0), "as desired already")
	undone := k.must(0, "rollback", "last", "--yes")
	k.tells(undone, "the variables of Kubespray are as they were")
	k.asBefore("after the rollback", before)
}

// TestKubesprayRunIsCut: two Ctrl-C interrupt the play and put everything back; one
// lets the wave end, and a killed pullway leaves a run that the same command goes on
// with and that rollback undoes as one.
func TestKubesprayRunIsCut(t *testing.T) {
	t.Parallel()
	repo, ok := kubespray.Find()
	if !ok {
		t.Skip(kubespray.Skipped)
	}
	k := newKubesprayRun(t, repo, "v2.27.1", "1.7.35")
	before := allEtc(t, k.lab)
	inMidPlay := func() *running {
		r := k.start(nil, "kubespray", append(append(append([]string{}, k.args...), "--"), k.words...)...)
		r.says("node2: changed by task", "Copy containerd config file")
		return r
	}

	r := inMidPlay()
	r.signal(os.Interrupt)
	r.says("stopping after the nodes in flight")
	r.signal(os.Interrupt)
	got := r.end()
	if got.code != 4 {
		t.Fatalf("exit code, want 4: %s", got)
	}
	k.tells(got, "the variables of Kubespray are as they were")
	k.asBefore("after two Ctrl-C", before)

	r = inMidPlay()
	r.signal(os.Interrupt)
	if got := r.end(); got.code != 6 {
		t.Fatalf("exit code, want 6: %s", got)
	}
	k.tells(k.apply(0), "resuming run")
	k.must(0, "rollback", "last", "--yes")
	k.asBefore("after one Ctrl-C, going on and a rollback", before)

	r = inMidPlay()
	r.signal(os.Kill)
	_ = r.end()
	if text, err := os.ReadFile(k.vars); err != nil || string(text) == k.guide {
		t.Errorf("the variables of a killed run: %v", err)
	}
	k.tells(k.run("history"), "not ended")
	again := k.apply(0)
	k.tells(again, "resuming run")
	k.tells(again, "looked at node2")
	for _, n := range k.lab.Nodes() {
		if err := pull(t, n, image); err != nil {
			t.Errorf("%s after the run: %v", n.Name, err)
		}
	}
	k.must(0, "rollback", "last", "--yes")
	k.asBefore("after a kill, going on and a rollback", before)
}
