package doctor_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/test/rules"
)

// TestFixesMendTheExamples: where a rule can be mended, its bad examples are, on each
// release, and the files are the same but for that. A second look finds nothing to mend.
func TestFixesMendTheExamples(t *testing.T) {
	all, certificates := examples(t)
	mended := map[string]bool{}
	for _, e := range all {
		if e.Good {
			continue
		}
		for _, rel := range e.Fires {
			tree := written(t, e, certificates, rel)
			fixes := doctor.Fixes(tree.Node, doctor.Examine(tree.Node))
			ofRule := false
			for _, f := range fixes {
				for _, id := range f.Rules {
					mended[id] = true
					ofRule = ofRule || id == e.Rule
				}
				if n := lines(f.Before, f.After); n > 3 && !strings.HasPrefix(e.Rule, "CFG0") || f.Diff == "" || f.Create != (f.Before == nil) {
					t.Errorf("%s on %s: %d lines differ:\n%s", e.Name, rel, n, f.Diff)
				}
			}
			write(t, tree, fixes)
			after := doctor.Examine(tree.Node)
			if i := slices.IndexFunc(after.Findings, func(x doctor.Finding) bool { return x.Rule == e.Rule && x.Now() }); ofRule && i >= 0 {
				t.Errorf("%s on %s: still there: %+v", e.Name, rel, after.Findings[i])
			}
			for _, f := range doctor.Fixes(tree.Node, after) {
				t.Errorf("%s on %s: mended again:\n%s", e.Name, rel, f.Diff)
			}
		}
	}
	var got []string
	for id := range mended {
		got = append(got, id)
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"CFG001", "CFG002", "CFG003", "CFG014", "CFG015", "CFG016", "CFG023", "HST003", "HST007", "HST008", "HST011", "HST026"}, got); d != "" {
		t.Errorf("mended rules (-want +got):\n%s", d)
	}
}

func written(t *testing.T, e rules.Example, words *strings.Replacer, rel string) doctor.Tree {
	t.Helper()
	dir := t.TempDir()
	if err := e.Write(dir, words); err != nil {
		t.Fatal(err)
	}
	tree, err := doctor.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree.Node.Release = release(t, rel)
	return tree
}

// write puts fixes where they belong.
func write(t *testing.T, tree doctor.Tree, fixes []doctor.Fix) {
	t.Helper()
	for _, f := range fixes {
		name := tree.Target(f.File)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.After, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// lines counts the lines that are in one of two files only.
func lines(a, b []byte) (n int) {
	count := map[string]int{}
	for l := range strings.Lines(string(a)) {
		count[l]++
	}
	for l := range strings.Lines(string(b)) {
		count[l]--
	}
	for _, c := range count {
		n += max(c, -c)
	}
	return n
}

// Where there is more than one way, or another problem would come, nothing is mended.
func TestNoFix(t *testing.T) {
	const v2 = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n"
	host := "server = \"https://r.lan\"\n[host]\n"
	for _, tc := range []struct {
		reason, release string
		files           map[string]string
	}{
		{"mirrors would cost CRI beside a config_path", "1.7.35", map[string]string{
			"config.toml":              v2 + "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"r.lan\"]\nendpoint = [\"https://m.lan\"]\n",
			"certs.d/r.lan/hosts.toml": host}},
		{"two directories that are both in use", "2.4.2", map[string]string{
			"config.toml":              v2 + "config_path = \"/etc/containerd/certs.d:/etc/containerd/more.d\"\n",
			"certs.d/r.lan/hosts.toml": host, "more.d/q.lan/hosts.toml": host}},
		{"no release, so there is no saying which table counts", "", map[string]string{
			"config.toml":              v2 + "config_path = \"/etc/containerd/certs.d:/etc/docker/certs.d\"\n",
			"certs.d/r.lan/hosts.toml": host}},
		{"certificates would not be checked any more, which 2.x does today", "2.4.2", map[string]string{
			"config.toml": v2 + "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"m.lan\".tls]\ninsecure_skip_verify = true\n"}},
		{"a host directory says something else than the mirrors", "1.7.35", map[string]string{
			"config.toml":              v2 + "config_path = \"/etc/containerd/certs.d\"\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"r.lan\"]\nendpoint = [\"https://m.lan\"]\n",
			"certs.d/r.lan/hosts.toml": host}},
		{"a mirror that could not be carried over", "1.6.8", map[string]string{
			"config.toml": v2 + "config_path = \"/etc/containerd/certs.d\"\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"*\"]\nendpoint = [\"https://m.lan\"]\n"}},
		{"it is broken", "1.7.35", map[string]string{"config.toml": "version = ", "certs.d/r.lan/hosts.toml": "server = \n"}},
	} {
		trees, _, err := doctor.Open(etc(t, tc.files))
		if err != nil || doctor.Set(trees, tc.release) != nil {
			t.Fatal(err)
		}
		r := doctor.Examine(trees[0].Node)
		if len(r.Findings) == 0 {
			t.Errorf("%s: no finding", tc.reason)
		}
		if fixes := doctor.Fixes(trees[0].Node, r); len(fixes) > 0 {
			t.Errorf("%s: %s", tc.reason, fixes[0].Diff)
		}
	}
}

// Mirrors and tls tables move as a whole: a mirror keeps its CA, a credential stays
// where it counts, and nothing else of the file changes.
func TestFixMovesTables(t *testing.T) {
	const cri = "[plugins.\"io.containerd.grpc.v1.cri\".registry"
	dir := etc(t, map[string]string{
		"config.toml": "version = 2 # ours\n" + cri + "]\nconfig_path = \"/etc/containerd/certs.d\"\n" +
			cri + ".mirrors.\"docker.io\"]\nendpoint = [\"https://m.lan:5000\"]\n" +
			cri + ".configs.\"m.lan:5000\".tls]\nca_file = \"/etc/ca.pem\"\n" +
			cri + ".configs.\"m.lan:5000\".auth]\nusername = \"robot\"\npassword = \"Harbor12345\"\n",
	})
	trees, _, err := doctor.Open(dir)
	if err != nil || doctor.Set(trees, "1.7.35") != nil {
		t.Fatal(err)
	}
	fixes := doctor.Fixes(trees[0].Node, doctor.Examine(trees[0].Node))
	var files []string
	for _, f := range fixes {
		files = append(files, f.File)
		if strings.Contains(f.Diff, "Harbor12345") {
			t.Errorf("a password is shown:\n%s", f.Diff)
		}
	}
	hosts := "# Moved here from /etc/containerd/config.toml by pullway doctor --fix.\nserver = \"https://registry-1.docker.io\"\ncapabilities = [\"pull\", \"resolve\"]\n\n" +
		"[host.\"https://m.lan:5000\"]\ncapabilities = [\"pull\", \"resolve\"]\nca = [\"/etc/ca.pem\"]\n"
	config := "version = 2 # ours\n" + cri + "]\nconfig_path = \"/etc/containerd/certs.d\"\n" +
		cri + ".configs.\"m.lan:5000\".auth]\nusername = \"robot\"\npassword = \"Harbor12345\"\n"
	if want := []string{"/etc/containerd/certs.d/docker.io/hosts.toml", "/etc/containerd/certs.d/m.lan:5000/hosts.toml", "/etc/containerd/config.toml"}; !slices.Equal(files, want) {
		t.Fatalf("files %q, want %q", files, want)
	}
	if d := cmp.Diff(hosts, string(fixes[0].After)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(config, string(fixes[2].After)); d != "" {
		t.Error(d)
	}
	if want := []string{"CFG001", "CFG002"}; !slices.Equal(fixes[2].Rules, want) || !fixes[0].Create || fixes[2].Create || !fixes[2].Restart {
		t.Errorf("%+v", fixes)
	}
}

// FuzzFixes: a fix of whatever stands there changes something, brings no new problem,
// and is not made a second time.
func FuzzFixes(f *testing.F) {
	const cri = "[plugins.\"io.containerd.grpc.v1.cri\".registry"
	f.Add("version = 2\n"+cri+"]\nconfig_path = \"/etc/containerd/certs.d\"\n"+cri+".mirrors.\"r.lan\"]\nendpoint = [\"http://m.lan:5000/v2/x\"]\n", "server = \"https://docker.io\"\n", "docker.io", uint8(1))
	f.Add("version = 2\n"+cri+".configs.\"r.lan\".tls]\nca_file = \"ca.pem\"\n", "[host.\"https://r.lan/v2/hub\"]\ncapabilities = [\"pull\", \"referrers\"]\nSkip_Verify = true\n", "r.lan", uint8(4))
	f.Add("version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/certs.d:/etc/docker/certs.d'\n", "server = \"http://r.lan\"\r\n", "_default", uint8(4))
	releases := []string{"1.6.20", "1.7.35", "2.0.14", "2.2.1", "2.4.2"}
	f.Fuzz(func(t *testing.T, config, hosts, name string, of uint8) {
		if name == "" || strings.ContainsAny(name, "/\x00") || len(name) > 200 || name == "." || name == ".." {
			return
		}
		trees, _, err := doctor.Open(etc(t, map[string]string{"config.toml": config, "certs.d/" + name + "/hosts.toml": hosts}))
		if err != nil || doctor.Set(trees, releases[int(of)%len(releases)]) != nil {
			t.Fatal(err)
		}
		before := doctor.Examine(trees[0].Node)
		fixes := doctor.Fixes(trees[0].Node, before)
		for _, x := range fixes {
			if string(x.Before) == string(x.After) || x.Create != (x.Before == nil) || len(x.Rules) == 0 || x.Diff == "" {
				t.Errorf("%+v", x)
			}
		}
		write(t, trees[0], fixes)
		after := doctor.Examine(trees[0].Node)
		problems := func(r doctor.Report) (n int) {
			for _, x := range r.Findings {
				if x.Problem() {
					n++
				}
			}
			return n
		}
		if len(fixes) > 0 && problems(after) > problems(before) {
			t.Errorf("before %+v\nafter %+v", before.Findings, after.Findings)
		}
		for _, x := range doctor.Fixes(trees[0].Node, after) {
			for _, y := range fixes {
				if x.File == y.File && slices.Equal(x.Rules, y.Rules) {
					t.Errorf("again:\n%s", x.Diff)
				}
			}
		}
	})
}
