package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/protocol"
)

// TestTheEnginesFolderIsItsOwn: a folder or a file that others could have written
// is refused and left as it is, and nothing is followed through a link.
func TestTheEnginesFolderIsItsOwn(t *testing.T) {
	root := os.Geteuid() == 0
	for _, tc := range []struct {
		name     string
		needRoot bool
		spoil    func(t *testing.T, dir string)
		says     string
	}{
		{"a link", false, func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir), os.Symlink(t.TempDir(), dir))
		}, "is a link"},
		{"a link to nowhere", false, func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir), os.Symlink("/nonexistent/x", dir))
		}, "file exists"},
		{"everybody may write", false, func(t *testing.T, dir string) { must(t, os.Chmod(dir, 0o777)) }, "mode 0777"},
		{"its group may write", false, func(t *testing.T, dir string) { must(t, os.Chmod(dir, 0o770)) }, "mode 0770"},
		{"somebody else's", true, func(t *testing.T, dir string) { must(t, os.Chown(dir, 12345, 12345)) }, "user 12345"},
		{"transactions: everybody may write", false, func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "transactions"), 0o777)) }, "mode 0777"},
		{"transactions: somebody else's", true, func(t *testing.T, dir string) { must(t, os.Chown(filepath.Join(dir, "transactions"), 12345, 12345)) }, "user 12345"},
		{"transactions: a link", false, func(t *testing.T, dir string) {
			must(t, os.RemoveAll(filepath.Join(dir, "transactions")), os.Symlink(t.TempDir(), filepath.Join(dir, "transactions")))
		}, "is a link"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.needRoot && !root {
				t.Skip("needs root to give files away")
			}
			s := store{dir: filepath.Join(t.TempDir(), "state")}
			must(t, s.prepare())
			tc.spoil(t, s.dir)
			err := s.prepare()
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("prepare: %v, want %q", err, tc.says)
			}
			reply := NewEngine(s.dir, func(protocol.Step, string) {}, nil).Do(t.Context(), protocol.Request{Version: protocol.Version, Op: protocol.OpRecover})
			if reply.Error == nil {
				t.Error("the engine works there")
			}
		})
	}
	// What is merely readable is put right.
	s := store{dir: filepath.Join(t.TempDir(), "state")}
	must(t, s.prepare(), os.Chmod(s.dir, 0o755), s.prepare())
	if st, _ := os.Stat(s.dir); st.Mode().Perm() != 0o700 {
		t.Errorf("mode %04o", st.Mode().Perm())
	}
}

// TestWhatOthersWroteIsNotBelieved: a journal, a manifest, a key or a backup that
// is not root's own makes no root rename or delete anything.
func TestWhatOthersWroteIsNotBelieved(t *testing.T) {
	b := newBench(t)
	victim := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, nil, 0o600))
	r := &Record{ID: "20261124T101502.000Z-4f2a", Phase: PhaseActive, Items: []Item{{Target: victim, Staged: filepath.Join(filepath.Dir(victim), stagePrefix+"x"),
		Before: Entry{Kind: KindAbsent}, After: NewFile(nil, 0o600)}}}
	must(t, b.store.writeJournal(r))
	path := b.store.path("journal.json")
	for name, spoil := range map[string]func(){
		"everybody may write": func() { must(t, os.Chmod(path, 0o666)) },
		"a link": func() {
			other := filepath.Join(t.TempDir(), "journal")
			data, err := os.ReadFile(path)
			must(t, err, os.WriteFile(other, data, 0o600), os.Remove(path), os.Symlink(other, path))
		},
	} {
		spoil()
		if _, err := b.store.journal(); err == nil {
			t.Errorf("%s: the journal is believed", name)
		}
	}
	if os.Geteuid() == 0 {
		must(t, b.store.dropJournal(), b.store.writeJournal(r), os.Chown(path, 12345, 12345))
		if _, err := b.store.journal(); err == nil || !strings.Contains(err.Error(), "user 12345") {
			t.Errorf("somebody else's journal: %v", err)
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestRecordsOfNoEngine(t *testing.T) {
	good := func() Record {
		return Record{ID: "20261124T101502.000Z-4f2a", Probe: "/etc/containerd/certs.d/" + ProbeHost, MadeDirs: []string{"/etc/containerd"},
			Items: []Item{{Target: "/etc/containerd/config.toml", Staged: "/etc/containerd/.pullway-x.config.toml.stage",
				Before: Entry{Kind: KindDir, Children: []Child{{Name: "hosts.toml", Entry: Entry{Kind: KindFile}}}}}}}
	}
	r := good()
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Record){
		"an id that climbs":               func(r *Record) { r.ID = "../../etc" },
		"no id":                           func(r *Record) { r.ID = "" },
		"a target that climbs":            func(r *Record) { r.Items[0].Target = "/etc/containerd/../passwd" },
		"a relative target":               func(r *Record) { r.Items[0].Target = "config.toml" },
		"the root":                        func(r *Record) { r.Items[0].Target = "/" },
		"staged as what is not ours":      func(r *Record) { r.Items[0].Staged = "/etc" },
		"staged as nothing":               func(r *Record) { r.Items[0].Staged = "" },
		"a child that climbs":             func(r *Record) { r.Items[0].Before.Children[0].Name = "../x" },
		"a child that is a folder":        func(r *Record) { r.Items[0].Before.Children[0].Entry.Kind = KindDir },
		"a probe that climbs":             func(r *Record) { r.Probe = "/etc/../" },
		"a folder that is the root":       func(r *Record) { r.MadeDirs = []string{"/"} },
		"a folder that is no path at all": func(r *Record) { r.MadeDirs = []string{"x\x00"} },
	} {
		r := good()
		spoil(&r)
		if r.check() == nil {
			t.Errorf("%s is believed", name)
		}
	}
}

// FuzzRecord: whatever stands in a journal or a record, only paths of an engine
// come out of it.
func FuzzRecord(f *testing.F) {
	b := newBench(f)
	for _, id := range []string{"20261124T101502.000Z-4f2a", "../../x"} {
		seed, _ := json.Marshal(Record{ID: id, Phase: PhaseActive, Items: []Item{{Target: "/etc/containerd/config.toml", Staged: "/etc/containerd/.pullway-x.stage",
			Before: Entry{Kind: KindAbsent}, After: NewFile([]byte("x"), 0o600)}}})
		f.Add(seed)
	}
	f.Add([]byte(`{"id":"x","items":[{"target":"/","staged":"/.pullway-/../.."}],"madeDirs":["/"],"probe":"/"}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"id":"a","items":[{"before":{"kind":"dir","children":[{"name":"..","entry":{"kind":"dir"}}]}}]}`))
	path := b.store.path("journal.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := b.store.journal()
		if err != nil {
			return
		}
		if filepath.Dir(b.store.transactionDir(r.ID)) != b.store.path("transactions") {
			t.Fatalf("transaction %q is in %s", r.ID, b.store.transactionDir(r.ID))
		}
		for _, i := range r.Items {
			for _, p := range []string{i.Staged, i.keep(), i.aside()} {
				if !strings.HasPrefix(filepath.Base(p), stagePrefix) || filepath.Clean(p) != p || !filepath.IsAbs(p) {
					t.Fatalf("%q would be deleted", p)
				}
			}
			if i.Target == "/" || filepath.Clean(i.Target) != i.Target || !filepath.IsAbs(i.Target) {
				t.Fatalf("%q would be changed", i.Target)
			}
		}
		_ = told(r)
	})
}

// FuzzStateFiles: the other files of the engine's folder.
func FuzzStateFiles(f *testing.F) {
	b := newBench(f)
	for _, s := range []string{`{"files":[{"path":"/etc/containerd/certs.d/r/hosts.toml","sha256":"00","mode":384}],"criAuth":["r"]}`, `{"boot":"x","at":1}`,
		`{"run":"x","op":"apply","pid":-1,"since":"2026-01-02T03:04:05Z"}`, "\x00", "[]", strings.Repeat("[", 20000)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{"manifest.json", "heartbeat", "lock", "key"} {
			must(t, os.WriteFile(b.store.path(name), data, 0o600))
		}
		_, _ = b.store.manifest()
		_ = b.store.lastBeat()
		if k, err := b.store.key(); len(data) <= 64 && (err != nil || len(k) != 32) {
			t.Fatalf("key of %q: %d bytes, %v", data, len(k), err)
		}
		file, err := os.Open(b.store.path("lock"))
		must(t, err)
		defer file.Close() //nolint:errcheck // read only
		_ = (&LockedError{holderOf(file)}).Error()
	})
}

// TestExposed needs root: it gives folders away.
func TestExposed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
	dir := t.TempDir()
	p := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	for _, d := range []string{"root/certs.d", "user/certs.d", "open/certs.d", "sticky/certs.d"} {
		must(t, os.MkdirAll(p(d), 0o755))
	}
	must(t, os.Chown(p("user"), 12345, 12345), os.Chmod(p("open"), 0o777), os.Chmod(p("sticky"), 0o777|os.ModeSticky),
		os.Symlink(p("user", "certs.d"), p("root", "link")), os.Symlink("../open/certs.d", p("root", "relative")), os.Symlink("loop", p("root", "loop")),
		os.WriteFile(p("root", "theirs"), nil, 0o600), os.Chown(p("root", "theirs"), 12345, 0))
	for path, want := range map[string]string{
		p("root", "certs.d"):        "",
		p("root", "certs.d", "new"): "",
		p("user", "certs.d"):        "belongs to user 12345",
		p("open", "certs.d"):        "mode 0777",
		p("sticky", "certs.d"):      "",
		p("root", "link"):           p("user") + " belongs to user 12345",
		p("root", "relative"):       p("open") + " has mode 0777",
		p("root", "loop"):           "",
		p("root", "theirs"):         "belongs to user 12345",
		"/etc/containerd/certs.d":   "",
	} {
		if got := exposed(path); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("exposed(%s) = %q, want %q", path, got, want)
		}
	}
}
