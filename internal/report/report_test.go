package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

func human(v interface{ Human(*Printer) }) string {
	var b bytes.Buffer
	v.Human(NewPrinter(&b, false))
	return b.String()
}

func twoPlans() Plan {
	node := func(host string) *plan.Node {
		return &plan.Node{
			Facts:       plan.Facts{Hostname: host, Release: "1.7.35", ConfigFile: "/etc/containerd/config.toml"},
			Restart:     plan.Restart{Needed: true, Reasons: []string{"/etc/containerd/config.toml: config_path is set"}},
			Fingerprint: host,
			Changes: []plan.Change{{Path: "/etc/containerd/config.toml", Action: plan.Update, Mode: 0o644, Reason: "config_path is set",
				Diff: "--- a\n+++ b\n@@ -1 +1,2 @@\n version = 2\n+x = 1\n", Before: host}},
			Warnings: []plan.Notice{{ID: "w", Text: "look out", Hint: "do that"}},
		}
	}
	return NewPlan("default", "digest", []fleet.Planned{
		{Target: fleet.Target{Name: "node1"}, Plan: node("node1")},
		{Target: fleet.Target{Name: "node2"}, Err: &fleet.NodeError{Node: "node2", Kind: fleet.ErrUnreachable, Text: "connection refused", Hint: "is sshd running?"}},
		{Target: fleet.Target{Name: "node3"}, Plan: node("node3")},
		{Target: fleet.Target{Name: "node4"}, Plan: &plan.Node{Facts: plan.Facts{Release: "2.4.2"}, Restart: plan.Restart{Reasons: []string{"nothing changes"}}}},
	})
}

func TestPlanGroupsNodesThatAreAlike(t *testing.T) {
	want := `node1, node3
  containerd 1.7.35, /etc/containerd/config.toml
  containerd restarts, because
    /etc/containerd/config.toml: config_path is set
  update /etc/containerd/config.toml mode 0644: config_path is set
      @@ -1 +1,2 @@
       version = 2
      +x = 1
  warning: look out
    hint: do that

node2
  could not be asked: connection refused
    hint: is sshd running?

node4
  containerd 2.4.2, 
  as desired

Plan: 2 nodes to change (2 restarts of containerd), 1 as desired, 1 could not be asked.
`
	if diff := cmp.Diff(want, human(twoPlans())); diff != "" {
		t.Error(diff)
	}
}

func TestRunSaysWhatStandsNow(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	base := fleet.Run{ID: "20260102T030405Z-0001", Command: "apply", Started: start, Ended: start.Add(2 * time.Second)}
	proven := &protocol.Result{Outcome: protocol.OutcomeApplied, Restarted: true, Restarts: 1, RestartGap: 70 * time.Millisecond, Kept: 12,
		Proofs: []protocol.Proof{{Image: "r/i:1", OK: true, Fresh: true, Endpoints: []string{"http://r"}, Took: 50 * time.Millisecond, ByName: "pulled"}}}
	quiet := &protocol.Result{Outcome: protocol.OutcomeApplied}
	// A record of a release that did not count restarts.
	old := &protocol.Result{Outcome: protocol.OutcomeApplied, Restarted: true, RestartGap: 90 * time.Millisecond}
	unproven := &protocol.Result{Outcome: protocol.OutcomeRefused, Failed: protocol.StepProbe,
		Proofs: []protocol.Proof{{Image: "r/i:1", Error: "401", Hint: "password?"}}}
	cases := []struct {
		outcome fleet.Outcome
		nodes   []fleet.NodeRun
		want    string
	}{
		{fleet.Done, []fleet.NodeRun{{Name: "node1", Phase: fleet.Applied, Result: proven}},
			"node1                changed and proven, containerd restarted (CRI away for 70ms, 12 containers ran on)\n" +
				"  pulled r/i:1 from http://r in 50ms (layers fetched)\n\n" +
				"Done: 1 node changed. (run 20260102T030405Z-0001, 2s)\n  1 restart of containerd, CRI away for 70ms at the most\n  undo it with: pullway rollback 20260102T030405Z-0001\n"},
		{fleet.Done, []fleet.NodeRun{{Name: "node1", Phase: fleet.Applied, Result: proven}, {Name: "node2", Phase: fleet.Applied, Result: quiet}, {Name: "node3", Phase: fleet.Applied, Result: old}},
			"node1                changed and proven, containerd restarted (CRI away for 70ms, 12 containers ran on)\n" +
				"  pulled r/i:1 from http://r in 50ms (layers fetched)\n" +
				"node2                changed, not proven, no restart\nnode3                changed, not proven, containerd restarted (CRI away for 90ms)\n\n" +
				"Done: 3 nodes changed. (run 20260102T030405Z-0001, 2s)\n  2 restarts of containerd, CRI away for 90ms at the most\n  undo it with: pullway rollback 20260102T030405Z-0001\n"},
		{fleet.Done, []fleet.NodeRun{{Name: "node2", Phase: fleet.Applied, Result: quiet}},
			"node2                changed, not proven, no restart\n\nDone: 1 node changed. (run 20260102T030405Z-0001, 2s)\n" +
				"  containerd was not restarted anywhere\n  undo it with: pullway rollback 20260102T030405Z-0001\n"},
		{fleet.FailedUnchanged, []fleet.NodeRun{{Name: "node1", Phase: fleet.Refused, Result: unproven, Error: &fleet.NodeError{Text: "probe: 401", Hint: "password?"}}},
			"node1                the proof failed, not changed\n  not pulled r/i:1: 401\n    hint: password?\n\n" +
				"Failed, and nothing was changed. (run 20260102T030405Z-0001, 2s)\n"},
		{fleet.AllRolledBack, []fleet.NodeRun{{Name: "node1", Phase: fleet.Restored, Error: &fleet.NodeError{Text: "401", Hint: "password?"}}, {Name: "node2", Phase: fleet.Pending}},
			"node1                failed and put itself back\n  error: 401\n    hint: password?\n" +
				"node2                not touched\n\nFailed, and put back: 1 node changed and restored. (run 20260102T030405Z-0001, 2s)\n"},
		{fleet.RollbackFailed, []fleet.NodeRun{{Name: "node1", Phase: fleet.Broken}},
			"node1                BROKEN: could not be put back\n\nA node could not be put back. Hands are needed. (run 20260102T030405Z-0001, 2s)\n"},
	}
	for _, tc := range cases {
		r := base
		r.Outcome, r.Nodes = tc.outcome, tc.nodes
		if diff := cmp.Diff(tc.want, human(NewRun(&r))); diff != "" {
			t.Errorf("%s:\n%s", tc.outcome, diff)
		}
	}
}

func TestJSONKeepsItsKeys(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, twoPlans()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema  string
		Nodes   []struct{ Name string }
		Summary map[string]int
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != PlanSchema || len(got.Nodes) != 4 || got.Summary["change"] != 2 || got.Summary["failed"] != 1 {
		t.Errorf("%+v", got)
	}
}

func TestNothingANodeSaysMovesTheCursor(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		evil := rapid.String().Draw(rt, "text") + "\x1b[2J\r\u202e"
		p := twoPlans()
		p.Nodes[0].Plan.Warnings[0].Text = evil
		p.Nodes[0].Plan.Changes[0].Reason = evil
		p.Nodes[0].Plan.Changes[0].Diff = "+" + evil
		p.Nodes[1].Error.Text = evil
		for _, r := range human(p) {
			if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				rt.Fatalf("%q reaches the terminal", r)
			}
		}
	})
}

func TestProgressPlainLines(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b, false, true)
	p.WaveStarted(0, false, []string{"node1"})
	p.NodeStep("node1", protocol.StepProve, "r/i:1\x1b[2J")
	p.NodeEnded("node1", fleet.Restored, &fleet.NodeError{Text: errors.New("401").Error()})
	p.WaveStarted(1, true, []string{"node2", "node3"})
	p.Close()
	want := "canary: node1\nnode1: pulling r/i:1?[2J\nnode1: failed and put itself back: 401\nputting back: node2, node3\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestProgressLiveTakesItsBlockAway(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b, true, false)
	for _, n := range strings.Fields("a b c d e f g h i j k l m n") {
		p.NodeStep(n, protocol.StepSwap, "")
	}
	if !strings.Contains(b.String(), "… and 2 more") {
		t.Error("a long list is not cut")
	}
	p.NodeEnded("a", fleet.Applied, nil)
	p.Close()
	// Every line drawn is erased again but the one that stays.
	if drawn, erased := strings.Count(b.String(), "\n"), strings.Count(b.String(), "\x1b[1A\x1b[2K"); drawn-erased != 1 {
		t.Errorf("%d lines stay on the screen, want 1", drawn-erased)
	}
}
