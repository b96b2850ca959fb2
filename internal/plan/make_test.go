package plan

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files anew")

const password = "Harbor12345"

// memory is a node's files.
type memory map[string]string

func (m memory) ReadFile(p string) ([]byte, error) {
	s, ok := m[p]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(s), nil
}

func (m memory) Glob(pattern string) (all []string, err error) {
	for p := range m {
		if ok, err := path.Match(pattern, p); err != nil {
			return nil, err
		} else if ok {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all, nil
}

// observe makes what a healthy node with these files is seen as.
func observe(t testing.TB, release string, files memory) Observed {
	t.Helper()
	return observeOwned(t, release, files, Manifest{})
}

// observeOwned is observe for a node on which these files are ours.
func observeOwned(t testing.TB, release string, files memory, m Manifest) Observed {
	t.Helper()
	rel, err := containerd.ParseRelease(release)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := configtoml.Load(files, containerd.DefaultConfigFile, rel)
	if err != nil {
		t.Fatal(err)
	}
	o := Observed{Hostname: "node1", Running: true, Healthy: true, Release: rel, ConfigFile: containerd.DefaultConfigFile,
		Distribution: containerd.Distribution{Name: "plain", Editable: true}, Unit: "containerd.service", KillMode: "process",
		Tree: tree, Manifest: m, HostsDir: HostsDir(tree, m), Started: time.Unix(1000, 0),
		ConfigModes: map[string]uint32{}, ConfigTimes: map[string]time.Time{}}
	for _, f := range tree.Files {
		o.ConfigModes[f.Path], o.ConfigTimes[f.Path] = 0o644, time.Unix(500, 0)
	}
	dirs := map[string]*HostDir{}
	for p, s := range files {
		dir, name := path.Split(p)
		host := path.Base(dir)
		if path.Dir(path.Clean(dir)) != o.HostsDir {
			continue
		}
		if dirs[host] == nil {
			dirs[host] = &HostDir{Name: host, Kind: "dir"}
		}
		dirs[host].Files = append(dirs[host].Files, HostFile{Name: name, Mode: 0o600, Data: []byte(s)})
	}
	for _, name := range sortedKeys(dirs) {
		slices.SortFunc(dirs[name].Files, func(a, b HostFile) int { return strings.Compare(a.Name, b.Name) })
		o.Hosts = append(o.Hosts, *dirs[name])
	}
	return o
}

func harbor() config.Desired {
	return config.Desired{Name: "default", VerifyImages: []string{"192.168.21.9/library/test-image:latest"}, Registries: []config.Registry{{
		Host: "192.168.21.9", Fallback: v1alpha1.FallbackNone,
		Endpoints: []config.Endpoint{{URL: "http://192.168.21.9", Capabilities: []string{"pull", "resolve"}}},
		Auth:      &config.Auth{Username: "admin", Password: secret.New(password), Delivery: v1alpha1.DeliveryAuto, Accepts: config.AcceptsBasic},
	}}}
}

const (
	v2cri  = `[plugins."io.containerd.grpc.v1.cri"`
	onPath = "version = 2\n" + v2cri + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"
)

func TestMake(t *testing.T) {
	legacy := "version = 2\n# keep me\n" + v2cri + ".registry.mirrors.\"docker.io\"]\n  endpoint = [\"https://mirror.example.com\"]\n" +
		v2cri + ".registry.configs.\"r.example.com\".tls]\n  insecure_skip_verify = true\n[metrics]\n  address = \"127.0.0.1:1338\"\n"
	tokenOnly := harbor()
	tokenOnly.Registries[0].Auth.Accepts = config.AcceptsToken
	cases := []struct {
		name, release string
		files         memory
		desired       config.Desired
		change        func(*Observed)
		opt           Options
	}{
		{name: "fresh-1.6.20", release: "1.6.20", files: memory{}, desired: harbor()},
		{name: "fresh-2.4.2", release: "2.4.2", files: memory{}, desired: harbor()},
		{name: "certs-only", release: "1.7.35", files: memory{"/etc/containerd/config.toml": onPath}, desired: harbor()},
		{name: "legacy-1.7.35", release: "1.7.35", files: memory{"/etc/containerd/config.toml": legacy}, desired: harbor()},
		{name: "cri-delivery-1.7.35", release: "1.7.35", files: memory{"/etc/containerd/config.toml": onPath}, desired: tokenOnly},
		{name: "foreign-refused", release: "2.4.2", files: memory{"/etc/containerd/certs.d/192.168.21.9/hosts.toml": "# by hand\n"}, desired: harbor()},
		{name: "foreign-adopted", release: "2.4.2", files: memory{"/etc/containerd/certs.d/192.168.21.9/hosts.toml": "# by hand\n"}, desired: harbor(), opt: Options{Adopt: true}},
		{name: "colon-pair-2.2.3", release: "2.2.3", files: memory{"/etc/containerd/config.toml": "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/certs.d:/etc/docker/certs.d'\n"}, desired: harbor()},
		{name: "mirrors-and-config-path", release: "1.7.35", files: memory{"/etc/containerd/config.toml": onPath + v2cri + ".registry.mirrors.x]\nendpoint = ['http://x']\n"}, desired: harbor(),
			change: func(o *Observed) { o.Healthy, o.Health = false, "CRI is missing" }},
		{name: "k3s", release: "1.7.35", files: memory{}, desired: harbor(), change: func(o *Observed) {
			o.Distribution = containerd.Recognise("/var/lib/rancher/k3s/data/current/bin/containerd", "/var/lib/rancher/k3s/agent/etc/containerd/config.toml", "", nil)
		}},
		{name: "kill-mode", release: "1.7.35", files: memory{}, desired: harbor(), change: func(o *Observed) { o.KillMode = "control-group" }},
		{name: "recreates-pods", release: "1.6.10", files: memory{}, desired: harbor()},
		{name: "syntax-error", release: "1.7.35", files: memory{"/etc/containerd/config.toml": "version = 2\n[plugins\n"}, desired: harbor()},
		{name: "symlinked-config", release: "1.7.35", files: memory{"/etc/containerd/config.toml": onPath}, desired: harbor(),
			change: func(o *Observed) { o.ConfigLinks = map[string]string{"/etc/containerd/config.toml": "/opt/c.toml"} }},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			o := observe(t, tc.release, tc.files)
			if tc.change != nil {
				tc.change(&o)
			}
			made := Make(o, tc.desired, tc.opt)
			text := show(made)
			for _, s := range []string{password, "YWRtaW46"} {
				if strings.Contains(text, s) {
					t.Errorf("the plan shows the secret %q", s)
				}
			}
			golden := filepath.Join("testdata", tc.name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text); diff != "" {
				t.Error(diff)
			}
			if again := Make(o, tc.desired, tc.opt); again.Node.Fingerprint != made.Node.Fingerprint {
				t.Error("the same input has two fingerprints")
			}
		})
	}
}

// show writes a plan for reading: hashes and fingerprints left out.
func show(m Made) string {
	n := m.Node
	n.Fingerprint = ""
	var b strings.Builder
	for i := range n.Changes {
		n.Changes[i].Before, n.Changes[i].After = "", ""
	}
	changes := n.Changes
	n.Changes = nil
	j, _ := json.MarshalIndent(n, "", " ")
	b.Write(append(j, '\n'))
	for _, c := range changes {
		fmt.Fprintf(&b, "%s %s %04o %s (%s)\n%s", c.Action, c.Path, c.Mode, c.Reason, c.Effect, c.Diff)
	}
	for _, f := range m.Manifest.Files {
		fmt.Fprintf(&b, "owns %s %04o migrated=%v\n", f.Path, f.Mode, f.Migrated)
	}
	fmt.Fprintf(&b, "cri auth %v\n", m.Manifest.CRIAuth)
	return b.String()
}

// apply carries a plan out on the files in memory.
func apply(files memory, m Made) {
	for _, c := range m.Node.Changes {
		if c.Action == Delete {
			delete(files, c.Path)
			continue
		}
		files[c.Path] = string(c.Content)
	}
}

func again(t *testing.T, release string, files memory, before Made) Observed {
	t.Helper()
	o := observeOwned(t, release, files, before.Manifest)
	for _, f := range before.Manifest.Config {
		o.ConfigModes[f.Path] = f.Mode
	}
	for i := range o.Hosts {
		for j := range o.Hosts[i].Files {
			if owned := before.Manifest.file(path.Join(o.HostsDir, o.Hosts[i].Name, o.Hosts[i].Files[j].Name)); owned != nil {
				o.Hosts[i].Files[j].Mode = owned.Mode
			}
		}
	}
	return o
}

func TestASecondPlanHasNothingToDo(t *testing.T) {
	for _, release := range []string{"1.6.20", "1.7.35", "2.0.5", "2.2.3", "2.4.2"} {
		files := memory{"/etc/containerd/config.toml": "version = 2\n" + v2cri + ".registry.mirrors.\"docker.io\"]\n  endpoint = [\"https://mirror.example.com\"]\n"}
		first := Make(observe(t, release, files), harbor(), Options{})
		if !first.Node.CanApply() {
			t.Fatalf("%s: %+v", release, first.Node.Problems)
		}
		apply(files, first)
		if second := Make(again(t, release, files, first), harbor(), Options{}); !second.Node.NothingToDo() {
			t.Errorf("%s: a second plan: %s", release, show(second))
		}
	}
}

func TestAChangedPasswordRestartsNothing(t *testing.T) {
	files := memory{}
	first := Make(observe(t, "1.7.35", files), harbor(), Options{})
	apply(files, first)
	d := harbor()
	d.Registries[0].Auth.Password = secret.New("another")
	second := Make(again(t, "1.7.35", files, first), d, Options{})
	if second.Node.Restart.Needed || len(second.Node.Changes) != 1 || second.Node.Changes[0].Diff != secretChanges {
		t.Errorf("%s", show(second))
	}
	if second.Node.Fingerprint == first.Node.Fingerprint {
		t.Error("a changed password leaves the fingerprint as it was")
	}
}

func TestARemovedRegistryGoesAndForeignOnesStay(t *testing.T) {
	files := memory{"/etc/containerd/certs.d/theirs.example.com/hosts.toml": "# theirs\n"}
	first := Make(observe(t, "1.7.35", files), harbor(), Options{})
	apply(files, first)
	empty := config.Desired{Name: "default"}
	second := Make(again(t, "1.7.35", files, first), empty, Options{})
	if len(second.Node.Changes) != 1 || second.Node.Changes[0].Action != Delete || second.Node.Restart.Needed {
		t.Fatalf("%s", show(second))
	}
	files["/etc/containerd/certs.d/192.168.21.9/hosts.toml"] += "# edited\n"
	o := again(t, "1.7.35", files, first)
	if third := Make(o, empty, Options{}); len(third.Node.Problems) != 1 || third.Node.Problems[0].ID != "drift" {
		t.Errorf("an edited file must not be deleted: %s", show(third))
	}
}

func TestMigratedDirectoriesStay(t *testing.T) {
	files := memory{"/etc/containerd/config.toml": "version = 2\n" + v2cri + ".registry.mirrors.\"docker.io\"]\n  endpoint = [\"https://mirror.example.com\"]\n"}
	first := Make(observe(t, "1.7.35", files), harbor(), Options{})
	apply(files, first)
	second := Make(again(t, "1.7.35", files, first), harbor(), Options{})
	kept := "/etc/containerd/certs.d/docker.io/hosts.toml"
	if o := second.Manifest.file(kept); o == nil || !o.Migrated {
		t.Errorf("%s is not owned as migrated any more", kept)
	}
}

func FuzzMaskConfig(f *testing.F) {
	f.Add("password", "x.auth = \"", "\"\n")
	f.Add("s3cret", "password = '", "'")
	f.Add("s3cret", "[a.headers]\nX-Key = [\"", "\"]")
	f.Fuzz(func(t *testing.T, word, before, after string) {
		MaskConfig([]byte(before + word + after)) // never panics, whatever it is given
		if len(word) < 4 || strings.ContainsAny(word, "\"'\\\n\r*=[]{}#") {
			return
		}
		for _, key := range []string{"password", "  auth", `"identitytoken"`, "a.b.password", "authorization"} {
			line := key + " = \"" + word + "\"\n"
			if got := string(MaskConfig([]byte("[x]\n" + line))); strings.Contains(got, word) && !strings.Contains("[x]\n"+key, word) {
				t.Fatalf("%q is masked to %q", line, got)
			}
		}
	})
}
