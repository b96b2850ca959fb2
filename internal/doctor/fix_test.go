package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/doctor"
)

// TestFixesMendTheExamples: where a rule can be mended, its bad examples are, on each
// release, and the file is the same but for that.
func TestFixesMendTheExamples(t *testing.T) {
	all, certificates := examples(t)
	mended := map[string]bool{}
	for _, e := range all {
		if e.Good {
			continue
		}
		dir := t.TempDir()
		if err := e.Write(dir, certificates); err != nil {
			t.Fatal(err)
		}
		tree, err := doctor.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, rel := range e.Fires {
			tree.Node.Release = release(t, rel)
			before := doctor.Examine(tree.Node)
			for _, f := range doctor.Fixes(tree.Node, before) {
				for _, id := range f.Rules {
					mended[id] = true
				}
				if n := lines(f.Before, f.After); n > 3 || f.Diff == "" {
					t.Errorf("%s on %s: %d lines differ:\n%s", e.Name, rel, n, f.Diff)
				}
				if slices.Contains(f.Rules, e.Rule) {
					after := doctor.Examine(doctor.Node{Files: mendedFiles{tree.Node.Files, f}, Release: tree.Node.Release, ConfigFile: tree.Node.ConfigFile})
					if slices.ContainsFunc(after.Findings, func(x doctor.Finding) bool { return x.Rule == e.Rule && x.File == f.File && x.Now() }) {
						t.Errorf("%s on %s: still there after\n%s", e.Name, rel, f.Diff)
					}
				}
			}
		}
	}
	var got []string
	for id := range mended {
		got = append(got, id)
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"CFG014", "CFG015", "CFG016", "HST003", "HST007", "HST008", "HST011", "HST026"}, got); d != "" {
		t.Errorf("mended rules (-want +got):\n%s", d)
	}
}

type mendedFiles struct {
	doctor.Files
	fix doctor.Fix
}

func (m mendedFiles) ReadFile(name string) ([]byte, error) {
	if name == m.fix.File {
		return m.fix.After, nil
	}
	return m.Files.ReadFile(name)
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
