package record

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/internal/fleet"
)

const id1, id2, id3 = "20261123T101502Z-4f2a", "20261123T111502Z-4f2a", "20261124T000000Z-0001"

func sample(id string) *Run {
	begun := time.Date(2026, 11, 23, 10, 15, 3, 0, time.UTC)
	return &Run{
		Schema: fleet.RunSchema, ID: id, Command: "apply", Name: "default", SpecDigest: "sha256:00",
		Operator: "ann@desk", Version: "1.0.0", Started: begun,
		Policy: fleet.Policy{Canary: 1, WaveSize: 2, OnFailure: "rollback-wave", ConfirmWithin: time.Minute},
		Nodes: []fleet.NodeRun{
			{Name: "w1", Phase: fleet.Applied, Begun: begun, Ended: begun.Add(time.Second), Plan: &fleet.PlanSummary{Fingerprint: "f"}},
			{Name: "w2", Phase: fleet.Unreachable, Error: &fleet.NodeError{Node: "w2", Kind: fleet.ErrUnreachable, Text: "no route", Hint: "look"}},
		},
	}
}

func save(t *testing.T, s Store, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.Save(sample(id)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSaveAndGet(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "state", "pullway")}
	save(t, s, id2, id1, id3, id1)
	cases := map[string]struct{ want, wrong string }{
		id1:               {want: id1},
		"20261123T10":     {want: id1},
		"last":            {want: id3},
		"2026112":         {wrong: "fits 3 runs"},
		"":                {wrong: "no such run"},
		"2027":            {wrong: "no such run"},
		"../" + id1:       {wrong: "no such run"},
		"/etc/passwd":     {wrong: "no such run"},
		id1 + "/run.json": {wrong: "no such run"},
	}
	for ref, tc := range cases {
		run, err := s.Get(ref)
		switch {
		case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)):
			t.Errorf("get %q: error %v, want %q", ref, err, tc.wrong)
		case tc.want != "" && err != nil:
			t.Errorf("get %q: %v", ref, err)
		case tc.want != "":
			if d := cmp.Diff(sample(tc.want), run, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".cause" }, cmp.Ignore())); d != "" {
				t.Errorf("get %q (-saved +got):\n%s", ref, d)
			}
		}
	}
	if _, err := s.Get("2027"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v is not ErrNotFound", err)
	}
}

func TestModes(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "pullway")}
	save(t, s, id1, id1)
	err := filepath.WalkDir(s.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = fs.ModeDir | 0o700
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
		if !d.IsDir() && d.Name() != fileName {
			t.Errorf("%s was left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestListToleratesDamage(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	if runs, damaged, err := s.List(0); len(runs)+len(damaged) > 0 || err != nil {
		t.Fatalf("an empty store has %v, %v, %v", runs, damaged, err)
	}
	save(t, s, id1, id2, id3)
	put := func(id, content string) {
		t.Helper()
		if err := os.MkdirAll(s.folder(id), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.folder(id), fileName), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(id2, `{"schema":1,"id":"`+id2+`","nodes":[{"name":"w1"`)
	put("20250101T000000Z-0001", `{"schema":99}`)
	put("20250101T000000Z-0002", `{"schema":1,"id":"`+id1+`"}`)
	put("20250101T000000Z-0003", `{"schema":1,"id":"20250101T000000Z-0003","nodes":[{"name":"a","phase":"asleep"}]}`)
	put("20250101T000000Z-0004", `{"schema":1,"id":"20250101T000000Z-0004","nodes":[{"name":"a","phase":"applied"},{"name":"a","phase":"applied"}]}`)
	if err := os.MkdirAll(filepath.Join(s.folder("20250101T000000Z-0005"), fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(s.runs(), "notes"), 0o700); err != nil {
		t.Fatal(err)
	}
	runs, damaged, err := s.List(0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range runs {
		got = append(got, r.ID)
	}
	if d := cmp.Diff([]string{id3, id1}, got); d != "" {
		t.Errorf("runs, newest first (-want +got):\n%s", d)
	}
	var bad []string
	for _, d := range damaged {
		bad = append(bad, d.ID)
		if d.Err == nil || strings.Contains(d.Error(), "\n") {
			t.Errorf("damage of %s: %q", d.ID, d.Error())
		}
	}
	want := []string{id2, "20250101T000000Z-0005", "20250101T000000Z-0004", "20250101T000000Z-0003", "20250101T000000Z-0002", "20250101T000000Z-0001"}
	if d := cmp.Diff(want, bad); d != "" {
		t.Errorf("damaged (-want +got):\n%s", d)
	}
	var dam *Damaged
	if _, err := s.Get(id2); !errors.As(err, &dam) {
		t.Errorf("get of a damaged record: %v", err)
	}
	if runs, damaged, _ := s.List(2); len(runs) != 1 || len(damaged) != 1 {
		t.Errorf("the newest 2 are %d runs and %d damaged", len(runs), len(damaged))
	}
}

// TestCrashInMidSave leaves what a crash before the rename leaves.
func TestCrashInMidSave(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	save(t, s, id1)
	if err := os.WriteFile(filepath.Join(s.folder(id1), fileName+".new"), []byte(`{"schema":1,"id":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(id1); err != nil {
		t.Errorf("the former record: %v", err)
	}
	save(t, s, id1)
	if entries, _ := os.ReadDir(s.folder(id1)); len(entries) != 1 {
		t.Errorf("the next save leaves %v", entries)
	}
}

// TestHostileNames lets names that look like paths end inside the one file.
func TestHostileNames(t *testing.T) {
	root := t.TempDir()
	s := Store{Dir: filepath.Join(root, "state")}
	run := sample(id1)
	run.Nodes = nil
	names := []string{"../../../etc/cron.d/x", "/etc/passwd", "..", ".", "a\x00b", "w1\n\x1b[2J", `..\..\x`, strings.Repeat("n", 1<<16)}
	for _, name := range names {
		run.Nodes = append(run.Nodes, fleet.NodeRun{Name: name, Phase: fleet.Applied})
	}
	if err := s.Save(run); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get("last")
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range got.Nodes {
		if n.Name != names[i] {
			t.Errorf("name %q came back as %q", names[i], n.Name)
		}
	}
	for _, id := range []string{"", "..", "../x", "/tmp/x", id1 + "/..", id1 + "\n", strings.ToUpper(id1)} {
		if err := s.Save(sample(id)); err == nil {
			t.Errorf("id %q was saved", id)
		}
	}
	var files []string
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			files = append(files, path)
		}
		return nil
	})
	if d := cmp.Diff([]string{filepath.Join(s.folder(id1), fileName)}, files); d != "" {
		t.Errorf("files on the disk (-want +got):\n%s", d)
	}
}

func TestSaveFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Store{Dir: file}).Save(sample(id1)); err == nil {
		t.Error("saved below a file")
	}
}

func TestNewID(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 15, 2, 312_500_000, time.UTC)
	id := NewID(now)
	if id != "20261123T101502Z-5000" || !ValidID(id) {
		t.Errorf("id %q", id)
	}
	rapid.Check(t, func(rt *rapid.T) {
		a := now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(rt, "a")))
		b := a.Add(time.Duration(rapid.Int64Range(int64(16*time.Microsecond), int64(time.Second)).Draw(rt, "later")))
		if NewID(a) >= NewID(b) || !ValidID(NewID(b)) {
			rt.Errorf("%s and %s do not sort by time: %s, %s", a, b, NewID(a), NewID(b))
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"schema":1,"id":"` + id1 + `","started":"2026-11-23T10:15:02Z","policy":{"canary":1},"nodes":[{"name":"w1","phase":"applied","wave":1}]}`))
	f.Add([]byte(`{"schema":1,"id":"` + id1 + `","nodes":[{"name":"w1","phase":"working","begun":"2026-11-23T10:15:02Z"}]}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		run, err := decode(id1, b)
		if err != nil {
			return
		}
		// What is read is good enough for the rollout rule.
		if d := fleet.Next(run.State(), run.Policy); d.Action == "" {
			t.Errorf("no decision for %s", b)
		}
	})
}
