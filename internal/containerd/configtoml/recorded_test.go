package configtoml

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden diffs anew")

// archives reads the test cases of a folder under testdata.
func archives(t *testing.T, folder string) map[string]*txtar.Archive {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases in testdata/%s (%v)", folder, err)
	}
	all := map[string]*txtar.Archive{}
	for _, name := range names {
		if all[name], err = txtar.ParseFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// tree is the part of an archive that is configuration.
func tree(a *txtar.Archive) (f files, other map[string]string) {
	f, other = files{}, map[string]string{}
	for _, x := range a.Files {
		if strings.HasSuffix(x.Name, ".toml") {
			f["/etc/containerd/"+x.Name] = string(x.Data)
		} else {
			other[x.Name] = string(x.Data)
		}
	}
	return f, other
}

// Random configurations and what containerd itself made of them: `config dump`
// of the release, `config migrate` for 2.0, whose dump does not migrate.
func TestRecorded(t *testing.T) {
	for name, a := range archives(t, "recorded") {
		f, other := tree(a)
		for line := range strings.Lines(other["containerd"]) {
			release, want, _ := strings.Cut(strings.TrimSpace(line), ": ")
			tr := load(t, f, release)
			got := summarize(tr)
			for _, p := range tr.Problems() {
				if p.Severity == 1 {
					got = "refused"
				}
			}
			if got != want {
				t.Errorf("%s on %s:\ncontainerd: %s\nwe:         %s", name, release, want, got)
			}
		}
	}
}

func summarize(t *Tree) string {
	r := t.Registry()
	path := r.ConfigPath
	if t.Release.BakesDefaultConfigPath() {
		path, _ = t.configPath(&r) // the dump of these shows the built-in value
	}
	var mirrors, configs []string
	for _, m := range r.Mirrors {
		mirrors = append(mirrors, m.Host)
	}
	for _, c := range r.Configs {
		configs = append(configs, c.Host+"="+c.Auth.Username)
	}
	s := fmt.Sprintf("path=%s mirrors=%v configs=%v sandbox=%s", path, mirrors, configs, r.SandboxImage)
	if t.Release.AtLeast(2, 0, 0) {
		discard, downloads := any(false), any(int64(3))
		images := t.images()
		if v, ok := images["discard_unpacked_layers"]; ok {
			discard = v
		}
		if v, ok := images["max_concurrent_downloads"]; ok {
			downloads = v
		}
		s += fmt.Sprintf(" discard=%v max=%v", discard, downloads)
	}
	return s
}

// Files as they are found in the field, and the lines that change in them.
func TestChangeGolden(t *testing.T) {
	for name, a := range archives(t, "change") {
		f, other := tree(a)
		tr := load(t, f, strings.TrimSpace(other["release"]))
		changes, err := Change(tr, certsD)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got bytes.Buffer
		for _, c := range changes {
			short := strings.TrimPrefix(c.Path, "/etc/containerd/")
			got.Write(diff.Diff(short, c.Before, short, c.After))
		}
		after, err := Overlay(tr, changes)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range after.Problems() {
			if p.Fatal {
				t.Errorf("%s: would leave %s: %s", name, p.ID, p.Text)
			}
		}
		if dirs := after.Registry().HostsDirs; len(dirs) != 1 || dirs[0] != certsD.ConfigPath {
			t.Errorf("%s: containerd would read %q", name, dirs)
		}
		if again, err := Change(after, certsD); err != nil || len(again) > 0 {
			t.Errorf("%s: a second change makes %d edits (%v)", name, len(again), err)
		}
		if *update {
			golden := txtar.Archive{Comment: a.Comment}
			for _, x := range a.Files {
				if x.Name != "diff" {
					golden.Files = append(golden.Files, x)
				}
			}
			golden.Files = append(golden.Files, txtar.File{Name: "diff", Data: got.Bytes()})
			writeGolden(t, name, txtar.Format(&golden))
			continue
		}
		if d := cmp.Diff(other["diff"], got.String()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func writeGolden(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
