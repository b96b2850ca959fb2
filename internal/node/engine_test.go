package node

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/secret"
)

func TestASecondRunIsToldWhoHoldsTheNode(t *testing.T) {
	s := store{dir: t.TempDir()}
	unlock, err := s.lock(Holder{Run: "20260101T000000Z-aaaa", Op: "apply", Operator: "ann@desk", Since: time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.lock(Holder{Run: "other", Op: "apply", Since: time.Now()})
	var locked *LockedError
	if !errors.As(err, &locked) || !strings.Contains(err.Error(), "20260101T000000Z-aaaa") || !strings.Contains(err.Error(), "2026-01-01T10:00:00Z") || !strings.Contains(err.Error(), "by ann@desk") {
		t.Fatalf("second lock: %v", err)
	}
	unlock()
	if unlock, err = s.lock(Holder{Run: "third", Op: "apply", Since: time.Now()}); err != nil {
		t.Fatalf("after the first let go: %v", err)
	}
	unlock()
}

func TestPickRollback(t *testing.T) {
	rec := func(run string, op protocol.Op, undone bool) *Record {
		return &Record{ID: run, Run: run, Op: op, Phase: PhaseCommitted, Undone: undone}
	}
	cases := map[string]struct {
		history []*Record // newest first
		run     string
		want    string
		refused bool
	}{
		"the newest":                  {[]*Record{rec("b", protocol.OpApply, false), rec("a", protocol.OpApply, false)}, "b", "b", false},
		"one below another":           {[]*Record{rec("b", protocol.OpApply, false), rec("a", protocol.OpApply, false)}, "a", "", true},
		"the one above was undone":    {[]*Record{rec("r", protocol.OpRollback, false), rec("b", protocol.OpApply, true), rec("a", protocol.OpApply, false)}, "a", "a", false},
		"undone already":              {[]*Record{rec("r", protocol.OpRollback, false), rec("a", protocol.OpApply, true)}, "a", "", false},
		"a run that was not here":     {[]*Record{rec("a", protocol.OpApply, false)}, "x", "", false},
		"none named means the newest": {[]*Record{rec("b", protocol.OpApply, false)}, "", "b", false},
	}
	for name, tc := range cases {
		got, err := pickRollback(tc.history, tc.run)
		id := ""
		if got != nil {
			id = got.ID
		}
		if id != tc.want || (err != nil) != tc.refused {
			t.Errorf("%s: %q, %v; want %q, refused %v", name, id, err, tc.want, tc.refused)
		}
	}
}

// seeing is a CRI that notes what stands in the hosts directory during pulls.
type seeing struct {
	fakeCRI
	hosts string
	seen  map[string]string
	fail  map[string]error
	drops []string
	have  bool

	dropErr      error
	hostsDropped []string
}

func (c *seeing) Pull(_ context.Context, ref string) (cri.Pulled, error) {
	b, _ := os.ReadFile(filepath.Join(c.hosts, ProbeHost, "hosts.toml"))
	c.seen[ref] = string(b)
	return cri.Pulled{Ref: ref, Digest: "sha256:1", Fresh: true}, c.fail[ref]
}

func (c *seeing) Present(context.Context, string) (bool, error) { return c.have, nil }

func (c *seeing) DropPulled(_ context.Context, p cri.Pulled) ([]string, error) {
	c.drops = append(c.drops, p.Ref)
	return nil, c.dropErr
}

func (c *seeing) DropUnder(_ context.Context, host string) error {
	c.hostsDropped = append(c.hostsDropped, host)
	return nil
}

func TestProveLeavesNothingBehind(t *testing.T) {
	const image, probe = "192.168.21.9/library/app:v1", ProbeHost + "/library/app:v1"
	pullErr := &cri.PullError{Ref: probe, Text: "401 Unauthorized", Hint: "look at the password"}
	cases := map[string]struct {
		fail   map[string]error
		have   bool
		ok     bool
		byName string
		drops  int
		// dropErr is the answer to taking the probe's image away, hostDrops how often
		// all of its host's are.
		dropErr   error
		hostDrops int
	}{
		"both pulls work":           {nil, false, true, "pulled", 2, nil, 0},
		"the node has the image":    {nil, true, true, "not pulled: the node has this image, and a pull could move its tag", 1, nil, 0},
		"it cannot be dropped":      {nil, true, true, "not pulled: the node has this image, and a pull could move its tag", 1, errors.New("EIO"), 1},
		"the endpoints refuse":      {map[string]error{probe: pullErr}, false, false, "", 0, nil, 1},
		"the host directory is not": {map[string]error{image: pullErr}, false, false, "failed", 1, nil, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			hosts := filepath.Join(t.TempDir(), "certs.d")
			if err := os.Mkdir(hosts, 0o755); err != nil {
				t.Fatal(err)
			}
			c := &seeing{hosts: hosts, seen: map[string]string{}, fail: tc.fail, have: tc.have, dropErr: tc.dropErr}
			p := prover{cri: c, release: containerd.Release{Major: 1, Minor: 7, Patch: 35}, hostsDir: hosts, tell: func(protocol.Step, string) {},
				header: map[string]bool{"192.168.21.9": true},
				desired: config.Desired{VerifyImages: []string{image}, Registries: []config.Registry{{Host: "192.168.21.9", Fallback: v1alpha1.FallbackUpstream,
					Endpoints: []config.Endpoint{{URL: "http://192.168.21.9", Capabilities: []string{"pull", "resolve"}}},
					Auth:      &config.Auth{Username: "admin", Password: secret.New("p")}}}}}
			proofs, err := p.prove(t.Context())
			if (err == nil) != tc.ok || len(proofs) != 1 || proofs[0].OK != tc.ok || proofs[0].ByName != tc.byName {
				t.Fatalf("prove = %+v, %v", proofs, err)
			}
			if !tc.ok && (proofs[0].Error != pullErr.Text || proofs[0].Hint != pullErr.Hint) {
				t.Errorf("the reason is lost: %+v", proofs[0])
			}
			if text := c.seen[probe]; !strings.Contains(text, `server = "http://192.168.21.9"`) || strings.Contains(text, "https://") {
				t.Errorf("the probe could have been served by another host:\n%s", text)
			}
			if len(c.drops) != tc.drops {
				t.Errorf("dropped %q, want %d pulls", c.drops, tc.drops)
			}
			if len(c.hostsDropped) != tc.hostDrops {
				t.Errorf("images of %q dropped, want %d times", c.hostsDropped, tc.hostDrops)
			}
			left, _ := filepath.Glob(filepath.Join(filepath.Dir(hosts), "*"))
			inside, _ := os.ReadDir(hosts)
			if len(left) != 1 || len(inside) != 0 {
				t.Errorf("left behind: %q, %v", left, inside)
			}
		})
	}
}

func TestServeAnswersWhatMakesNoSense(t *testing.T) {
	cases := map[string]struct {
		in   string
		want string
	}{
		"another version": {`{"version":99,"op":"plan"}`, "protocol version"},
		"unknown op":      {`{"version":1,"op":"dance"}`, "unknown operation dance"},
		"no desired":      {`{"version":1,"op":"plan"}`, "no desired state"},
	}
	for name, tc := range cases {
		var out bytes.Buffer
		if err := Serve(t.Context(), t.TempDir(), strings.NewReader(tc.in+"\n"), &out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(out.String(), tc.want) || !strings.Contains(out.String(), `"kind":"invalid"`) {
			t.Errorf("%s: %s", name, out.String())
		}
	}
	if err := Serve(t.Context(), t.TempDir(), strings.NewReader(""), &bytes.Buffer{}); err == nil {
		t.Error("no request is no error")
	}
}

func TestRollbackRecordRestoresWhatTheApplyFound(t *testing.T) {
	b := newBench(t)
	tr := b.transaction(nil)
	if _, err := tr.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	history, err := b.store.history()
	if err != nil || len(history) != 1 {
		t.Fatalf("history %v, %v", history, err)
	}
	target := history[0]
	if err := b.store.loadBackup(target); err != nil {
		t.Fatal(err)
	}
	r := &Record{ID: "20260102T000000.000Z-0002", Run: "back", Op: protocol.OpRollback, Restart: true, ConfigFile: target.ConfigFile}
	if err := reverseItems(r, target, b.hosts()); err != nil {
		t.Fatal(err)
	}
	back := b.transaction(nil)
	back.record, back.prove = r, nil
	if res, err := back.run(t.Context()); err != nil || res.Outcome != protocol.OutcomeRolledBack {
		t.Fatalf("rollback = %+v, %v", res, err)
	}
	if diff := b.isOld(); diff != "" {
		t.Error(diff)
	}
	if st, err := os.Stat(filepath.Join(b.store.dir, "transactions")); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("backups are not private: %v, %v", st, err)
	}
}

func TestInterruptedIsNotTheSameAsBusy(t *testing.T) {
	s := store{dir: t.TempDir()}
	if err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	if left, holder, err := s.interrupted(); left != nil || holder != nil || err != nil {
		t.Fatalf("nothing happened: %v, %v, %v", left, holder, err)
	}
	if err := s.writeJournal(&Record{ID: "t1", Phase: PhaseActive}); err != nil {
		t.Fatal(err)
	}
	unlock, err := s.lock(Holder{Run: "run1", Op: "apply", Since: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if left, holder, err := s.interrupted(); left != nil || holder == nil || holder.Run != "run1" || err != nil {
		t.Errorf("at work: %v, %v, %v", left, holder, err)
	}
	unlock()
	if left, holder, err := s.interrupted(); left == nil || left.ID != "t1" || holder != nil || err != nil {
		t.Errorf("crashed: %v, %v, %v", left, holder, err)
	}
}
