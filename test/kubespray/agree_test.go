package kubespray

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/kubespray"
	"github.com/pullway/pullway/internal/secret"
)

// registries that every line from 2.23 on can say, and more for those that can.
func registries(p kubespray.Profile) config.Desired {
	both := []string{"pull", "resolve"}
	d := config.Desired{Registries: []config.Registry{
		{Host: "192.168.21.9", Fallback: v1alpha1.FallbackNone, Endpoints: []config.Endpoint{{URL: "http://192.168.21.9", Capabilities: both}}},
		{Host: "docker.io", Fallback: v1alpha1.FallbackUpstream, Endpoints: []config.Endpoint{{URL: "https://harbor.example.com:8443", Capabilities: []string{"pull"}, InsecureSkipVerify: true}}},
		{Host: "quay.io", Fallback: v1alpha1.FallbackUpstream, Endpoints: []config.Endpoint{{URL: "https://a.example.com", Capabilities: both}, {URL: "http://b.example.com:5000", Capabilities: both}}},
	}}
	if _, ok := p.CarriesAuth(majorOf(p)); ok {
		// Base64 carries what TOML and Jinja would stumble over.
		d.Registries[0].Auth = &config.Auth{Username: "robot$nodes", Password: secret.New(`p"a\s's{{ x }}` + "\nπ")}
	}
	if p.Key("override_path") {
		d.Registries[2].Endpoints[0].URL, d.Registries[2].Endpoints[0].OverridePath = "https://a.example.com/v2/proxy", true
	}
	if p.Key("ca") {
		d.Registries[1].Endpoints[0].CA = []byte("PEM")
		d.Registries[1].Endpoints[0].Cert, d.Registries[1].Endpoints[0].Key = []byte("CERT"), secret.New("KEY")
	}
	if p.Key("header") {
		d.Registries[1].Endpoints[0].Headers = []config.Header{{Name: "X-Node", Value: secret.New("a b")}}
	}
	if p.Server {
		d.Registries = append(d.Registries, config.Registry{Host: "*", Fallback: v1alpha1.FallbackNone, Endpoints: []config.Endpoint{{URL: "https://harbor.example.com", Capabilities: both}}})
	}
	return d
}

func majorOf(p kubespray.Profile) int {
	if strings.HasPrefix(p.Containerd, "2.") {
		return 2
	}
	return 1
}

// TestTheRealTemplateAgrees lets the real tasks render the variables that we
// write, and compares each hosts.toml byte for byte with what the engine writes
// when it is told to write as this Kubespray does.
func TestTheRealTemplateAgrees(t *testing.T) {
	repo, ok := Find()
	if !ok {
		t.Skip(Skipped)
	}
	dir := t.TempDir()
	for _, tag := range tags {
		tree, err := repo.Extract(t.Context(), tag, dir)
		if err != nil {
			t.Fatal(err)
		}
		tasks, err := NewTasks(tree)
		if err != nil {
			t.Fatal(err)
		}
		if p := tasks.Profile; p.Mirrors {
			t.Run(tag, func(t *testing.T) { agree(t, tasks) })
		}
		if err := os.RemoveAll(tree); err != nil {
			t.Fatal(err)
		}
	}
}

func agree(t *testing.T, tasks Tasks) {
	p := tasks.Profile
	d := registries(p)
	r := kubespray.Render(p, d, kubespray.Target{Major: majorOf(p), ConfigDir: "/etc/containerd", Set: func(string) bool { return false }})
	if len(r.Problems) > 0 {
		t.Fatal(r.Problems)
	}
	scratch := t.TempDir()
	got, err := tasks.Local(t.Context(), inventory(t, variables(t, r)), scratch)
	if err != nil || got.Failed != "" {
		t.Fatalf("%s, %v\n%s", got.Failed, err, got.Log)
	}
	for _, reg := range d.Registries {
		name := hoststoml.DirName(reg.Host)
		files, err := p.Template().Render(reg, path.Join("/etc/containerd/certs.d", name), true)
		if err != nil {
			t.Fatal(err)
		}
		ours := files[len(files)-1]
		theirs := filepath.Join("certs.d", name, "hosts.toml")
		if d := cmp.Diff(got.Files[theirs], string(ours.Data)); d != "" {
			t.Errorf("%s: -Kubespray +ours\n%s", theirs, d)
		}
		if st, err := os.Stat(filepath.Join(scratch, "etc", theirs)); err != nil || uint32(st.Mode().Perm()) != ours.Mode {
			t.Errorf("%s: mode %v, ours is %04o (%v)", theirs, st.Mode(), ours.Mode, err)
		}
	}
	agreeOnConfig(t, tasks, d, got.Files["config.toml"])
	again, err := tasks.Local(t.Context(), inventory(t, variables(t, r)), scratch)
	if err != nil || again.Failed != "" || again.Changed > 0 || again.Restarts > 0 {
		t.Errorf("a second play: %d changed, %d restarts, %s %v", again.Changed, again.Restarts, again.Failed, err)
	}
}

// agreeOnConfig lets the real tasks render config.toml without any variable, as on
// a node that Kubespray deployed, edits that file as the engine does, and compares
// it with what the tasks render with the variables.
func agreeOnConfig(t *testing.T, tasks Tasks, d config.Desired, theirs string) {
	t.Helper()
	deployed, err := tasks.Local(t.Context(), inventory(t, ""), t.TempDir())
	if err != nil || deployed.Failed != "" {
		t.Fatalf("%s, %v\n%s", deployed.Failed, err, deployed.Log)
	}
	release, err := containerd.ParseRelease(tasks.Profile.Containerd)
	if err != nil {
		t.Fatal(err)
	}
	const root = "/etc/containerd/config.toml"
	tree, err := configtoml.Load(one{root: deployed.Files["config.toml"]}, root, release)
	if err != nil {
		t.Fatal(err)
	}
	want := configtoml.Wanted{ConfigPath: "/etc/containerd/certs.d", DropMirrors: true, DropTLS: true, AsKubespray: true}
	if !tasks.Profile.Key("header") {
		for _, reg := range d.Registries {
			if reg.Auth != nil {
				want.SetConfigAuth = append(want.SetConfigAuth, configtoml.HostAuth{Host: reg.Host, Username: reg.Auth.Username, Password: reg.Auth.Password})
			}
		}
	}
	changes, err := configtoml.Change(tree, want)
	if err != nil {
		t.Fatal(err)
	}
	ours := deployed.Files["config.toml"]
	for _, c := range changes {
		ours = string(c.After)
	}
	if d := cmp.Diff(theirs, ours); d != "" {
		t.Errorf("config.toml: -Kubespray +ours\n%s", d)
	}
}

// one is a configuration of one file, by path.
type one map[string]string

// ReadFile implements configtoml.Source.
func (o one) ReadFile(path string) ([]byte, error) {
	if text, ok := o[path]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

// Glob implements configtoml.Source.
func (o one) Glob(string) ([]string, error) { return nil, nil }

// variables are the file that a rendering gives, with its secrets in clear: what
// the vault does is tested elsewhere.
func variables(t *testing.T, r kubespray.Rendering) string {
	t.Helper()
	var out []byte
	set := func(a kubespray.Assignment) {
		var err error
		if out, err = kubespray.Set(out, a); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range r.Secrets {
		quoted, err := json.Marshal(s.Value.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		set(kubespray.Assignment{Variable: s.Name, Lines: []string{"!unsafe " + string(quoted)}})
	}
	for _, a := range r.Assignments {
		set(a)
	}
	return string(out)
}
