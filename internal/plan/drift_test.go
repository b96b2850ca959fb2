package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

const (
	rootFile  = "/etc/containerd/config.toml"
	hostsToml = "/etc/containerd/certs.d/192.168.21.9/hosts.toml"
)

var driftKey = []byte("a key of this node")

// wired is a node after a first apply of the desired state, and what was made.
func wired(t *testing.T, release string, files memory, d config.Desired) Made {
	t.Helper()
	made := Make(observe(t, release, files), d, Options{Key: driftKey})
	if len(made.Node.Problems) > 0 {
		t.Fatal(show(made))
	}
	apply(files, made)
	return made
}

// byConfig is harbor with a credential that goes into config.toml.
func byConfig() config.Desired {
	d := harbor()
	d.Registries[0].Auth.Accepts = config.AcceptsToken
	return d
}

func stateOf(t *testing.T, o Observed, path string) FileState {
	t.Helper()
	for _, s := range FileStates(o, driftKey) {
		if s.Path == path {
			return s
		}
	}
	t.Fatalf("%s has no state", path)
	return FileState{}
}

// driftCase is something that happens to a wired node of 1.7.35.
type driftCase struct {
	name string
	// auth asks for a credential in config.toml.
	auth  bool
	files func(memory)
	see   func(*Observed)
	path  string
	state string
	by    string
	text  string
	// plan says what a plan without flags does: "nothing", "changes" or "refused".
	plan string
	// overwrite says what one with --overwrite does.
	overwrite string
}

func driftCases() []driftCase {
	host := func(o *Observed) *HostDir { return find(o.Hosts, "192.168.21.9") }
	replace := func(old, by string) func(memory) {
		return func(m memory) { m[rootFile] = strings.ReplaceAll(m[rootFile], old, by) }
	}
	return []driftCase{
		{name: "nothing", path: hostsToml, state: AsWritten, plan: "nothing", overwrite: "nothing"},
		{name: "nothing in config.toml", path: rootFile, state: AsWritten, plan: "nothing", overwrite: "nothing"},
		{name: "edited by hand", files: func(m memory) { m[hostsToml] += "# a note\n" }, path: hostsToml, state: Changed, text: "edited in place", plan: "refused", overwrite: "changes"},
		{name: "written anew by hand", files: func(m memory) { m[hostsToml] = "server = \"http://other\"\n" }, path: hostsToml, state: Changed, plan: "refused", overwrite: "changes"},
		{name: "by Kubespray", files: func(m memory) { m[hostsToml] = kubesprayToml }, path: hostsToml, state: Changed, by: "kubespray", plan: "refused", overwrite: "changes"},
		{name: "by Spegel", files: func(m memory) { m[hostsToml] = spegelToml }, path: hostsToml, state: Changed, by: "spegel", plan: "refused", overwrite: "changes"},
		{name: "deleted", files: func(m memory) { delete(m, hostsToml) }, path: hostsToml, state: Gone, plan: "refused", overwrite: "changes"},
		{name: "deleted, with something else left", files: func(m memory) { delete(m, hostsToml); m["/etc/containerd/certs.d/192.168.21.9/x"] = "" }, path: hostsToml, state: Gone, plan: "refused", overwrite: "changes"},
		{name: "moved away by Spegel", files: func(m memory) { delete(m, hostsToml) },
			see: func(o *Observed) {
				o.Hosts = append(o.Hosts, HostDir{Name: "_backup", Kind: "dir", Folders: []string{"192.168.21.9"}})
			},
			path: hostsToml, state: Gone, by: "spegel", text: "_backup", plan: "refused", overwrite: "changes"},
		{name: "another mode", see: func(o *Observed) { host(o).Files[0].Mode = 0o644 }, path: hostsToml, state: Changed, text: "mode 0644, written as 0600", plan: "changes", overwrite: "changes"},
		{name: "another owner", see: func(o *Observed) { host(o).Files[0].Owner = "uid 1000, gid 1000" }, path: hostsToml, state: Changed, text: "it belongs to uid 1000, gid 1000", plan: "changes", overwrite: "changes"},
		{name: "the directory is a link", see: func(o *Observed) { *host(o) = HostDir{Name: "192.168.21.9", Kind: "link", Link: "/root/x"} }, path: hostsToml, state: Changed, text: "symbolic link to /root/x", plan: "refused", overwrite: "refused"},
		{name: "the directory is a file", see: func(o *Observed) { *host(o) = HostDir{Name: "192.168.21.9", Kind: "file"} }, path: hostsToml, state: Changed, text: "is now a file", plan: "refused", overwrite: "refused"},
		{name: "the file is a link", see: func(o *Observed) { host(o).Files[0] = HostFile{Name: "hosts.toml", Link: "/root/h"} }, path: hostsToml, state: Changed, text: "symbolic link to /root/h", plan: "refused", overwrite: "refused"},
		{name: "the file is a folder", see: func(o *Observed) { host(o).Files = nil; host(o).Folders = []string{"hosts.toml"} }, path: hostsToml, state: Changed, text: "a folder now", plan: "refused", overwrite: "refused"},

		{name: "a comment in config.toml", files: func(m memory) { m[rootFile] += "# theirs\n" }, path: rootFile, state: SettingsIntact, plan: "nothing", overwrite: "nothing"},
		{name: "the mode of config.toml", see: func(o *Observed) { o.ConfigModes[rootFile] = 0o666 }, path: rootFile, state: SettingsIntact, text: "mode 0666, left as 0644", plan: "nothing", overwrite: "nothing"},
		{name: "a drop-in of NVIDIA is imported", files: func(m memory) {
			m[rootFile] = "imports = [\"/etc/containerd/conf.d/*.toml\"]\n" + m[rootFile]
			m["/etc/containerd/conf.d/99-nvidia.toml"] = onPath + nvidiaOld[len("version = 2\n"):]
		}, path: rootFile, state: SettingsIntact, by: "nvidia-container-toolkit", plan: "nothing", overwrite: "nothing"},
		{name: "a drop-in takes the path away", files: func(m memory) {
			m[rootFile] = "imports = [\"/etc/containerd/conf.d/*.toml\"]\n" + m[rootFile]
			m["/etc/containerd/conf.d/99-nvidia.toml"] = "version = 2\n" + v2cri + ".registry]\n  config_path = \"/srv/hosts\"\n"
		}, path: "/etc/containerd/conf.d/99-nvidia.toml", state: SettingsLost, by: "nvidia-container-toolkit", text: "config_path is now /srv/hosts", plan: "refused", overwrite: "changes"},
		{name: "the path is another one", files: replace("/etc/containerd/certs.d", "/srv/hosts"), path: rootFile, state: SettingsLost, text: "config_path is now /srv/hosts", plan: "refused", overwrite: "changes"},
		{name: "the path is a pair", files: replace("/etc/containerd/certs.d", "/etc/containerd/certs.d:/etc/docker/certs.d"), path: rootFile, state: SettingsLost, text: "certs.d:/etc/docker", plan: "refused", overwrite: "changes"},
		{name: "the path is not set", files: func(m memory) { m[rootFile] = "version = 2\n" }, path: rootFile, state: SettingsLost, text: "not set any more", plan: "refused", overwrite: "changes"},
		{name: "config.toml by Kubespray's template", files: func(m memory) {
			m[rootFile] = "# This is for containerd v1 for compatibility\nversion = 2\n" + v2cri + ".registry.mirrors.\"docker.io\"]\n  endpoint = [\"https://m\"]\n"
		}, path: rootFile, state: SettingsLost, by: "kubespray", text: "registry.mirrors has docker.io", plan: "refused", overwrite: "changes"},
		{name: "config.toml is gone", files: func(m memory) { delete(m, rootFile) }, path: rootFile, state: Gone, text: "not set any more", plan: "refused", overwrite: "changes"},
		{name: "config.toml does not parse", files: func(m memory) { m[rootFile] = "version = = 2\n" }, path: rootFile, state: SettingsLost, text: "cannot start", plan: "refused", overwrite: "refused"},
		{name: "a tls table is back", files: func(m memory) {
			m[rootFile] += v2cri + ".registry.configs.\"r.example.com\".tls]\n  insecure_skip_verify = true\n"
		}, path: rootFile, state: SettingsLost, text: "tls table for r.example.com", plan: "refused", overwrite: "changes"},
		{name: "the credential is as we left it", auth: true, path: rootFile, state: AsWritten, plan: "nothing", overwrite: "nothing"},
		{name: "another credential", auth: true, files: replace(password, "anotherone"), path: rootFile, state: SettingsLost, text: "credential for 192.168.21.9 is another one", plan: "refused", overwrite: "changes"},
		{name: "no credential", auth: true, files: func(m memory) { m[rootFile] = onPath }, path: rootFile, state: SettingsLost, text: "credential for 192.168.21.9 is gone", plan: "refused", overwrite: "changes"},
		{name: "not in force", see: func(o *Observed) { o.ConfigTimes[rootFile] = time.Unix(2000, 0) }, path: rootFile, state: AsWritten, plan: "changes", overwrite: "changes"},
	}
}

func TestDrift(t *testing.T) {
	for _, tc := range driftCases() {
		t.Run(tc.name, func(t *testing.T) {
			d := harbor()
			if tc.auth {
				d = byConfig()
			}
			files := memory{}
			first := wired(t, "1.7.35", files, d)
			if tc.files != nil {
				tc.files(files)
			}
			o := again(t, "1.7.35", files, first)
			if tc.see != nil {
				tc.see(&o)
			}
			s := stateOf(t, o, tc.path)
			if s.State != tc.state || s.By != tc.by || !strings.Contains(s.Text(), tc.text) {
				t.Errorf("%+v; text %q", s, s.Text())
			}
			if strings.Contains(s.Text(), "anotherone") || strings.Contains(s.Text(), password) {
				t.Errorf("a secret is told: %q", s.Text())
			}
			if want := tc.name == "not in force"; (s.NotInForce != "") != want {
				t.Errorf("NotInForce = %q", s.NotInForce)
			}
			for flag, want := range map[string]string{"": tc.plan, "overwrite": tc.overwrite, "adopt": tc.overwrite} {
				made := Make(o, d, Options{Key: driftKey, Overwrite: flag == "overwrite", Adopt: flag == "adopt"})
				if got := verdictOf(made.Node); got != want {
					t.Errorf("--%s: %s, want %s: %s", flag, got, want, show(made))
				}
				if got := slices.ContainsFunc(made.Node.Problems, func(p Notice) bool { return p.ID == "drift" }); flag != "" && got {
					t.Errorf("--%s refuses drift: %s", flag, show(made))
				}
				if want == "changes" && tc.plan == "refused" && !slices.ContainsFunc(made.Node.Changes, func(c Change) bool { return c.Drift != "" }) &&
					tc.path != "/etc/containerd/conf.d/99-nvidia.toml" {
					t.Errorf("--%s: no change says what became of the file: %s", flag, show(made))
				}
				if want == "changes" && tc.name != "not in force" {
					after := memory{}
					for k, v := range files {
						after[k] = v
					}
					apply(after, made)
					if n := Make(again(t, "1.7.35", after, made), d, Options{Key: driftKey}).Node; !n.NothingToDo() {
						t.Errorf("--%s: carried out, there still is something: %+v", flag, n)
					}
				}
			}
		})
	}
}

func verdictOf(n Node) string {
	switch {
	case len(n.Problems) > 0:
		return "refused"
	case n.NothingToDo():
		return "nothing"
	}
	return "changes"
}

// A file that somebody changed to what the spec says now is no drift.
func TestWhatTheSpecSaysAlreadyIsNoDrift(t *testing.T) {
	files := memory{}
	first := wired(t, "2.4.2", files, harbor())
	d := harbor()
	d.Registries[0].Auth.Password = secret.New("rotated")
	second := Make(again(t, "2.4.2", files, first), d, Options{Key: driftKey})
	apply(files, second)
	if n := Make(again(t, "2.4.2", files, first), d, Options{Key: driftKey}).Node; !n.NothingToDo() {
		t.Errorf("%+v", n)
	}
}

// A directory that others wrote stays refused with --overwrite.
func TestOverwriteAdoptsNothing(t *testing.T) {
	files := memory{hostsToml: spegelToml}
	o := observe(t, "2.4.2", files)
	n := Make(o, harbor(), Options{Overwrite: true}).Node
	if len(n.Problems) != 1 || n.Problems[0].ID != "foreign-host-directory" || !strings.Contains(n.Problems[0].Text, "spegel") || !strings.Contains(n.Problems[0].Hint, spegelAgain) {
		t.Errorf("%+v", n.Problems)
	}
	if n := Make(o, harbor(), Options{Adopt: true}).Node; len(n.Problems) > 0 {
		t.Errorf("%+v", n.Problems)
	}
}

// A writer that comes again is named even when it is overwritten.
func TestOverwritingSaysWhoComesAgain(t *testing.T) {
	files := memory{}
	first := wired(t, "2.4.2", files, harbor())
	files[hostsToml] = spegelToml
	n := Make(again(t, "2.4.2", files, first), harbor(), Options{Key: driftKey, Overwrite: true}).Node
	if !slices.ContainsFunc(n.Warnings, func(w Notice) bool { return w.ID == "drift-again" && strings.Contains(w.Hint, spegelAgain) }) {
		t.Errorf("%+v", n.Warnings)
	}
}

// What an engine before Manifest.Config left is still read.
func TestAnOlderManifest(t *testing.T) {
	files := memory{}
	first := wired(t, "1.7.35", files, byConfig())
	first.Manifest.Config, first.Manifest.CRIAuthSums = nil, nil
	o := again(t, "1.7.35", files, first)
	if all := FileStates(o, driftKey); len(all) != 1 || all[0].State != AsWritten {
		t.Errorf("%+v", all)
	}
	files[rootFile] = strings.ReplaceAll(files[rootFile], password, "anotherone")
	if all := FileStates(again(t, "1.7.35", files, first), driftKey); len(all) != 1 {
		t.Errorf("a credential whose hash is not known cannot be told to be another: %+v", all)
	}
	files[rootFile] = "version = 2\n"
	if s := stateOf(t, again(t, "1.7.35", files, first), rootFile); s.State != SettingsLost {
		t.Errorf("%+v", s)
	}
}

// The hosts directory that our files are in stays the measure.
func TestOurHostsDirectoryStays(t *testing.T) {
	files := memory{}
	first := wired(t, "1.7.35", files, harbor())
	files[rootFile] = strings.ReplaceAll(files[rootFile], "/etc/containerd/certs.d", "/srv/hosts/")
	o := again(t, "1.7.35", files, first)
	if got := HostsDir(o.Tree, first.Manifest); got != "/etc/containerd/certs.d" {
		t.Errorf("with our files: %s", got)
	}
	if got := HostsDir(o.Tree, Manifest{}); got != "/srv/hosts/" {
		t.Errorf("without: %s", got)
	}
	if got := FurtherDirs(o.Tree, "/etc/containerd/certs.d"); !slices.Equal(got, []string{"/srv/hosts/"}) {
		t.Errorf("further: %v", got)
	}
}

func TestKept(t *testing.T) {
	files := memory{}
	first := wired(t, "2.4.2", files, harbor())
	first.Manifest.Files = append(first.Manifest.Files, Owned{Path: "/etc/containerd/certs.d/r.example.com:5000/hosts.toml"})
	for name, text := range map[string]string{"192.168.21.9/ca.crt": "x", "_default/hosts.toml": spegelToml, "r.example.com:5000/hosts.toml": "", "r.example.com_5000_/hosts.toml": "",
		"R.example.com:5000/hosts.toml": "", "r.example.com/hosts.toml": k3sToml, "quay.io/hosts.toml": kubesprayToml} {
		files["/etc/containerd/certs.d/"+name] = text
	}
	o := again(t, "2.4.2", files, first)
	o.Hosts = append(o.Hosts, HostDir{Name: "_backup", Kind: "dir", Folders: []string{"x"}})
	var got []string
	for _, k := range Kept(o, OurNames(first.Manifest)) {
		got = append(got, strings.Join([]string{strings.TrimPrefix(k.Path, "/etc/containerd/certs.d/"), k.Owner, k.Effect, map[bool]string{true: "shadows"}[k.Shadows]}, "|"))
	}
	want := []string{
		"192.168.21.9/ca.crt|somebody else||",
		"R.example.com:5000|somebody else|not read for our r.example.com:5000: upper and lower case count|",
		"_default|spegel|answers for every registry that has no host directory of its own|",
		"quay.io|kubespray||",
		"r.example.com|k3s|the same name as our r.example.com:5000 with another port: another registry|",
		"r.example.com_5000_|somebody else|containerd reads it in place of our r.example.com:5000|shadows",
		"_backup|spegel||",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	first.Manifest.Files = []Owned{{Path: "/etc/containerd/certs.d/_default/hosts.toml"}}
	o.Manifest = first.Manifest
	for _, k := range Kept(o, OurNames(o.Manifest)) {
		if k.Path == "/etc/containerd/certs.d/quay.io" && (!k.Shadows || !strings.Contains(k.Effect, "our _default for quay.io")) {
			t.Errorf("%+v", k)
		}
	}
}

func TestKeptConfig(t *testing.T) {
	files := memory{rootFile: "version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n", "/etc/containerd/conf.d/99-nvidia.toml": "version = 3\n"}
	o := observe(t, "2.4.2", files)
	if got := KeptConfig(o); len(got) != 1 || got[0].Owner != "nvidia-container-toolkit" || got[0].NotInForce != "" {
		t.Errorf("%+v", got)
	}
	o.ConfigTimes[rootFile] = time.Unix(2000, 0)
	if got := KeptConfig(o); len(got) != 2 || got[0].Path != rootFile || got[0].NotInForce == "" {
		t.Errorf("%+v", got)
	}
}

func TestManyLostSettingsAreCutShort(t *testing.T) {
	files := memory{}
	first := wired(t, "1.7.35", files, harbor())
	for i := range 50 {
		files[rootFile] += v2cri + ".registry.mirrors.\"r" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ".example.com\"]\n  endpoint = [\"https://m\"]\n"
	}
	s := stateOf(t, again(t, "1.7.35", files, first), rootFile)
	if got := strings.Count(s.Detail, "registry.mirrors"); got != mostDetails || !strings.HasSuffix(s.Detail, "; and more") {
		t.Errorf("%d settings are told: %s", got, s.Detail)
	}
}
