package kubespray

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestKept(t *testing.T) {
	now := time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		// meddle happens after the change was written.
		meddle func(t *testing.T, old, fresh string)
		want   string
		// oldText is what the file that existed holds at last.
		oldText string
	}{
		"put back":                    {func(*testing.T, string, string) {}, "", "before\r\n"},
		"nothing was written":         {func(t *testing.T, old, fresh string) { put(t, old, "before\r\n"); drop(t, fresh) }, "", "before\r\n"},
		"half of it was written":      {func(t *testing.T, _, fresh string) { drop(t, fresh) }, "", "before\r\n"},
		"somebody changed it since":   {func(t *testing.T, old, _ string) { put(t, old, "theirs\n") }, "changed by somebody since", "theirs\n"},
		"somebody removed it since":   {func(t *testing.T, old, _ string) { drop(t, old) }, "", "before\r\n"},
		"somebody changed the backup": {func(t *testing.T, old, _ string) { put(t, old+".20261124T180000Z.bak", "x") }, "is not any more what", "after\n"},
		"somebody removed the backup": {func(t *testing.T, old, _ string) { drop(t, old+".20261124T180000Z.bak") }, "no such file", "after\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			old, fresh := filepath.Join(dir, "old.yml"), filepath.Join(dir, "all", "new.yml")
			put(t, old, "before\r\n")
			if err := os.Chmod(old, 0o640); err != nil {
				t.Fatal(err)
			}
			changes := []FileChange{{Path: old, Before: []byte("before\r\n"), After: []byte("after\n")}, {Path: fresh, After: []byte("new\n")}}
			k := Keep(changes, now)
			if _, err := Save(changes, now); err != nil {
				t.Fatal(err)
			}
			tc.meddle(t, old, fresh)
			for range 2 { // it may be repeated
				err := k.PutBack()
				if (err != nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
					t.Fatalf("%v, want %q", err, tc.want)
				}
			}
			if b, err := os.ReadFile(old); err != nil || string(b) != tc.oldText {
				t.Errorf("%q, %v", b, err)
			}
			if st, err := os.Stat(old); err == nil && st.Mode().Perm() != 0o640 && tc.want == "" {
				t.Errorf("mode %s", st.Mode())
			}
			left, _ := os.ReadDir(dir)
			if tc.want == "" && len(left) != 1 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// A file that two changes wrote goes back to what it was before the first.
func TestKeptThen(t *testing.T) {
	first := Kept{Files: []KeptFile{{Path: "a", Backup: "a.1", Before: "0", After: "1"}}}
	both := first.Then(Kept{Files: []KeptFile{{Path: "a", Backup: "a.2", Before: "1", After: "2"}, {Path: "b", After: "3"}}})
	want := []KeptFile{{Path: "a", Backup: "a.1", Before: "0", After: "2"}, {Path: "b", After: "3"}}
	if len(both.Files) != 2 || both.Files[0] != want[0] || both.Files[1] != want[1] || first.Files[0].After != "1" {
		t.Errorf("%+v", both)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func drop(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// What the tag does besides is said as it is on each line.
func TestTagDoes(t *testing.T) {
	cases := map[string]struct{ says, not string }{
		"2.19.1": {"restarts nothing", "restarts containerd on every node"},
		"2.20.0": {"restarts containerd on every node", "bootstrap-os"},
		"2.22.2": {"bootstrap-os", "restarts nothing"},
		"2.23.3": {"bootstrap-os", "restarts nothing"},
		"2.24.3": {"removes containerd packages", "bootstrap-os"},
		"2.27.1": {"installs containerd 1.7.27, runc", "bootstrap-os"},
		"2.31.0": {"installs containerd 2.2.3, runc", "removes containerd packages"},
	}
	for version, c := range cases {
		p, err := ForVersion(version)
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(p.TagDoes(), "\n")
		if !strings.Contains(all, c.says) || strings.Contains(all, c.not) || !strings.Contains(all, "not what the play installed") {
			t.Errorf("%s:\n%s", version, all)
		}
	}
}
