//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pullway/pullway/test/kubespray"
	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/registry"
)

// kubesprayCase is one release of Kubespray, on nodes whose containerd is of the
// line that it installs.
type kubesprayCase struct {
	tag, containerd string
	// pinned is what containerd_version is set to; the inventory of most sets none.
	pinned string
}

func (c kubesprayCase) name() string {
	if c.pinned == "" {
		return c.tag
	}
	return c.tag + " with containerd " + c.pinned
}

// Each way in which Kubespray has read registry variables, by one release at least.
var kubesprayCases = []kubesprayCase{
	{"v2.18.0", "1.6.20", ""},
	{"v2.20.0", "1.6.20", ""},
	{"v2.21.0", "1.6.20", ""},
	{"v2.22.2", "1.7.35", ""},
	{"v2.23.3", "1.6.20", ""},
	{"v2.24.3", "1.7.35", ""},
	{"v2.25.1", "1.7.35", ""},
	{"v2.26.1", "1.7.35", ""},
	{"v2.27.1", "1.7.35", ""},
	{"v2.28.1", "2.2.3", ""},
	{"v2.28.1", "1.7.35", "1.7.35"},
	{"v2.29.1", "2.2.3", ""},
	{"v2.30.0", "2.2.3", ""},
	{"v2.31.0", "2.2.3", ""},
}

// open is a registry that asks for no credential, and its image: what 2.28 can
// have, which carries none.
const (
	open      = "    - host: 192.168.21.6\n      endpoints:\n        - url: http://192.168.21.6\n"
	openImage = "192.168.21.6/library/test-image:latest"
)

// TestKubesprayReleases runs the real registry tasks of each release on real nodes:
// what the guide's variables do, what rendered ones do, whether a change by the
// fast way is one that the role finds done, what a killed play leaves and who puts
// it right, and whether a credential of odd letters comes through.
func TestKubesprayReleases(t *testing.T) {
	t.Parallel()
	repo, ok := kubespray.Find()
	if !ok {
		t.Skip(kubespray.Skipped)
	}
	for _, c := range kubesprayCases {
		t.Run(c.name(), func(t *testing.T) {
			commit, err := repo.Commit(t.Context(), c.tag)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := repo.Extract(t.Context(), c.tag, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			tasks, err := kubespray.NewTasks(tree)
			if err != nil {
				t.Fatal(err)
			}
			k := newKubesprayRelease(t, c, tasks)
			ansible, err := kubespray.AnsibleCore()
			if err != nil {
				t.Fatal(err)
			}
			row := kubespray.NodeRow{Release: c.tag[1:], Commit: commit, Ansible: ansible, Containerd: c.containerd, Pinned: c.pinned != ""}
			for _, part := range []struct {
				name string
				cell *string
				run  func(*testing.T) string
			}{
				{"the guide's variables", &row.Guide, k.guide},
				{"the fast way", &row.Fast, k.fastWay},
				{"rendered variables", &row.Rendered, k.rendered},
				{"a play killed half way", &row.Killed, k.killed},
				{"an odd credential", &row.Odd, k.odd},
			} {
				t.Run(part.name, func(t *testing.T) { *part.cell = part.run(t) })
			}
			if t.Failed() || !row.Whole() {
				return
			}
			if err := row.Keep(); err != nil {
				t.Error(err)
			}
		})
	}
}

// kubesprayRelease is one release on its nodes.
type kubesprayRelease struct {
	kubesprayCase
	l     *lab.Lab
	tasks kubespray.Tasks
	// carries tells that this release gives its containerd a credential.
	carries bool
	// given is what the inventory's file of variables holds at first.
	given string
}

func newKubesprayRelease(t *testing.T, c kubesprayCase, tasks kubespray.Tasks) *kubesprayRelease {
	t.Helper()
	k := &kubesprayRelease{kubesprayCase: c, tasks: tasks}
	registries := append(lab.DefaultRegistries(), registry.Spec{Name: "open", Addr: "192.168.21.6:80", Auth: registry.AuthNone})
	k.l = upWith(t, lab.Config{Nodes: lab.Cycle(3, c.containerd), Registries: registries})
	_, k.carries = tasks.Profile.CarriesAuth(major(c.containerd))
	if c.pinned != "" {
		k.given = "containerd_version: " + c.pinned + "\n"
	}
	return k
}

func major(release string) int { return int(release[0] - '0') }

// wants is the specification of a release, and the image that proves it.
func (k *kubesprayRelease) wants() (spec1, ref string) {
	if k.carries {
		return spec(harbor, image), image
	}
	return spec(open, openImage), openImage
}

// on is a node as this Kubespray deployed it, without any variable about registries.
func (k *kubesprayRelease) on(t *testing.T, name string) *role {
	t.Helper()
	r := newRole(t, k.l, name, k.tasks)
	r.set(k.given)
	if first := r.play("deployed"); first.Changed == 0 {
		t.Fatalf("the role wrote nothing: %s", first.Log)
	}
	return r
}

// guide: the popular guide's variables, on a node that the release deployed.
func (k *kubesprayRelease) guide(t *testing.T) string {
	r := k.on(t, "node1")
	before, pid := etc(t, r.n), r.pid()
	r.set(guideVariables(t) + k.given)
	said := r.kubespray(3, "check")
	out := r.anyPlay("the guide's variables")
	r.pullsNot("the guide's variables", image)
	switch {
	case strings.Contains(said.out, "fails the play: containerd_insecure_registries"):
		if out.Failed != k.tasks.ConfigTask() {
			t.Errorf("check says that the play fails, and it failed at %q", out.Failed)
		}
		unchanged(t, "a play that failed", before, etc(t, r.n))
		k.refusesBeside(r)
		return "the play fails"
	case strings.Contains(said.out, "breaks the node: containerd_insecure_registries"):
		if out.Failed != "" || out.Changed == 0 {
			t.Errorf("check says that something useless is written: failed %q, %d changed", out.Failed, out.Changed)
		}
		k.refusesBeside(r)
		return "written, no pull"
	}
	if out.Failed != "" || out.Changed != 0 || r.pid() != pid {
		t.Errorf("check says that all three are ignored: failed %q, %d changed", out.Failed, out.Changed)
	}
	unchanged(t, "the guide's variables", before, etc(t, r.n))
	return "ignored"
}

// refusesBeside: nothing is written beside a variable that undoes it.
func (k *kubesprayRelease) refusesBeside(r *role) {
	r.t.Helper()
	before := r.text()
	text, _ := k.wants()
	says(r.t, r.kubespray(1, "apply", "-f", r.file("pullway.yaml", text), "--vault-password-file", r.vault, "--yes", "--no-preflight"), "refused: containerd_insecure_registries")
	if r.text() != before {
		r.t.Error("variables were written all the same")
	}
}

// rendered: what pullway kubespray apply writes makes the role make the pull work.
func (k *kubesprayRelease) rendered(t *testing.T) string {
	r := k.on(t, "node2")
	if !k.carries {
		k.refuses(t, r)
	}
	text, ref := k.wants()
	r.write(r.file("pullway.yaml", text))
	pid := r.pid()
	if out := r.play("rendered variables"); out.Changed == 0 {
		t.Errorf("the role wrote nothing: %s", out.Log)
	}
	r.pulls("rendered variables", ref)
	cell := "pull works"
	if r.pid() == pid {
		cell += ", no restart"
	} else {
		cell += ", one restart"
	}
	r.stays("a second play")
	if !k.carries {
		cell += "; credentials refused"
	}
	return cell
}

// refuses: a release that has no variable for a credential says so, and what works.
func (k *kubesprayRelease) refuses(t *testing.T, r *role) {
	t.Helper()
	before := r.text()
	said := r.kubespray(1, "apply", "-f", r.file("pullway.yaml", spec(harbor, image)), "--vault-password-file", r.vault, "--yes", "--no-preflight")
	says(t, said, "no variable that gives its containerd a credential")
	for _, way := range []string{"image pull secrets", "2.29", "pullway apply"} {
		says(t, said, way)
	}
	if r.text() != before {
		t.Error("variables were written all the same")
	}
}

// killed: a play is killed between writing config.toml and restarting containerd.
// The next play finds nothing to restart for; Pullway finds it and puts it right.
func (k *kubesprayRelease) killed(t *testing.T) string {
	r := newRole(t, k.l, "node3", k.tasks)
	r.set(k.given)
	text, ref := k.wants()
	file := r.file("pullway.yaml", text)
	r.write(file)
	pid := r.pid()
	startedAWhileAgo(t, r.n)
	log, err := r.tasks.OnKilled(t.Context(), k.l.Command, r.inventory, t.TempDir(), roleBin, r.ansible()...)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	again := r.play("after the killed play")
	if again.Changed > 0 && !k.tasks.Profile.Mirrors || r.pid() != pid {
		t.Errorf("the second play restarted containerd, or changed config.toml anew: %s", again.Log)
	}
	r.pullsNot("a green play after the killed one", ref)
	if out := r.says(0, "status", "-i", r.inventory); !strings.Contains(out.out, "loaded: /etc/containerd/config.toml written") {
		t.Errorf("status does not say that config.toml is not loaded: %s", out)
	}
	way, vault := []string{"-i", r.inventory, "-f", file}, []string{"--yes"}
	if k.tasks.Profile.Mirrors {
		way, vault = append(way, "--kubespray", k.tasks.Tree), append(vault, "--vault-password-file", r.vault)
	}
	if out := r.says(3, append([]string{"plan", "--exit-code"}, way...)...); !strings.Contains(out.out, "restart") {
		t.Errorf("the plan does not say that containerd restarts: %s", out)
	}
	r.says(0, append([]string{"apply"}, append(way, vault...)...)...)
	r.pulls("after apply", ref)
	if k.tasks.Profile.Mirrors {
		r.stays("after apply")
		return "repaired, then 0 changed"
	}
	if out := r.play("after apply"); out.Changed == 0 {
		t.Error("the role left our form of config.toml alone")
	}
	r.pulls("after apply and the role", ref)
	r.stays("the role again")
	return "repaired, then its own form"
}

// odd: a credential of letters that YAML, Jinja, TOML and a shell stumble over.
func (k *kubesprayRelease) odd(t *testing.T) string {
	if !k.carries {
		return "refused, as every credential"
	}
	user, lines := `ro"b\o't{{ x }}$n`, []string{`zQ7"un\mis'tak{{ able }}`, `%}second-"line'\+Xy2`}
	password := strings.Join(lines, "\n")
	if err := k.l.Registry(lab.Harbor).SetPassword(user, password); err != nil {
		t.Fatal(err)
	}
	r := newRole(t, k.l, "node2", k.tasks)
	r.set(k.given)
	r.env["HARBOR_PASSWORD"] = password
	named := strings.Replace(harbor, "robot$nodes", fmt.Sprintf("%q", user), 1)
	r.write(r.file("pullway.yaml", spec(named, image)))
	r.kubespray(0, "check")
	r.play("an odd credential")
	r.pulls("an odd credential", image)
	if served(t, k.l.Registry(lab.Harbor), r.n, user) == 0 {
		t.Error("the registry did not see the node with that credential")
	}
	r.stays("a second play")
	r.tells(append(append(formsOf(user, password), formsOf(user, lines[0])...), formsOf(user, lines[1])...))
	return "pull works"
}
