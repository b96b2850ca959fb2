package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

func TestDriftSince(t *testing.T) {
	file := func(text string, mode uint32) Entry { return NewFile([]byte(text), mode) }
	dir := func(children ...Child) Entry {
		e := NewDir(0o755)
		e.Children = children
		return e
	}
	owned := file("a", 0o600)
	owned.UID = 12345
	absent := Entry{Kind: KindAbsent}
	link := Entry{Kind: KindSymlink, Target: "/x"}
	hosts := Child{"hosts.toml", file("a", 0o600)}
	cases := []struct {
		reason         string
		was, now, goal Entry
		want           drifted
	}{
		{"as the run left it", file("a", 0o600), file("a", 0o600), file("old", 0o600), driftNone},
		{"somebody put it back already", file("a", 0o600), file("old", 0o600), file("old", 0o600), driftNone},
		{"somebody removed what goes anyway", file("a", 0o600), absent, absent, driftNone},
		{"edited", file("a", 0o600), file("b", 0o600), file("old", 0o600), driftContent},
		{"removed", file("a", 0o600), absent, file("old", 0o600), driftGone},
		{"another mode", file("a", 0o600), file("a", 0o644), file("old", 0o600), driftShallow},
		{"another owner", file("a", 0o600), owned, file("old", 0o600), driftShallow},
		{"a link in its place", file("a", 0o600), link, file("old", 0o600), driftContent},
		{"a folder in its place", file("a", 0o600), dir(), file("old", 0o600), driftContent},
		{"something where the run left nothing", absent, file("b", 0o600), file("old", 0o600), driftContent},
		{"a directory as it was", dir(hosts), dir(hosts), absent, driftNone},
		{"a file more in it", dir(hosts), dir(Child{"a.crt", file("x", 0o644)}, hosts), absent, driftContent},
		{"an edited file in it", dir(hosts), dir(Child{"hosts.toml", file("b", 0o600)}), absent, driftContent},
		{"a file less in it", dir(hosts), dir(), absent, driftGone},
		{"another mode in it", dir(hosts), dir(Child{"hosts.toml", file("a", 0o644)}), absent, driftShallow},
		{"a link in its place", dir(hosts), link, absent, driftContent},
	}
	for _, tc := range cases {
		if got := driftSince(tc.was, tc.now, tc.goal); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.reason, got, tc.want)
		}
	}
}

// TestRollbackAcrossDrift: what somebody wrote since stops a rollback, which may
// go over it when told to and keeps it in its backup.
func TestRollbackAcrossDrift(t *testing.T) {
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		somebody func(*testing.T, *bench)
		// refused without a flag; warns tells what is said otherwise; never is for
		// what no flag passes over.
		refused, never bool
		warns          string
	}{
		"nobody did anything": {func(*testing.T, *bench) {}, false, false, ""},
		"edited": {func(_ *testing.T, b *bench) { b.write("certs.d/old.example.com/hosts.toml", "# theirs now\n", 0o600) },
			true, false, "is in this rollback's backup"},
		"config.toml edited": {func(_ *testing.T, b *bench) { b.write("config.toml", "version = 2\n# changed\n# and more\n", 0o640) },
			true, false, "is in this rollback's backup"},
		"a file more in a new directory": {func(_ *testing.T, b *bench) { b.write("certs.d/new.example.com/theirs.crt", "x", 0o644) },
			true, false, "is in this rollback's backup"},
		"a directory where the run left none": {func(_ *testing.T, b *bench) { b.write("certs.d/gone.example.com/hosts.toml", "# theirs\n", 0o644) },
			true, false, "is in this rollback's backup"},
		"removed": {func(t *testing.T, b *bench) { remove(t, filepath.Join(b.hosts(), "old.example.com/hosts.toml")) },
			false, false, "was removed"},
		"a new directory removed": {func(t *testing.T, b *bench) { remove(t, filepath.Join(b.hosts(), "new.example.com")) },
			false, false, ""},
		"another mode": {func(t *testing.T, b *bench) {
			if err := os.Chmod(filepath.Join(b.etc, "config.toml"), 0o666); err != nil {
				t.Fatal(err)
			}
		}, false, false, "another mode or owner"},
		"a link where a directory was": {func(t *testing.T, b *bench) {
			if err := os.Symlink("/nowhere", filepath.Join(b.hosts(), "gone.example.com")); err != nil {
				t.Fatal(err)
			}
		}, true, true, ""},
		"our file became a link": {func(t *testing.T, b *bench) {
			path := filepath.Join(b.hosts(), "old.example.com/hosts.toml")
			remove(t, path)
			if err := os.Symlink("/nowhere", path); err != nil {
				t.Fatal(err)
			}
		}, true, false, "is in this rollback's backup"},
		"our file became a folder": {func(t *testing.T, b *bench) {
			path := filepath.Join(b.hosts(), "old.example.com/hosts.toml")
			remove(t, path)
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, true, false, "is in this rollback's backup"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			applied := b.transaction(nil)
			if _, err := applied.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			tc.somebody(t, b)
			drifted := b.tree()
			back := func(id string) *transaction {
				target := *applied.record
				if err := b.store.loadBackup(&target); err != nil {
					t.Fatal(err)
				}
				r := &Record{ID: id, Run: "back", Op: protocol.OpRollback, Started: time.Now(), ConfigFile: target.ConfigFile}
				tr := &transaction{store: b.store, record: r, daemon: b.daemon, cri: b.cri, hostsDir: b.hosts(),
					baseline: &cri.Baseline{}, tell: func(protocol.Step, string) {}, now: time.Now}
				if err := reverseItems(r, &target, b.hosts()); err != nil {
					t.Fatal(err)
				}
				return tr
			}
			tr := back("20260101T000001.000Z-0002")
			err := tr.acrossDrift(applied.record, false)
			var pe *protocol.Error
			if (err != nil) != tc.refused || tc.refused && (!errors.As(err, &pe) || pe.Kind != protocol.ErrRefused || pe.Hint == "") {
				t.Fatalf("without a flag: %v, want refused %v", err, tc.refused)
			}
			if diff := cmp.Diff(drifted, b.tree()); diff != "" {
				t.Fatal(diff)
			}
			tr = back("20260101T000001.000Z-0003")
			if err := tr.acrossDrift(applied.record, true); (err != nil) != tc.never {
				t.Fatalf("--overwrite: %v, want an error %v", err, tc.never)
			}
			if tc.never {
				return
			}
			if told := texts(tr.result.Warnings); !strings.Contains(told, tc.warns) || (told == "") != (tc.warns == "") {
				t.Errorf("told %q, want %q", told, tc.warns)
			}
			if _, err := tr.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := b.isOld(); diff != "" {
				t.Error(diff)
			}
			if err := b.store.loadBackup(tr.record); err != nil {
				t.Errorf("the rollback's own backup: %v", err)
			}
		})
	}
}

func texts(notices []plan.Notice) string {
	var all []string
	for _, n := range notices {
		all = append(all, n.Text)
	}
	return strings.Join(all, "\n")
}

// TestConfigOf: state of engines that did not list configuration files.
func TestConfigOf(t *testing.T) {
	item := func(path, sum string) Item {
		return Item{Target: path, Staged: "/etc/.pullway-x.stage", Config: true, After: Entry{Kind: KindFile, SHA256: sum, Mode: 0o640}}
	}
	history := []*Record{ // newest first
		{Op: protocol.OpRollback, Phase: PhaseCommitted, Items: []Item{item("/etc/c", "back")}},
		{Op: protocol.OpApply, Phase: PhaseCommitted, Undone: true, Items: []Item{item("/etc/c", "undone")}},
		{Op: protocol.OpApply, Phase: PhaseCommitted, Items: []Item{{Target: "/etc/h", After: Entry{Kind: KindFile}}, item("/etc/d", "d")}},
		{Op: protocol.OpApply, Phase: PhaseCommitted, Items: []Item{item("/etc/d", "older"), item("/etc/c", "c")}},
	}
	want := []plan.OwnedConfig{{Path: "/etc/c", SHA256: "c", Mode: 0o640}, {Path: "/etc/d", SHA256: "d", Mode: 0o640}}
	if diff := cmp.Diff(want, configOf(history)); diff != "" {
		t.Error(diff)
	}
	s := store{dir: t.TempDir()}
	if err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	old := `{"files":[{"path":"/etc/containerd/certs.d/r/hosts.toml","sha256":"x","mode":384}],"criAuth":["r"],"name":"default"}`
	if err := os.WriteFile(s.path("manifest.json"), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	history[3].ID = "20260101T000000.000Z-0001"
	if err := s.writeRecord(history[3]); err != nil {
		t.Fatal(err)
	}
	m, err := s.remembered()
	if err != nil || len(m.Files) != 1 || len(m.Config) != 2 || m.Config[1].SHA256 != "older" {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestAHostFileThatWeWriteIsOurs: the owner of a config.toml stays, that of a
// host directory's file becomes the engine's.
func TestAHostFileThatWeWriteIsOurs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	b := newBench(t)
	for _, name := range []string{"config.toml", "certs.d/old.example.com/hosts.toml"} {
		if err := os.Chown(filepath.Join(b.etc, name), 1000, 1000); err != nil {
			t.Fatal(err)
		}
	}
	items, _, err := itemsOf(b.changes(), b.hosts(), "t")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		switch filepath.Base(i.Target) {
		case "config.toml":
			if i.After.UID != 1000 {
				t.Errorf("%s will belong to %d", i.Target, i.After.UID)
			}
		case "hosts.toml":
			if i.After.UID != 0 || i.Before.UID != 1000 {
				t.Errorf("%s will belong to %d", i.Target, i.After.UID)
			}
		}
	}
}

// TestReadHosts: owners, links and folders are seen, and what they name.
func TestReadHosts(t *testing.T) {
	b := newBench(t)
	for link, to := range map[string]string{"linked.example.com": "/srv/hosts", "old.example.com/ca.pem": "/etc/ca.pem"} {
		if err := os.Symlink(to, filepath.Join(b.hosts(), link)); err != nil {
			t.Fatal(err)
		}
	}
	b.write("certs.d/_backup/old.example.com/hosts.toml", "x", 0o644)
	hosts, err := readHosts(b.hosts())
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]plan.HostDir{}
	for _, h := range hosts {
		byName[h.Name] = h
	}
	if h := byName["linked.example.com"]; h.Kind != "link" || h.Link != "/srv/hosts" {
		t.Errorf("%+v", h)
	}
	if h := byName["old.example.com"]; len(h.Files) != 2 || h.Files[0].Link != "/etc/ca.pem" || h.Files[0].Data != nil || h.Files[1].Owner != "" {
		t.Errorf("%+v", h)
	}
	if h := byName["_backup"]; len(h.Folders) != 1 || h.Folders[0] != "old.example.com" {
		t.Errorf("%+v", h)
	}
}
