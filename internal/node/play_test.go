package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/failpoint"
	"github.com/pullway/pullway/internal/protocol"
)

// playbook is what a play does to a bench.
type playbook func(*bench) error

// play is the transaction of a play on this bench. The playbook may restart containerd.
func (b *bench) play(hook failpoint.Hook, do playbook) *transaction {
	b.t.Helper()
	b.store.disk.hook = hook
	r := &Record{ID: "20260101T000000.000Z-0001", Run: "run", Op: protocol.OpApply, Started: time.Now(),
		ConfigFile: filepath.Join(b.etc, "config.toml"), Probe: filepath.Join(b.hosts(), ProbeHost)}
	if err := r.keep(b.etc, b.hosts()); err != nil {
		b.t.Fatal(err)
	}
	t := b.run(r)
	t.anew = func(context.Context) bool { return b.daemon.restarts > 0 }
	t.hands = func(context.Context) error { return do(b) }
	t.prove = func(context.Context) ([]protocol.Proof, error) {
		_, err := t.cri.Pull(b.t.Context(), "r.example.com/app:v1")
		return nil, err
	}
	t.confirm = func(context.Context) error { return nil }
	return t
}

// The parts of playbooks. Ansible puts a file in place by a rename.
func writes(files ...string) playbook {
	return func(b *bench) error {
		for _, f := range files {
			path := filepath.Join(b.etc, f)
			if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
				return err
			}
			if err := errors.Join(os.WriteFile(path+".ansible", []byte("# Kubespray\n"), 0o640), os.Rename(path+".ansible", path)); err != nil {
				return err
			}
		}
		return nil
	}
}

func restarts(b *bench) error { return b.daemon.Restart(context.Background()) }

func loosens(b *bench) error { return os.Chmod(b.hosts(), 0o700) }

func fails(*bench) error { return errors.New("node1: task x failed") }

func badly(b *bench) error {
	b.cri.pullErr = errors.New("401")
	return nil
}

func together(parts ...playbook) playbook {
	return func(b *bench) error {
		for _, p := range parts {
			if err := p(b); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestPlay(t *testing.T) {
	const host, config = "certs.d/old.example.com/hosts.toml", "config.toml"
	cases := map[string]struct {
		do       playbook
		failed   protocol.Step
		outcome  protocol.Outcome
		changed  []string
		restarts int // in all
	}{
		"nothing changes":                               {together(), "", protocol.OutcomeUnchanged, nil, 0},
		"the same bytes again":                          {writes(), "", protocol.OutcomeUnchanged, nil, 0},
		"only a host directory":                         {writes(host, "certs.d/new.example.com/hosts.toml"), "", protocol.OutcomeApplied, []string{"certs.d/old.example.com", "certs.d/new.example.com"}, 0},
		"the configuration, and it restarts":            {together(writes(config, "cri-base.json"), restarts), "", protocol.OutcomeApplied, []string{"config.toml", "cri-base.json"}, 1},
		"the configuration, and it forgets to restart":  {writes(config), "", protocol.OutcomeApplied, []string{"config.toml"}, 1},
		"a restart and nothing else":                    {restarts, "", protocol.OutcomeApplied, nil, 1},
		"it fails at once":                              {fails, protocol.StepPlay, protocol.OutcomeRestored, nil, 0},
		"it fails half way":                             {together(writes(config, "cri-base.json", host, "certs.d/new.example.com/hosts.toml"), loosens, fails), protocol.StepPlay, protocol.OutcomeRestored, nil, 0},
		"it fails after the restart":                    {together(writes(config), restarts, fails), protocol.StepPlay, protocol.OutcomeRestored, nil, 2},
		"the proof of a host directory fails":           {together(writes(host), badly), protocol.StepProve, protocol.OutcomeRestored, nil, 0},
		"the same when it restarted for something else": {together(writes(host), restarts, badly), protocol.StepProve, protocol.OutcomeRestored, nil, 1},
		"the proof of a configuration fails":            {together(writes(config), restarts, badly), protocol.StepProve, protocol.OutcomeRestored, nil, 2},
		"the proof fails after our own restart":         {together(writes(config), badly), protocol.StepProve, protocol.OutcomeRestored, nil, 2},
		"CRI is gone afterwards":                        {together(writes(config), restarts, func(b *bench) error { b.cri.unhealthyAfter = b.daemon; return nil }), protocol.StepHealth, protocol.OutcomeRestored, nil, 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			res, err := b.play(nil, tc.do).run(t.Context())
			if (err != nil) != (tc.failed != "") || res.Failed != tc.failed || res.Outcome != tc.outcome || b.daemon.restarts != tc.restarts {
				t.Fatalf("%+v, %v, %d restarts", res, err, b.daemon.restarts)
			}
			var changed []string
			for _, c := range tc.changed {
				changed = append(changed, filepath.Join(b.etc, c))
			}
			slices.Sort(changed)
			slices.Sort(res.Changed)
			if tc.failed == "" && !slices.Equal(res.Changed, changed) {
				t.Errorf("changed %q", res.Changed)
			}
			if tc.outcome != protocol.OutcomeApplied {
				if d := b.isOld(); d != "" {
					t.Error(d)
				}
			}
			if err := b.clean(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What stands in configuration that was changed before, and that containerd has
// not read, is a reason to restart it although the play changes nothing.
func TestPlayRestartsForWhatIsUnread(t *testing.T) {
	b := newBench(t)
	tr := b.play(nil, together())
	tr.unread = true
	if res, err := tr.run(t.Context()); err != nil || b.daemon.restarts != 1 || res.Outcome != protocol.OutcomeApplied {
		t.Errorf("%+v, %v, %d restarts", res, err, b.daemon.restarts)
	}
}

// A play that is committed is undone as every other change.
func TestPlayIsRolledBack(t *testing.T) {
	b := newBench(t)
	do := together(writes("config.toml", "cri-base.json", "certs.d/old.example.com/hosts.toml", "certs.d/new.example.com/hosts.toml"), restarts)
	if _, err := b.play(nil, do).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	history, err := b.store.history()
	if err != nil || len(history) != 1 || !history[0].Restart {
		t.Fatalf("%+v, %v", history, err)
	}
	target, err := pickRollback(history, "run")
	if err != nil || target == nil {
		t.Fatal(target, err)
	}
	if err := b.store.loadBackup(target); err != nil {
		t.Fatal(err)
	}
	r := &Record{ID: "20260101T000001.000Z-0002", Run: "undo", Op: protocol.OpRollback, ConfigFile: target.ConfigFile, Restart: target.Restart, Undoes: target.ID, EmptyDirs: target.MadeDirs}
	if err := reverseItems(r, target, b.hosts()); err != nil {
		t.Fatal(err)
	}
	tr := b.run(r)
	tr.mayLose = true
	if err := tr.acrossDrift(target, false); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := b.isOld(); d != "" {
		t.Error(d)
	}
}

// Every point of a play's transaction is struck, by an error and by the engine's end.
func TestPlaySurvivesEveryBlow(t *testing.T) {
	do := together(writes("config.toml", "certs.d/old.example.com/hosts.toml", "certs.d/new.example.com/hosts.toml"), restarts)
	made := newBench(t)
	total := 0
	if _, err := made.play(func(failpoint.When, string, string) error { total++; return nil }, do).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if total < 100 {
		t.Fatalf("only %d points; they are not where they should be", total)
	}
	for n := 1; n <= total; n++ {
		for _, crash := range []bool{false, true} {
			b := newBench(t)
			s := &blows{left: []blow{{n, crash}}}
			err := b.survive(s, func(h failpoint.Hook) *transaction { return b.play(h, do) }, b.isOld, func() string { return cmp.Diff(made.tree(), b.tree()) })
			if err != nil {
				t.Fatalf("%q: %v", s.at, err)
			}
		}
	}
	t.Logf("%d points, each struck twice", total)
}

func TestHands(t *testing.T) {
	const within = time.Minute
	cases := map[string]struct {
		say   func(line, store)
		want  string
		after time.Duration
	}{
		"done":                       {func(l line, _ store) { l.control <- protocol.Control{Confirm: true} }, "", 0},
		"done after hours":           {func(l line, _ store) { time.Sleep(5 * time.Hour); l.control <- protocol.Control{Confirm: true} }, "", 5 * time.Hour},
		"failed":                     {func(l line, _ store) { l.control <- protocol.Control{Reason: "task x failed"} }, "task x failed", 0},
		"taken back":                 {func(l line, _ store) { l.control <- protocol.Control{} }, errTakenBack.Error(), 0},
		"the operator is gone":       {func(l line, _ store) { l.end() }, fmt.Sprintf("for %s after the connection ended", within), within},
		"another line takes it back": {func(l line, s store) { l.end(); leave(s, "t1", false) }, errTakenBack.Error(), wordEvery},
		"another line cannot say that it is done": {func(l line, s store) { l.end(); leave(s, "t1", true) }, errUnfinished.Error(), wordEvery},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine()
				e := NewEngine(t.TempDir(), func(protocol.Step, string) {}, l.control)
				e.lost = l.lost
				w := e.word("t1", within)
				ctx, end := w.listen(t.Context(), func() bool { return true })
				defer end()
				go tc.say(l, e.store)
				begin := time.Now()
				err := w.hands(ctx)
				if got := fmt.Sprint(err); tc.want == "" && err != nil || tc.want != "" && !strings.Contains(got, tc.want) {
					t.Errorf("%v, want %q", err, tc.want)
				}
				if took := time.Since(begin); took != tc.after {
					t.Errorf("after %s, want %s", took, tc.after)
				}
			})
		})
	}
}

// presentCRI has every image.
type presentCRI struct{ *fakeCRI }

func (presentCRI) Present(context.Context, string) (bool, error) { return true, nil }

// Where containerd reads no hosts directory an image is pulled by its own name, and
// the proof names no endpoint. One that the node has proves nothing.
func TestProofByNameAlone(t *testing.T) {
	const ref = "r.example.com/app:v1"
	prove := func(c CRI) ([]protocol.Proof, error) {
		p := &prover{cri: c, nameOnly: true, desired: config.Desired{VerifyImages: []string{ref}}, tell: func(protocol.Step, string) {}}
		return p.prove(t.Context())
	}
	c := &fakeCRI{}
	proofs, err := prove(c)
	if err != nil || len(proofs) != 1 || !proofs[0].OK || len(proofs[0].Endpoints) > 0 || proofs[0].ByName != "pulled" || !slices.Equal(c.dropped, []string{ref}) {
		t.Errorf("%+v, %v, dropped %q", proofs, err, c.dropped)
	}
	if _, err := prove(presentCRI{c}); !errors.Is(err, errNotProven) {
		t.Errorf("an image that is there: %v", err)
	}
	c.pullErr = errors.New("401")
	if proofs, err := prove(c); !errors.Is(err, errNotProven) || proofs[0].OK {
		t.Errorf("a pull that fails: %+v, %v", proofs, err)
	}
}
