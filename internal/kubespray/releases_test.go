package kubespray

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the real trees in KUBESPRAY_DIR gave")

// tags that the table is made of: every release from 2.15 on.
var tags = strings.Fields(`v2.15.0 v2.15.1 v2.16.0 v2.17.0 v2.17.1 v2.18.0 v2.18.1 v2.18.2 v2.19.0 v2.19.1 v2.20.0 v2.21.0
 v2.22.0 v2.22.1 v2.22.2 v2.23.0 v2.23.1 v2.23.2 v2.23.3 v2.24.0 v2.24.1 v2.24.2 v2.24.3 v2.25.0 v2.25.1 v2.26.0 v2.26.1
 v2.27.0 v2.27.1 v2.28.0 v2.28.1 v2.29.0 v2.29.1 v2.30.0 v2.31.0`)

// kubesprayDir is a git repository of Kubespray, bare or not, for the tests that
// need real trees.
func kubesprayDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("KUBESPRAY_DIR")
	if dir == "" {
		t.Skip("KUBESPRAY_DIR is not set: not compared with real Kubespray trees (the golden files that such a run made are)")
	}
	return dir
}

func git(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command("git", append([]string{"-C", dir, "-c", "safe.directory=*"}, args...)...).Output()
	if err != nil {
		t.Fatalf("git %v: %v", args, err)
	}
	return out
}

// treeAt is the part of a tag that is probed.
func treeAt(t *testing.T, dir, tag string) fs.FS {
	t.Helper()
	all := fstest.MapFS{}
	r := tar.NewReader(bytes.NewReader(git(t, dir, "archive", tag)))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || !strings.HasPrefix(h.Name, "roles/") && !strings.HasPrefix(h.Name, "playbooks/") {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = &fstest.MapFile{Data: b}
	}
}

// The table is what probing the real tags gives.
func TestReleases(t *testing.T) {
	dir := kubesprayDir(t)
	var got []Release
	for _, tag := range tags {
		p, err := Probe(treeAt(t, dir, tag))
		if err != nil {
			t.Fatalf("%s: %v", tag, err)
		}
		got = append(got, Release{Version: tag[1:], Commit: strings.TrimSpace(string(git(t, dir, "rev-parse", tag+"^{commit}"))), Profile: p})
	}
	if *update {
		b, err := json.MarshalIndent(got, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("releases.json", append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := slices.Clone(Releases())
	for i := range want {
		want[i].Profile.Release = ""
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What the project knows of the releases, each with the fact's source.
func TestWhatReleasesDo(t *testing.T) {
	cases := []struct {
		version, line string
		check         func(Profile) bool
		reason        string
	}{
		{"2.15.1", "before 2.16", func(p Profile) bool { return !p.Registries && p.Auth == AuthNever }, "maps inside containerd_config"},
		{"2.16.0", "2.16 to 2.18.0", func(p Profile) bool { return p.Registries && p.Auth == AuthNever }, "7398"},
		{"2.17.0", "2.16 to 2.18.0", func(p Profile) bool { return p.Auth == AuthAlways }, "7868"},
		{"2.18.0", "2.16 to 2.18.0", func(p Profile) bool { return p.Insecure == InsecureList }, "8298"},
		{"2.18.1", "2.18.1 to 2.20, and 2.22", func(p Profile) bool { return p.Insecure == InsecureMap }, "8340"},
		{"2.19.1", "2.18.1 to 2.20, and 2.22", func(p Profile) bool { return p.NeverRestarts }, "9019"},
		{"2.20.0", "2.18.1 to 2.20, and 2.22", func(p Profile) bool { return !p.NeverRestarts && p.Containerd == "1.6.8" }, "9322"},
		{"2.21.0", "2.21", func(p Profile) bool { return p.Insecure == InsecureBroken && p.ConfigPath == ConfigPathInsecure }, "9720, 9741"},
		{"2.22.2", "2.18.1 to 2.20, and 2.22", func(p Profile) bool { return p.ConfigPath == ConfigPathSwitch && p.Bootstraps }, "9770"},
		{"2.23.0", "2.23 to 2.26", func(p Profile) bool { return p.Mirrors && !p.Key("override_path") && p.Bootstraps }, "10196"},
		{"2.24.0", "2.23 to 2.26", func(p Profile) bool { return p.Key("override_path") && !p.Server && !p.Bootstraps }, "10776"},
		{"2.25.0", "2.23 to 2.26", func(p Profile) bool { return p.Server }, "10988"},
		{"2.27.1", "2.27", func(p Profile) bool { return p.ConfigPath == ConfigPathAlways && p.Auth == AuthAlways && !p.Key("ca") }, "11755"},
		{"2.28.0", "2.28", func(p Profile) bool { return p.Auth == AuthOnly1x && p.Key("ca") && !p.Key("header") }, "11963, 11857"},
		{"2.29.1", "2.29 and later", func(p Profile) bool { return p.Key("header") && p.HidesLogs && p.RuntimeKeys == nil }, "12368"},
		{"2.30.0", "2.29 and later", func(p Profile) bool { return len(p.RuntimeKeys) == 2 && !p.OtherEngines }, "12820"},
		{"2.31.0", "2.29 and later", func(p Profile) bool { return p.OtherEngines && p.Containerd == "2.2.3" }, "12946"},
	}
	for _, c := range cases {
		p, err := ForVersion(c.version)
		if err != nil {
			t.Errorf("%s: %v", c.version, err)
			continue
		}
		if p.Line() != c.line || !c.check(p) {
			t.Errorf("%s: line %q, want %q, with what %s says: %+v", c.version, p.Line(), c.line, c.reason, p)
		}
	}
}

func TestForVersion(t *testing.T) {
	for given, want := range map[string]string{"2.27": "2.27.1", "v2.18": "2.18.2", "2.22.0": "2.22.0"} {
		if p, err := ForVersion(given); err != nil || p.Release != want {
			t.Errorf("ForVersion(%q) = %q, %v; want %q", given, p.Release, err, want)
		}
	}
	for _, given := range []string{"", "2", "2.2", "2.99", "main", "2.27.1.1"} {
		var unknown *UnknownReleaseError
		if p, err := ForVersion(given); !errors.As(err, &unknown) {
			t.Errorf("ForVersion(%q) = %q, %v; want an *UnknownReleaseError", given, p.Release, err)
		}
	}
}
