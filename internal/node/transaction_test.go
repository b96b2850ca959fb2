package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/failpoint"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// fakeDaemon is a containerd whose restarts and checks are scripted.
type fakeDaemon struct {
	restarts   int
	failAt     int // the restart that fails; 0 for none
	checkError string
	checked    []string
	onRestart  func() // after a restart, when not nil
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
	if d.onRestart != nil {
		d.onRestart()
	}
	return nil
}

func (d *fakeDaemon) Refresh(context.Context) error { return nil }

// fakeCRI is a CRI that is healthy unless told otherwise.
type fakeCRI struct {
	unhealthyAfter *fakeDaemon // unhealthy while this daemon has restarted exactly once
	pullErr        error
	onPull         func(ref string) error // before a pull, when not nil
	stale          func() bool            // whether a pull finds every layer on the node
	dropped        []string
	dropErr        error
	containers     []cri.Container
	endings        map[string]cri.Ending
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
	if c.onPull != nil {
		if err := c.onPull(ref); err != nil {
			return cri.Pulled{}, err
		}
	}
	return cri.Pulled{Ref: ref, Fresh: c.stale == nil || !c.stale()}, c.pullErr
}
func (c *fakeCRI) Present(context.Context, string) (bool, error) { return false, nil }
func (c *fakeCRI) DropPulled(_ context.Context, p cri.Pulled) ([]string, error) {
	c.dropped = append(c.dropped, p.Ref)
	return nil, c.dropErr
}

// bench is a node in a temporary folder: etc with config.toml and certs.d, and
// the engine's own store.
type bench struct {
	t      testing.TB
	etc    string
	units  string
	store  store
	daemon *fakeDaemon
	cri    *fakeCRI
	old    map[string]string
	// sameDaemon tells that a recovery sees the process that ran when all began.
	sameDaemon bool
	// unseen tells that a recovery cannot observe the node; nil is never.
	unseen func() bool
}

func newBench(t testing.TB) *bench {
	b := emptyBench(t)
	b.write("config.toml", "version = 2\n", 0o640)
	b.write("certs.d/old.example.com/hosts.toml", "server = \"https://old.example.com\"\n", 0o600)
	b.write("certs.d/gone.example.com/hosts.toml", "# ours\n", 0o644)
	b.write("certs.d/gone.example.com/ca-1.pem", "PEM\n", 0o644)
	b.write("certs.d/theirs.example.com/hosts.toml", "# theirs\n", 0o644)
	b.old = b.tree()
	return b
}

// emptyBench is a node without any file. It is in memory where that is to be had.
func emptyBench(t testing.TB) *bench {
	dir, err := os.MkdirTemp("/dev/shm", "pullway-node-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &bench{t: t, etc: filepath.Join(dir, "etc"), units: filepath.Join(dir, "units"), daemon: &fakeDaemon{}, cri: &fakeCRI{}}
	b.store = store{dir: filepath.Join(dir, "state")}
	if err := errors.Join(os.Mkdir(b.etc, 0o755), os.Mkdir(b.units, 0o755), b.store.prepare()); err != nil {
		t.Fatal(err)
	}
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

// tree is every path below etc with mode, owner, and content or target.
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
		if sys := st.Sys().(*syscall.Stat_t); int(sys.Uid) != os.Geteuid() || int(sys.Gid) != os.Getegid() {
			text += fmt.Sprintf(" %d:%d", sys.Uid, sys.Gid)
		}
		switch {
		case st.Mode().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text += " " + string(data)
		case st.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			text += " -> " + to
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

func (b *bench) transaction(hook failpoint.Hook) *transaction { return b.apply(hook, b.changes()) }

func (b *bench) apply(hook failpoint.Hook, changes []plan.Change) *transaction {
	b.t.Helper()
	b.store.disk.hook = hook
	r := &Record{ID: "20260101T000000.000Z-0001", Run: "run", Op: protocol.OpApply, Started: time.Now(), Restart: true,
		ConfigFile: filepath.Join(b.etc, "config.toml"), Probe: filepath.Join(b.hosts(), ProbeHost)}
	var err error
	if r.Items, r.MadeDirs, err = itemsOf(changes, b.hosts(), r.ID); err != nil {
		b.t.Fatal(err)
	}
	t := b.run(r)
	p := &prover{disk: b.store.disk, cri: t.cri, release: containerd.Release{Major: 1, Minor: 7, Patch: 35}, hostsDir: b.hosts(), tell: t.tell,
		provable: func(config.Registry) bool { return true }, restart: r.Restart,
		desired: config.Desired{VerifyImages: []string{"new.example.com/app:v1"}, Registries: []config.Registry{{Host: "new.example.com", Fallback: v1alpha1.FallbackNone,
			Endpoints: []config.Endpoint{{URL: "https://new.example.com", Capabilities: []string{"pull", "resolve"}}}}}}}
	t.probe, t.prove, t.dropPulled = p.probe, p.prove, p.dropPulled
	t.confirm = func(context.Context) error {
		return b.store.disk.around("await", "confirmation", func() error { return nil })
	}
	return t
}

// run is the transaction of a record on this bench.
func (b *bench) run(r *Record) *transaction {
	hook := b.store.disk.hook
	return &transaction{store: b.store, record: r, daemon: pointedDaemon{b.daemon, hook}, cri: pointedCRI{b.cri, hook},
		hostsDir: b.hosts(), baseline: &cri.Baseline{}, processStart: func(pid int) uint64 { return uint64(pid) }, deadMan: b.deadMan(), tell: func(protocol.Step, string) {}, now: time.Now}
}

// refusePullsOnceRestarted lets the new state work until it is in force.
func (b *bench) refusePullsOnceRestarted() {
	b.cri.onPull = func(string) error {
		if b.daemon.restarts > 0 {
			return errors.New("401")
		}
		return nil
	}
}

// deadMan is a switch whose systemd is a folder of the bench.
func (b *bench) deadMan() daemon.DeadMan {
	return daemon.DeadMan{Program: "/engine", Dir: b.units, Hook: b.store.disk.hook,
		Run: func(context.Context, daemon.Command) (daemon.Output, error) { return daemon.Output{}, nil }}
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

// clean tells what is left of a transaction, beside the record of one that stands.
func (b *bench) clean() error {
	var left []string
	for _, top := range []string{b.store.dir, b.units} {
		err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			switch name := d.Name(); {
			case name == "journal.json", strings.HasSuffix(name, ".new"), strings.HasPrefix(name, "pullway-"):
				left = append(left, p)
			case filepath.Base(filepath.Dir(p)) == "transactions" && !exists(filepath.Join(p, "record.json")):
				left = append(left, p+" without a record")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("left behind: %q", left)
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
		"pull fails":                 {(*bench).refusePullsOnceRestarted, protocol.StepProve, protocol.OutcomeRestored, 2},
		"restart and its undo fail":  {func(b *bench) { b.refusePullsOnceRestarted(); b.daemon.failAt = 2 }, protocol.StepProve, protocol.OutcomeBroken, 2},
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
