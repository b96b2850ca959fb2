package kubespray

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/kubespray"
)

// older are releases whose roles this ansible-core may be too new for.
var older = []string{"v2.15.1", "v2.16.0", "v2.17.1"}

// TestOlderReleases asks Ansible whether it can run them, and says why not.
func TestOlderReleases(t *testing.T) {
	repo, ok := Find()
	if !ok {
		t.Skip(Skipped)
	}
	for _, tag := range older {
		t.Run(tag, func(t *testing.T) {
			tree, err := repo.Extract(t.Context(), tag, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			tasks, err := NewTasks(tree)
			if err != nil {
				t.Fatal(err)
			}
			row := NodeRow{Release: tag[1:]}
			if row.Commit, err = repo.Commit(t.Context(), tag); err != nil {
				t.Fatal(err)
			}
			if row.Ansible, err = AnsibleCore(); err != nil {
				t.Fatal(err)
			}
			out, err := tasks.Local(t.Context(), inventory(t, ""), t.TempDir())
			if err == nil {
				t.Fatalf("ansible-core %s runs the tasks of %s (failed: %q): add it to the releases that are shown on nodes", row.Ansible, tag, out.Failed)
			}
			for line := range strings.Lines(out.Log) {
				if text, found := strings.CutPrefix(strings.TrimSpace(line), "ERROR! "); found && row.Unloadable == "" {
					row.Unloadable = text
				}
			}
			if row.Unloadable == "" {
				t.Fatalf("%s: %v\n%s", tag, err, out.Log)
			}
			if err := row.Keep(); err != nil {
				t.Fatal(err)
			}
			t.Skipf("NOT SHOWN: ansible-core %s cannot load the roles of %s: %s", row.Ansible, tag, row.Unloadable)
		})
	}
}

// TestNodePage: the page is what was recorded, and each way in which a release
// reads registry variables has a row. With -update the page is written anew.
func TestNodePage(t *testing.T) {
	rows, err := ReadNodeRows()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(nodePage, []byte(rows.Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(nodePage)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(rows.Markdown(), string(page)); d != "" {
		t.Errorf("the page is not what was recorded (-recorded +page):\n%s", d)
	}
	lines := map[string]bool{}
	for _, r := range rows {
		p, err := kubespray.ForVersion(r.Release)
		if err != nil {
			t.Fatal(err)
		}
		lines[p.Line()] = true
		if r.Whole() != (r.Unloadable == "") || len(r.Commit) != 40 {
			t.Errorf("not whole: %+v", r)
		}
	}
	for _, r := range kubespray.Releases() {
		if !lines[r.Profile.Line()] {
			t.Errorf("no row is of the releases like %s (%s)", r.Version, r.Profile.Line())
		}
	}
}
