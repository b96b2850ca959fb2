//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/internal/secret"
	"github.com/pullway/pullway/test/kubespray"
	"github.com/pullway/pullway/test/lab"
)

const (
	certsDir = "/etc/containerd/certs.d"
	oldImage = "old.example.com/library/test-image:latest"
	// aliased serves the registry of the lab under another name.
	aliased = `    - host: mirror.example.com
      endpoints:
        - url: http://192.168.21.9
      auth:
        username: robot$nodes
        password: {env: HARBOR_PASSWORD}
`
	aliasImage = "mirror.example.com/library/test-image:latest"
	// dockerEntry is the role's own default, and oldEntry what somebody added to it.
	dockerEntry = `  - prefix: docker.io
    mirrors:
      - host: https://registry-1.docker.io
        capabilities: [pull, resolve]
`
)

func oldEntry() string {
	return `  - prefix: old.example.com
    server: http://192.168.21.9
    mirrors:
      - host: http://192.168.21.9
        capabilities: [pull, resolve]
        header:
          Authorization: ["Basic ` + base64.StdEncoding.EncodeToString([]byte(robot+":"+secret1)) + `"]
`
}

// withHostsDir is a node's configuration with the hosts directory set.
func withHostsDir(release string) string {
	plugin := "io.containerd.grpc.v1.cri"
	if strings.HasPrefix(release, "2.") {
		plugin = "io.containerd.cri.v1.images"
	}
	return lab.DefaultContainerdConfig(release) + fmt.Sprintf("  [plugins.%q.registry]\n    config_path = %q\n", plugin, certsDir)
}

// variables writes the inventory's containerd.yml and gives the inventory.
func (o *operator) variables(list string) (inventory string) {
	o.t.Helper()
	hosts, err := os.ReadFile(o.lab.Inventory())
	if err != nil {
		o.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(o.dir, "inventory", "group_vars", "all"), 0o755); err != nil {
		o.t.Fatal(err)
	}
	o.file("inventory/group_vars/all/containerd.yml", list)
	return o.file("inventory/hosts.yaml", string(hosts))
}

// golden brings to a node what the tasks of 2.31 write for these names; like them,
// it removes nothing.
func golden(t *testing.T, n *lab.Node, names ...string) {
	t.Helper()
	template := hoststoml.Template{Server: true, OverridePath: true, Certificates: true, Header: true}
	for _, name := range names {
		r := config.Registry{Host: name, Fallback: v1alpha1.FallbackUpstream, Endpoints: []config.Endpoint{{URL: "https://registry-1.docker.io", Capabilities: []string{"pull", "resolve"}}}}
		if name != "docker.io" {
			r.Fallback, r.Endpoints[0].URL = v1alpha1.FallbackNone, harborURL
			r.Auth = &config.Auth{Username: robot, Password: secret.New(secret1), Accepts: config.AcceptsBasic}
		}
		dir := certsDir + "/" + name
		files, err := template.Render(r, dir, r.Auth != nil)
		if err != nil {
			t.Fatal(err)
		}
		sh(t, n, "mkdir -p "+dir)
		for _, f := range files {
			if err := n.WriteFile(t.Context(), dir+"/"+f.Name, f.Data, 0o640); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestStale: what Kubespray's tasks leave is still used by pulls, and seen; apply
// removes it when it was ours or when told to, and nothing else.
func TestStale(t *testing.T) {
	t.Parallel()
	t.Run("as rendered", func(t *testing.T) {
		l := up(t, lab.Cycle(2, "1.7.35", "2.2.3")...)
		for _, n := range l.Nodes() {
			if err := n.WriteFile(t.Context(), configFile, []byte(withHostsDir(n.Spec.Containerd)), 0o644); err != nil {
				t.Fatal(err)
			}
			sh(t, n, "systemctl restart containerd")
		}
		goesStale(t, l, []string{"--kubespray-version", "2.31.0"}, func(_ *operator, _ string, names ...string) {
			for _, n := range l.Nodes() {
				golden(t, n, names...)
			}
		})
	})
	t.Run("by the real tasks", func(t *testing.T) {
		repo, ok := kubespray.Find()
		if !ok {
			t.Skip(kubespray.Skipped)
		}
		tree, err := repo.Extract(t.Context(), "v2.31.0", t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		tasks, err := kubespray.NewTasks(tree)
		if err != nil {
			t.Fatal(err)
		}
		l := up(t, lab.NodeSpec{Name: "node1", Containerd: "2.2.3"})
		n := l.Nodes()[0]
		sh(t, n, `echo '{"ociVersion":"1.0.0","process":{}}' > /etc/containerd/cri-base.json`)
		sh(t, n, "mkdir -p /opt/kubespray-bin && printf '#!/bin/sh\\nexit 0\\n' > /opt/kubespray-bin/ctr && chmod +x /opt/kubespray-bin/ctr")
		goesStale(t, l, []string{"--kubespray", tree}, func(o *operator, inventory string, _ ...string) {
			out, err := tasks.On(t.Context(), l.Command, inventory, t.TempDir(), "/opt/kubespray-bin", "ANSIBLE_VAULT_PASSWORD_FILE="+filepath.Join(o.dir, "vault"), "ANSIBLE_HOST_KEY_CHECKING=0")
			if err != nil || out.Failed != "" {
				journal, _ := n.Journal(t.Context(), "containerd")
				t.Fatalf("%v, failed task %q\n%s\n%s", err, out.Failed, out.Log, journal)
			}
			if err := n.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// goesStale is the story; play brings the variables to the nodes, which name these
// host directories.
func goesStale(t *testing.T, l *lab.Lab, way []string, play func(o *operator, inventory string, names ...string)) {
	o := newAnsibleOperator(t, l)
	vault := o.file("vault", "a vault password\n")
	with := func(args ...string) []string { return append(args, way...) }
	wants := func(image string, works bool, when string) {
		t.Helper()
		for _, n := range l.Nodes() {
			if err := pull(t, n, image); (err == nil) != works {
				t.Errorf("%s: %s on %s: %v", when, image, n.Name, err)
			}
		}
	}

	inventory := o.variables("containerd_registries_mirrors:\n" + dockerEntry + oldEntry())
	o.nodes = []string{"-i", inventory}
	play(o, inventory, "docker.io", "old.example.com")
	wants(oldImage, true, "while the variables name it")
	r := o.must(0, "status", with("--exit-code")...)
	if strings.Contains(r.out, "stale:") {
		t.Errorf("stale while it is named: %s", r)
	}

	// The entry goes, and its directory stays and is used.
	inventory = o.variables("containerd_registries_mirrors:\n" + dockerEntry)
	play(o, inventory, "docker.io")
	byHand := certsDir + "/hand.example.com"
	for _, n := range l.Nodes() {
		sh(t, n, "mkdir "+byHand+" && echo 'server = \"https://hand.example.com\"' > "+byHand+"/hosts.toml")
	}
	before := served(t, l.Registry("harbor"), l.Nodes()[0], robot)
	wants(oldImage, true, "after the entry is gone")
	if now := served(t, l.Registry("harbor"), l.Nodes()[0], robot); now <= before {
		t.Error("the pull did not go by the stale directory")
	}
	says(t, o.must(3, "status", with("--exit-code")...), "stale: "+certsDir+"/old.example.com (Kubespray wrote it")
	if r := o.must(0, "status"); !strings.Contains(r.out, "kept: "+certsDir+"/old.example.com") {
		t.Errorf("without the variables: %s", r)
	}
	r = o.run(with("kubespray", "check", "-i", inventory, "--live")...)
	t.Logf("%s", r)
	if r.code != 3 || !strings.Contains(r.out, "its variables name old.example.com no more; pulls still use it") || !strings.Contains(r.out, fmt.Sprintf("%d problem", len(l.Nodes()))) {
		t.Errorf("check --live: %s", r)
	}
	k := decode[report.KubesprayCheck](t, o.run(with("kubespray", "check", "-i", inventory, "--live", "-o", "json")...))
	for _, n := range k.Live {
		if len(n.Stale) != 1 || n.Stale[0].Path != certsDir+"/old.example.com" || !n.Stale[0].InUse || n.NotLoaded != nil || n.Error != nil {
			t.Errorf("%+v", n)
		}
	}
	if len(k.Live) != len(l.Nodes()) {
		t.Errorf("%d nodes", len(k.Live))
	}

	// An apply keeps it and says so, and removes it when told to.
	file := o.file("pullway.yaml", spec(harbor, image))
	apply := with("-f", file, "--vault-password-file", vault, "--yes")
	if r := o.must(0, "plan", with("-f", file)...); !strings.Contains(r.out, "stale-host-directory") && !strings.Contains(r.out, "its variables name it no more; pulls still use it") {
		t.Errorf("the plan: %s", r)
	}
	o.must(0, "apply", apply...)
	wants(image, true, "after apply")
	wants(oldImage, true, "after an apply that was not told")
	was := allEtc(t, l)
	run := o.apply(0, file, append(with("--vault-password-file", vault), "--adopt")...)
	wants(oldImage, false, "after apply --adopt")
	for _, n := range l.Nodes() {
		sh(t, n, "test ! -e "+certsDir+"/old.example.com && test -e "+byHand+"/hosts.toml && test -e "+certsDir+"/docker.io/hosts.toml")
	}
	if r := o.run(with("kubespray", "check", "-i", inventory, "--live")...); r.code != 0 || !strings.Contains(r.out, "Variables and nodes agree.") {
		t.Errorf("afterwards: %s", r)
	}
	o.rollback(0, run.ID)
	unchanged(t, "after the rollback", was, allEtc(t, l))
	wants(oldImage, true, "after the rollback")
	o.must(0, "apply", append(apply, "--adopt")...)

	// An entry of ours that a play brought to the nodes: no manifest names its files.
	for _, n := range l.Nodes() {
		sh(t, n, "rm -r /var/lib/pullway/manifest.json /var/lib/pullway/transactions")
	}
	play(o, inventory)
	other := o.file("other.yaml", spec(aliased, aliasImage))
	if r := o.must(0, "plan", with("-f", other)...); !strings.Contains(r.out, "Pullway takes 192.168.21.9 out of Kubespray's variables") {
		t.Errorf("the plan: %s", r)
	}
	o.must(0, "apply", with("-f", other, "--vault-password-file", vault, "--yes")...)
	wants(aliasImage, true, "under the new name")
	wants(image, false, "under the name that was taken out")
	if r := o.run(with("kubespray", "check", "-i", inventory, "--live")...); r.code != 0 {
		t.Errorf("a leftover of ours: %s", r)
	}
	if text, err := os.ReadFile(filepath.Join(o.dir, "inventory/group_vars/all/containerd.yml")); err != nil || strings.Contains(string(text), "prefix: 192.168.21.9") {
		t.Errorf("the variables: %v\n%s", err, text)
	}

	// Files of ours that leave the spec go without a word of Kubespray.
	o.must(0, "apply", "-f", file, "--adopt", "--yes")
	for _, n := range l.Nodes() {
		sh(t, n, "test ! -e "+certsDir+"/mirror.example.com && test -e "+harborDir+"/hosts.toml && test -e "+byHand+"/hosts.toml")
	}
}

// TestNotLoaded: a configuration that was written and never loaded is found, apply
// restarts for it, and the pull works; also where the file kept an old time, as far
// as CRI tells.
func TestNotLoaded(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	o := newAnsibleOperator(t, l)
	file := o.file("spec.yaml", spec(harbor, image))
	tells := func(n *lab.Node) bool { return strings.HasPrefix(n.Spec.Containerd, "1.") }
	put := func(n *lab.Node, then string) {
		t.Helper()
		startedAWhileAgo(t, n)
		if err := n.WriteFile(t.Context(), configFile, []byte(withHostsDir(n.Spec.Containerd)), 0o644); err != nil {
			t.Fatal(err)
		}
		golden(t, n, "192.168.21.9")
		sh(t, n, then)
	}
	statuses := func() map[string]*plan.NotLoaded {
		all := map[string]*plan.NotLoaded{}
		for _, n := range decode[report.Status](t, o.must(0, "status", "-o", "json")).Nodes {
			all[n.Name] = n.Status.NotLoaded
		}
		return all
	}

	for name, s := range statuses() {
		if s != nil {
			t.Errorf("%s at rest: %+v", name, s)
		}
	}
	for _, n := range l.Nodes() {
		put(n, "true")
		if err := pull(t, n, image); err == nil {
			t.Errorf("%s reads what it has not loaded", n.Name)
		}
	}
	before := statuses()
	for _, n := range l.Nodes() {
		s := before[n.Name]
		if s == nil || len(s.Files) != 1 || s.Files[0].Path != configFile || !s.Files[0].Changed.After(s.Started) || s.Says != certsDir {
			t.Fatalf("%s: %+v", n.Name, s)
		}
		if s.Certain != tells(n) || (s.RunsOn != nil) != tells(n) || tells(n) && *s.RunsOn != "" {
			t.Errorf("%s: %+v", n.Name, s)
		}
	}
	r := o.must(3, "status", "--exit-code", "--all")
	t.Logf("%s", r)
	says(t, r, " not loaded: "+configFile+" written 20", "; containerd started 20")
	says(t, r, `CRI runs on config_path "", and the files say "`+certsDir+`"`)
	says(t, r, "may not be loaded: ")
	says(t, o.run("kubespray", "check", "-i", o.variables("containerd_registries_mirrors:\n"+dockerEntry), "--kubespray-version", "2.31.0", "--live"), "not loaded: ")

	restarts := pids(t, l)
	if r := o.must(0, "plan", "-f", file, "--adopt"); !strings.Contains(r.out, "without reading it") || !strings.Contains(r.out, `CRI runs on config_path ""`) {
		t.Errorf("the plan does not say why it restarts: %s", r)
	}
	run := o.apply(0, file, "--adopt")
	for _, n := range l.Nodes() {
		if pids(t, l)[n.Name] == restarts[n.Name] || !node(t, run, n.Name).Result.Restarted {
			t.Errorf("%s was not restarted", n.Name)
		}
		if err := pull(t, n, image); err != nil {
			t.Errorf("%s after apply: %v", n.Name, err)
		}
	}
	for name, s := range statuses() {
		if s != nil {
			t.Errorf("%s after apply: %+v", name, s)
		}
	}

	// The same with the time kept, as cp -p and rsync -t do.
	reset(t, l)
	o = newAnsibleOperator(t, l)
	file = o.file("spec.yaml", spec(harbor, image))
	for _, n := range l.Nodes() {
		if err := n.Await(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		put(n, "touch -d 2020-01-01 "+configFile)
	}
	before, restarts = statuses(), pids(t, l)
	for _, n := range l.Nodes() {
		o.nodes = []string{"-i", l.Inventory(), "--limit", n.Name}
		if s := before[n.Name]; !tells(n) {
			// Nothing shows it but a pull, which is tried before anything changes.
			if s != nil {
				t.Errorf("%s: %+v", n.Name, s)
			}
			says(t, o.must(1, "apply", "-f", file, "--adopt", "--yes"), "does not read the hosts directory")
			if pids(t, l)[n.Name] != restarts[n.Name] {
				t.Errorf("%s was restarted", n.Name)
			}
			continue
		} else if s == nil || !s.Certain || len(s.Files) != 0 {
			t.Fatalf("%s: %+v", n.Name, s)
		}
		says(t, o.must(3, "status", "--exit-code"), "not loaded: no file is newer")
		if !node(t, o.apply(0, file, "--adopt"), n.Name).Result.Restarted {
			t.Errorf("%s was not restarted", n.Name)
		}
		if err := pull(t, n, image); err != nil {
			t.Errorf("%s after apply: %v", n.Name, err)
		}
	}
}
