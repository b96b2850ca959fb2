package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// fakeDaemon is a containerd whose restarts and checks are scripted.
type fakeDaemon struct {
	restarts   int
	failAt     int // the restart that fails; 0 for none
	checkError string
	checked    []string
}

func (d *fakeDaemon) Check(_ context.Context, candidate string) (daemon.Report, error) {
	d.checked = append(d.checked, candidate)
	if d.checkError != "" {
		return daemon.Report{Exit: 1, Error: d.checkError, Row: 3, Column: 1}, nil
	}
	return daemon.Report{}, nil
}

func (d *fakeDaemon) Restart(context.Context) error {
	if d.restarts++; d.restarts == d.failAt {
		return errors.New("the unit did not start")
	}
	return nil
}

func (d *fakeDaemon) Refresh(context.Context) error { return nil }

// fakeCRI is a CRI that is healthy unless told otherwise.
type fakeCRI struct {
	unhealthyAfter *fakeDaemon // unhealthy while this daemon has restarted exactly once
	pullErr        error
}

func (c *fakeCRI) health() error {
	if c.unhealthyAfter != nil && c.unhealthyAfter.restarts == 1 {
		return errors.New("CRI is missing")
	}
	return nil
}

func (c *fakeCRI) Health(context.Context) (cri.Health, error) {
	return cri.Health{RuntimeReady: true}, c.health()
}

func (c *fakeCRI) WaitHealthy(context.Context, cri.Baseline, time.Duration) (cri.Health, time.Duration, error) {
	return cri.Health{RuntimeReady: true}, 0, c.health()
}

func (c *fakeCRI) Watch(context.Context) func() time.Duration {
	return func() time.Duration { return time.Millisecond }
}

func (c *fakeCRI) Pull(_ context.Context, ref string) (cri.Pulled, error) {
	return cri.Pulled{Ref: ref, Fresh: true}, c.pullErr
}
func (c *fakeCRI) Present(context.Context, string) (bool, error) { return false, nil }
func (c *fakeCRI) DropPulled(context.Context, cri.Pulled) ([]string, error) {
	return nil, nil
}

// bench is a node in a temporary folder: etc with config.toml and certs.d, and
// the engine's own store.
type bench struct {
	t      testing.TB
	etc    string
	store  store
	daemon *fakeDaemon
	cri    *fakeCRI
	old    map[string]string
}

func newBench(t testing.TB) *bench {
	dir := t.TempDir()
	b := &bench{t: t, etc: filepath.Join(dir, "etc"), daemon: &fakeDaemon{}, cri: &fakeCRI{}}
	b.store = store{dir: filepath.Join(dir, "state")}
	b.write("config.toml", "version = 2\n", 0o640)
	b.write("certs.d/old.example.com/hosts.toml", "server = \"https://old.example.com\"\n", 0o600)
	b.write("certs.d/gone.example.com/hosts.toml", "# ours\n", 0o644)
	b.write("certs.d/gone.example.com/ca-1.pem", "PEM\n", 0o644)
	b.write("certs.d/theirs.example.com/hosts.toml", "# theirs\n", 0o644)
	if err := b.store.prepare(); err != nil {
		t.Fatal(err)
	}
	b.old = b.tree()
	return b
}

func (b *bench) write(name, text string, mode fs.FileMode) {
	path := filepath.Join(b.etc, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
}

// tree is every path below etc with mode and content.
func (b *bench) tree() map[string]string {
	all := map[string]string{}
	err := filepath.WalkDir(b.etc, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		text := st.Mode().String()
		if st.Mode().IsRegular() {
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text += " " + string(data)
		}
		rel, _ := filepath.Rel(b.etc, p)
		all[rel] = text
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

func (b *bench) hosts() string { return filepath.Join(b.etc, "certs.d") }

// changes: a new host directory of two files, an updated file, a host directory
// that goes, and config.toml last.
func (b *bench) changes() []plan.Change {
	return []plan.Change{
		{Path: filepath.Join(b.hosts(), "new.example.com/ca-2.pem"), Action: plan.Create, Mode: 0o644, Content: []byte("PEM2\n")},
		{Path: filepath.Join(b.hosts(), "new.example.com/hosts.toml"), Action: plan.Create, Mode: 0o600, Content: []byte("# new\n")},
		{Path: filepath.Join(b.hosts(), "old.example.com/hosts.toml"), Action: plan.Update, Mode: 0o600, Content: []byte("# changed\n")},
		{Path: filepath.Join(b.hosts(), "gone.example.com/hosts.toml"), Action: plan.Delete},
		{Path: filepath.Join(b.hosts(), "gone.example.com/ca-1.pem"), Action: plan.Delete},
		{Path: filepath.Join(b.etc, "config.toml"), Action: plan.Update, Mode: 0o640, Content: []byte("version = 2\n# changed\n"), Effect: "restart"},
	}
}

func (b *bench) transaction(fault func(string, string) error) *transaction {
	b.t.Helper()
	b.store.disk.fault = fault
	r := &Record{ID: "20260101T000000.000Z-0001", Run: "run", Op: protocol.OpApply, Started: time.Now(), Restart: true,
		ConfigFile: filepath.Join(b.etc, "config.toml"), Probe: filepath.Join(b.hosts(), ProbeHost)}
	var err error
	if r.Items, r.MadeDirs, err = itemsOf(b.changes(), b.hosts(), r.ID); err != nil {
		b.t.Fatal(err)
	}
	t := &transaction{store: b.store, record: r, daemon: b.daemon, cri: b.cri, hostsDir: b.hosts(),
		baseline: &cri.Baseline{}, tell: func(protocol.Step, string) {}, now: time.Now}
	t.prove = func(ctx context.Context) ([]protocol.Proof, error) {
		p, err := b.cri.Pull(ctx, "image")
		return []protocol.Proof{{Image: p.Ref, OK: err == nil}}, err
	}
	return t
}

// isOld and isNew compare the tree with the two states it may have.
func (b *bench) isOld() string { return cmp.Diff(b.old, b.tree()) }

func (b *bench) isNew() string {
	want := map[string]string{}
	for p, s := range b.old {
		if !strings.HasPrefix(p, "certs.d/gone.example.com") {
			want[p] = s
		}
	}
	want["certs.d/new.example.com"] = "drwxr-xr-x"
	want["certs.d/new.example.com/ca-2.pem"] = "-rw-r--r-- PEM2\n"
	want["certs.d/new.example.com/hosts.toml"] = "-rw------- # new\n"
	want["certs.d/old.example.com/hosts.toml"] = "-rw------- # changed\n"
	want["config.toml"] = "-rw-r----- version = 2\n# changed\n"
	return cmp.Diff(want, b.tree())
}

func (b *bench) clean() error {
	if r, err := (store{dir: b.store.dir}).journal(); err != nil || r != nil {
		return fmt.Errorf("a journal is left: %v, %v", r, err)
	}
	return nil
}

func TestTransactionCommits(t *testing.T) {
	b := newBench(t)
	res, err := b.transaction(nil).run(t.Context())
	if err != nil || res.Outcome != protocol.OutcomeApplied {
		t.Fatalf("run = %+v, %v", res, err)
	}
	if diff := b.isNew(); diff != "" {
		t.Error(diff)
	}
	if err := b.clean(); err != nil {
		t.Error(err)
	}
	if len(b.daemon.checked) != 1 || !strings.HasSuffix(b.daemon.checked[0], ".stage") {
		t.Errorf("checked %q, want the staged candidate before it was live", b.daemon.checked)
	}
	if b.daemon.restarts != 1 || !res.Restarted {
		t.Errorf("%d restarts, told %v", b.daemon.restarts, res.Restarted)
	}
}

func TestTransactionUndoes(t *testing.T) {
	cases := map[string]struct {
		prepare  func(*bench)
		failed   protocol.Step
		outcome  protocol.Outcome
		restarts int
	}{
		"candidate refused":          {func(b *bench) { b.daemon.checkError = "bad" }, protocol.StepCheck, protocol.OutcomeRefused, 0},
		"restart fails":              {func(b *bench) { b.daemon.failAt = 1 }, protocol.StepRestart, protocol.OutcomeRestored, 2},
		"comes back without CRI":     {func(b *bench) { b.cri.unhealthyAfter = b.daemon }, protocol.StepRestart, protocol.OutcomeRestored, 2},
		"pull fails":                 {func(b *bench) { b.cri.pullErr = errors.New("401") }, protocol.StepProve, protocol.OutcomeRestored, 2},
		"restart and its undo fail":  {func(b *bench) { b.cri.pullErr = errors.New("401"); b.daemon.failAt = 2 }, protocol.StepProve, protocol.OutcomeBroken, 2},
		"the file was changed since": {func(b *bench) {}, protocol.StepSwap, protocol.OutcomeRestored, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			tc.prepare(b)
			tr := b.transaction(nil)
			if tc.failed == protocol.StepSwap {
				b.write("config.toml", "version = 2\n# somebody else\n", 0o640)
			}
			res, err := tr.run(t.Context())
			if err == nil || res.Failed != tc.failed || res.Outcome != tc.outcome || b.daemon.restarts != tc.restarts {
				t.Fatalf("run = %+v, %v with %d restarts; want %s at %s with %d", res, err, b.daemon.restarts, tc.outcome, tc.failed, tc.restarts)
			}
			if diff := b.isOld(); diff != "" {
				t.Error(diff)
			}
			if tc.outcome == protocol.OutcomeBroken {
				if r, _ := b.store.journal(); r == nil || r.Phase != PhaseBroken {
					t.Errorf("journal %+v, want one that says broken", r)
				}
				if err := b.store.loadBackup(tr.record); err != nil {
					t.Errorf("the backup must stay: %v", err)
				}
				return
			}
			if err := b.clean(); err != nil {
				t.Error(err)
			}
		})
	}
}

// operations runs one transaction and counts its disk operations.
func operations(t *testing.T) int {
	n := 0
	if _, err := newBench(t).transaction(func(string, string) error { n++; return nil }).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// Every disk operation fails once: afterwards all is old, or, once committed, new.
func TestTransactionSurvivesEveryFault(t *testing.T) {
	total := operations(t)
	if total < 60 {
		t.Fatalf("only %d operations; the fault points are not where they should be", total)
	}
	for i := 1; i <= total; i++ {
		b := newBench(t)
		n, at := 0, ""
		res, err := b.transaction(func(op, path string) error {
			if n++; n == i {
				at = op + " " + path
				return errors.New("fault")
			}
			return nil
		}).run(t.Context())
		check := b.isOld
		if err == nil {
			// Tidying up may have failed, which is told; the next engine finishes it.
			check = b.isNew
			b.settle(len(res.Warnings) > 0)
		}
		if diff := check(); diff != "" {
			t.Fatalf("fault %d (%s), %s, error %v:\n%s", i, at, res.Outcome, err, diff)
		}
		if err := b.clean(); err != nil {
			t.Fatalf("fault %d (%s): %v", i, at, err)
		}
	}
}

// settle does what the next engine does first. A journal may be left only when
// the result has told so.
func (b *bench) settle(told bool) {
	b.store.disk.fault = nil
	r, err := b.store.journal()
	if err != nil || r != nil && !told {
		b.t.Fatalf("a journal is left without a word: %v, %v", r, err)
	}
	if r == nil {
		return
	}
	tr := b.transaction(nil)
	tr.record = r
	if err := recoverFrom(b.t.Context(), tr, true); err != nil {
		b.t.Fatal(err)
	}
}

// The engine is killed before every disk operation: nothing works any more, its
// own undo included. The next engine settles it.
func TestTransactionSurvivesEveryCrash(t *testing.T) {
	for i, total := 1, operations(t); i <= total; i++ {
		b := newBench(t)
		n, at := 0, ""
		_, _ = b.transaction(func(op, path string) error {
			if n++; n >= i {
				if n == i {
					at = op + " " + path
				}
				return errors.New("killed")
			}
			return nil
		}).run(t.Context())
		b.store.disk.fault = nil
		r, err := b.store.journal()
		if err != nil {
			t.Fatalf("crash %d (%s): %v", i, at, err)
		}
		committed := r == nil && b.isNew() == "" || r != nil && r.Phase == PhaseCommitted
		b.settle(true)
		check := b.isOld
		if committed {
			check = b.isNew
		}
		if diff := check(); diff != "" {
			t.Fatalf("crash %d (%s), committed %v:\n%s", i, at, committed, diff)
		}
		if err := b.clean(); err != nil {
			t.Fatalf("crash %d (%s): %v", i, at, err)
		}
	}
}

func TestTransactionBackToAnUnwellNode(t *testing.T) {
	b := newBench(t)
	b.cri.unhealthyAfter = b.daemon
	tx := b.transaction(nil)
	tx.prove, tx.toUnwell = nil, true
	res, err := tx.run(t.Context())
	if err != nil || res.Outcome != protocol.OutcomeApplied || !res.Restarted {
		t.Fatalf("run = %+v, %v", res, err)
	}
	if len(res.Warnings) != 1 || res.Warnings[0].ID != "unwell" {
		t.Errorf("warnings %+v, want the one that CRI is not healthy", res.Warnings)
	}
	if d := b.isNew(); d != "" {
		t.Error(d)
	}
}
