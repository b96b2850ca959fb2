package fleet

import (
	stdcmp "cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/protocol"
)

// mood is what a fake gate says of one node.
type mood string

const (
	content      mood = ""
	denies       mood = "denies before"
	silentBefore mood = "cannot be asked before"
	fails        mood = "denies after"
	silentAfter  mood = "cannot be asked after"
	slow         mood = "answers after an hour"
	cordoned     mood = "has notes"
	notReady     mood = "denies after, and the node is not Ready"
)

var moods = []mood{denies, silentBefore, fails, silentAfter, slow, cordoned, notReady}

// fakeGate has a mood for each node, and takes a second for an answer.
type fakeGate struct {
	moods map[string]mood

	mu      sync.Mutex
	asked   []string
	restart map[string]bool
}

func (g *fakeGate) say(ctx context.Context, when, node string) error {
	g.mu.Lock()
	g.asked = append(g.asked, when+" "+node)
	g.mu.Unlock()
	d := time.Second
	if g.moods[node] == slow {
		d = time.Hour
	}
	return pause(ctx, d)
}

func (g *fakeGate) Before(ctx context.Context, node string, restart bool) GateAnswer {
	err := g.say(ctx, "before", node)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.restart == nil {
		g.restart = map[string]bool{}
	}
	g.restart[node] = restart
	switch {
	case err != nil || g.moods[node] == silentBefore:
		return GateAnswer{Verdict: GateSilent, Reason: "connection refused"}
	case g.moods[node] == denies:
		return GateAnswer{Verdict: GateDeny, Reason: "a budget is\nat zero", Hint: "wait"}
	case g.moods[node] == cordoned:
		return GateAnswer{Verdict: GatePass, Notes: []string{"cordoned"}}
	}
	return GateAnswer{Verdict: GatePass}
}

func (g *fakeGate) After(ctx context.Context, node string) GateAnswer {
	err := g.say(ctx, "after", node)
	switch {
	case err != nil || g.moods[node] == silentAfter:
		return GateAnswer{Verdict: GateSilent, Reason: "connection refused"}
	case g.moods[node] == fails:
		return GateAnswer{Verdict: GateDeny, Reason: "a container was restarted"}
	case g.moods[node] == notReady:
		return GateAnswer{Verdict: GateDeny, Reason: "not Ready", Unready: true}
	}
	return GateAnswer{Verdict: GatePass}
}

func applyGated(ctx context.Context, f *fakeFleet, all []Target, o Options, rec Recorder, g Gate) (*Run, error) {
	plans, err := (&Planner{Connector: f}).Plan(ctx, all, protocol.Request{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = plans.Close() }()
	return (&Driver{Connector: f, Recorder: rec, Gate: g}).Apply(ctx, o, plans)
}

func TestGate(t *testing.T) {
	one := Policy{Canary: 1, WaveSize: 1}
	cases := map[string]struct {
		moods   map[string]mood
		faults  map[string]fault
		policy  Policy
		want    string
		outcome Outcome
		reason  string
		begun   string
		asked   string
	}{
		"each node is asked before and after": {
			policy: one, want: "w1=applied w2=applied w3=applied", outcome: Done,
			asked: "before w1, after w1, before w2, after w2, before w3, after w3",
		},
		"a denied node is not touched": {
			moods: map[string]mood{"w2": denies}, policy: one,
			want: "w1=applied w2=refused w3=pending", outcome: Partial, reason: "1 node failed, the budget is 0", begun: "apply w1",
		},
		"a denied canary stops it": {
			moods: map[string]mood{"w1": denies}, policy: Policy{Canary: 1, WaveSize: 2, FailureBudget: 5},
			want: "w1=refused w2=pending w3=pending", outcome: FailedUnchanged, reason: `canary node "w1" failed`, asked: "before w1",
		},
		"a node that is not well afterwards is put back": {
			moods: map[string]mood{"w1": fails}, policy: one,
			want: "w1=restored w2=pending w3=pending", outcome: AllRolledBack, begun: "apply w1, rollback w1",
		},
		"so it is with onFailure stop, as every failed node": {
			moods: map[string]mood{"w1": fails}, policy: Policy{Canary: 1, WaveSize: 1, OnFailure: v1alpha1.StopOnly},
			want: "w1=restored w2=pending w3=pending", outcome: AllRolledBack, begun: "apply w1, rollback w1",
		},
		"within the budget the run goes on": {
			moods: map[string]mood{"w2": fails}, policy: Policy{Canary: 1, WaveSize: 1, FailureBudget: 1},
			want: "w1=applied w2=restored w3=applied", outcome: Partial,
		},
		"but not when it takes the last place": {
			moods: map[string]mood{"w2": notReady}, policy: Policy{Canary: 1, WaveSize: 1, FailureBudget: 1},
			want: "w1=applied w2=restored w3=pending", outcome: Partial, reason: "1 node is down already and maxUnavailable is 1: no other may start",
		},
		"the others of its wave go by onFailure": {
			moods: map[string]mood{"w3": fails}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=applied w2=rolled-back w3=restored", outcome: Partial,
		},
		"all of the run do": {
			moods: map[string]mood{"w3": fails}, policy: Policy{WaveSize: 1, OnFailure: v1alpha1.RollbackRun},
			want: "w1=rolled-back w2=rolled-back w3=restored", outcome: AllRolledBack,
		},
		"a node that cannot be put back needs hands": {
			moods: map[string]mood{"w1": fails}, faults: map[string]fault{"w1": undoRefused}, policy: one,
			want: "w1=broken w2=pending w3=pending", outcome: RollbackFailed,
		},
		"one that breaks on the way back, too": {
			moods: map[string]mood{"w1": fails}, faults: map[string]fault{"w1": undoBreaks}, policy: one,
			want: "w1=broken w2=pending w3=pending", outcome: RollbackFailed,
		},
		"one that nobody gets to any more is lost": {
			moods: map[string]mood{"w1": fails}, faults: map[string]fault{"w1": goneApplied}, policy: one,
			want: "w1=lost w2=pending w3=pending", outcome: RollbackFailed,
		},
		"the line breaks on the way back, the node tells": {
			moods: map[string]mood{"w1": fails}, faults: map[string]fault{"w1": undoCut}, policy: one,
			want: "w1=restored w2=pending w3=pending", outcome: AllRolledBack,
		},
		"a node whose line broke after the commit is asked about as well": {
			moods: map[string]mood{"w1": fails}, faults: map[string]fault{"w1": cutAtCommit}, policy: one,
			want: "w1=restored w2=pending w3=pending", outcome: AllRolledBack,
		},
		"nobody is asked about a node that failed by itself": {
			faults: map[string]fault{"w1": stepFails}, policy: one,
			want: "w1=restored w2=pending w3=pending", outcome: AllRolledBack, asked: "before w1",
		},
		"silence before: untouched, and the run stops without an undo": {
			moods: map[string]mood{"w2": silentBefore}, policy: Policy{Canary: 1, WaveSize: 1, OnFailure: v1alpha1.RollbackRun},
			want: "w1=applied w2=pending w3=pending", outcome: Stopped, reason: `node "w2": connection refused`, begun: "apply w1",
		},
		"silence before the first": {
			moods: map[string]mood{"w1": silentBefore}, policy: one,
			want: "w1=pending w2=pending w3=pending", outcome: FailedUnchanged, reason: `node "w1": connection refused`,
		},
		"silence afterwards: the node stays changed, and the run stops": {
			moods: map[string]mood{"w1": silentAfter}, policy: Policy{Canary: 1, WaveSize: 1, OnFailure: v1alpha1.RollbackRun},
			want: "w1=applied w2=pending w3=pending", outcome: Stopped, reason: `node "w1": connection refused`, begun: "apply w1",
		},
		"silence of one does not stop those in flight": {
			moods: map[string]mood{"w2": silentBefore}, policy: Policy{WaveSize: 2},
			want: "w1=applied w2=pending w3=pending", outcome: Stopped,
		},
		"a gate that does not come back counts as silent": {
			moods: map[string]mood{"w2": slow}, policy: one,
			want: "w1=applied w2=pending w3=pending", outcome: Stopped, reason: `node "w2": the gate did not answer within 10m0s`,
		},
		"notes decide nothing": {
			moods: map[string]mood{"w1": cordoned}, policy: one,
			want: "w1=applied w2=applied w3=applied", outcome: Done,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := targets(3, 0)
				f, g, rec := newFakeFleet(all, tc.faults), &fakeGate{moods: tc.moods}, &tape{}
				run, err := applyGated(t.Context(), f, all, options(tc.policy), rec, g)
				if err != nil {
					t.Fatal(err)
				}
				if got := phases(run); got != tc.want || run.Outcome != tc.outcome || tc.reason != "" && run.Reason != tc.reason {
					t.Errorf("%s, %q, %q\nwant %s, %q, %q", got, run.Outcome, run.Reason, tc.want, tc.outcome, tc.reason)
				}
				if got := strings.Join(f.begun, ", "); tc.begun != "" && got != tc.begun {
					t.Errorf("begun %s, want %s", got, tc.begun)
				}
				if got := strings.Join(g.asked, ", "); tc.asked != "" && got != tc.asked {
					t.Errorf("asked %s, want %s", got, tc.asked)
				}
				if d := cmp.Diff(jsonOf(t, run), jsonOf(t, rec.last())); d != "" {
					t.Errorf("the last record is not the run (-run +record):\n%s", d)
				}
				if f.open != 0 || len(f.wrong) > 0 {
					t.Errorf("%d connections left open; %v", f.open, f.wrong)
				}
				for _, n := range run.Nodes {
					if n.Phase.Failed() && n.Error == nil {
						t.Errorf("node %s is %s without a reason", n.Name, n.Phase)
					}
					if n.Phase == Pending && (!n.Begun.IsZero() || n.Step != "") {
						t.Errorf("node %s is pending and was begun: %+v", n.Name, n)
					}
				}
			})
		})
	}
}

func TestGateInTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := targets(2, 0)
		f, g := newFakeFleet(all, map[string]fault{"w2": undoRefused}), &fakeGate{moods: map[string]mood{"w1": cordoned, "w2": fails}}
		run, err := applyGated(t.Context(), f, all, options(Policy{WaveSize: 2}), nil, g)
		if err != nil {
			t.Fatal(err)
		}
		want := []*GateRun{
			{Before: &GateAnswer{Verdict: GatePass, Notes: []string{"cordoned"}}, After: &GateAnswer{Verdict: GatePass}},
			{Before: &GateAnswer{Verdict: GatePass}, After: &GateAnswer{Verdict: GateDeny, Reason: "a container was restarted"}},
		}
		for i, n := range run.Nodes {
			if d := cmp.Diff(want[i], n.Gate); d != "" {
				t.Errorf("%s: %s", n.Name, d)
			}
		}
		if e := run.Nodes[1].Error; e.Kind != ErrGate || e.Text != "a container was restarted; putting it back: a file of ours was changed since" {
			t.Errorf("%+v", e)
		}
	})
}

// TestGateWhenStopped presses Ctrl-C twice while the gate is asked.
func TestGateWhenStopped(t *testing.T) {
	for name, tc := range map[string]struct {
		at            time.Duration
		phase, begun  string
		outcome       Outcome
		beforeVerdict Verdict
	}{
		"before the change nothing is touched": {500 * time.Millisecond, "w1=pending", "", FailedUnchanged, GateSilent},
		"after it the change stays":            {1500 * time.Millisecond, "w1=applied", "apply w1", Done, GatePass},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := targets(1, 0)
				f, g := newFakeFleet(all, nil), &fakeGate{}
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(tc.at, cancel)
				run, err := applyGated(ctx, f, all, options(Policy{WaveSize: 1}), nil, g)
				if err != nil {
					t.Fatal(err)
				}
				if phases(run) != tc.phase || strings.Join(f.begun, ", ") != tc.begun || run.Outcome != tc.outcome || run.Nodes[0].Gate.Before.Verdict != tc.beforeVerdict {
					t.Errorf("%s, %v, %q, %+v", phases(run), f.begun, run.Outcome, run.Nodes[0].Gate)
				}
				last := stdcmp.Or(run.Nodes[0].Gate.After, run.Nodes[0].Gate.Before)
				if last.Verdict != GateSilent || last.Reason != "the run was stopped before the gate had answered" {
					t.Errorf("%+v", last)
				}
			})
		})
	}
}

// TestGateOfARollback: an undo that is not well afterwards has no way back.
func TestGateOfARollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := targets(2, 0)
		f := newFakeFleet(all, nil)
		old, err := planAndApply(t.Context(), f, all, options(Policy{WaveSize: 1}), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		g := &fakeGate{moods: map[string]mood{"w2": fails}}
		run, err := (&Driver{Connector: f, Gate: g}).Rollback(t.Context(), undoOptions(Policy{WaveSize: 1}), old)
		if err != nil {
			t.Fatal(err)
		}
		if phases(run) != "w2=broken w1=pending" || run.Outcome != RollbackFailed || strings.Join(g.asked, ", ") != "before w2, after w2" {
			t.Errorf("%s, %q, %v", phases(run), run.Outcome, g.asked)
		}
	})
}

// TestGateAfterACrash: the driver died while a node was put back for the gate.
func TestGateAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := targets(2, 0)
		f, rec := newFakeFleet(all, nil), &tape{}
		if _, err := applyGated(t.Context(), f, all, options(Policy{WaveSize: 1}), rec, &fakeGate{moods: map[string]mood{"w1": fails}}); err != nil {
			t.Fatal(err)
		}
		for i := range rec.saved {
			left := rec.read(i)
			if left.Nodes[0].Phase != Working || left.Nodes[0].Step != protocol.StepUndo {
				continue
			}
			run, err := (&Driver{Connector: f, Gate: &fakeGate{}}).Resume(t.Context(), options(Policy{}), left, nil)
			if err != nil || phases(run) != "w1=restored w2=pending" || run.Outcome != AllRolledBack {
				t.Errorf("%s, %q, %v", phases(run), run.Outcome, err)
			}
			return
		}
		t.Error("no record of the moment")
	})
}

// TestGateOfAnUndoAfterACrash: an undo is not gated, whoever goes on with it.
func TestGateOfAnUndoAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := targets(2, 0)
		f, rec := newFakeFleet(all, map[string]fault{"w2": stepFails}), &tape{}
		if _, err := applyGated(t.Context(), f, all, options(Policy{WaveSize: 2}), rec, &fakeGate{}); err != nil {
			t.Fatal(err)
		}
		// As if the driver had died before the node heard of the undo.
		f.nodes["w1"].history = []protocol.Transaction{{ID: "1", Run: runID, Outcome: protocol.OutcomeApplied}}
		for i := range rec.saved {
			if left := rec.read(i); left.Nodes[0].Phase == RollingBack {
				g := &fakeGate{}
				run, err := (&Driver{Connector: f, Gate: g}).Resume(t.Context(), options(Policy{}), left, nil)
				if err != nil || phases(run) != "w1=applied w2=restored" || run.Outcome != RollbackFailed || len(g.asked) > 0 {
					t.Errorf("%s, %q, asked %v, %v", phases(run), run.Outcome, g.asked, err)
				}
				return
			}
		}
		t.Error("no record of the moment")
	})
}

// TestAskGate is the look ahead.
func TestAskGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := targets(4, 0)
		f := newFakeFleet(all, map[string]fault{"w4": asDesired})
		plans, err := (&Planner{Connector: f}).Plan(t.Context(), all, protocol.Request{})
		if err != nil {
			t.Fatal(err)
		}
		defer plans.Close() //nolint:errcheck // a fake
		g := &fakeGate{moods: map[string]mood{"w2": denies, "w3": silentBefore}}
		plans.AskGate(t.Context(), g, 2, nil)
		slices.Sort(g.asked)
		if got := strings.Join(g.asked, ", "); got != "before w1, before w2, before w3" {
			t.Errorf("asked %s", got)
		}
		var got []string
		for i := range plans.Nodes {
			got = append(got, string(plans.Nodes[i].Phase()))
		}
		if d := cmp.Diff([]string{"pending", "refused", "pending", "unchanged"}, got); d != "" {
			t.Error(d)
		}
		if e := plans.Nodes[1].Err; e.Kind != ErrGate || e.Text != "a budget is at zero" || e.Hint != "wait" {
			t.Errorf("%+v", e)
		}
	})
}

// TestWholeRunsWithAGate lets fleets with random faults and moods run to their end.
func TestWholeRunsWithAGate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := targets(rapid.IntRange(1, 7).Draw(rt, "workers"), rapid.IntRange(0, 2).Draw(rt, "control"))
		faulty, g := map[string]fault{}, &fakeGate{moods: map[string]mood{}}
		for _, n := range all {
			if rapid.IntRange(0, 3).Draw(rt, "faulty") == 0 {
				faulty[n.Name] = rapid.SampledFrom(faults).Draw(rt, "fault")
			}
			if rapid.IntRange(0, 3).Draw(rt, "moody") == 0 {
				g.moods[n.Name] = rapid.SampledFrom(moods).Draw(rt, "mood")
			}
		}
		o := options(Policy{
			Canary: rapid.IntRange(0, 2).Draw(rt, "canary"), WaveSize: rapid.IntRange(1, 4).Draw(rt, "wave"),
			FailureBudget: rapid.IntRange(0, 3).Draw(rt, "budget"),
			OnFailure:     rapid.SampledFrom([]v1alpha1.OnFailure{v1alpha1.RollbackNode, v1alpha1.RollbackWave, v1alpha1.RollbackRun, v1alpha1.StopOnly}).Draw(rt, "onFailure"),
		})
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = wholeGatedRun(t.Context(), all, faulty, o, g) })
		for _, w := range wrong {
			rt.Error(w)
		}
	})
}

func wholeGatedRun(ctx context.Context, all []Target, faulty map[string]fault, o Options, g *fakeGate) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	f, rec := newFakeFleet(all, faulty), &tape{}
	run, err := applyGated(ctx, f, all, o, rec, g)
	if err != nil {
		return []string{err.Error()}
	}
	if f.open != 0 || len(f.wrong) > 0 || f.most > o.Run.Policy.WaveSize {
		say("%d connections open, %v, %d in flight of %d", f.open, f.wrong, f.most, o.Run.Policy.WaveSize)
	}
	for i, n := range run.Nodes {
		m := g.moods[n.Name]
		touched := slices.Contains(f.begun, "apply "+n.Name)
		switch {
		case touched && (m == denies || m == silentBefore || m == slow):
			say("node %s was touched, the gate %s", n.Name, m)
		case n.Phase == Applied && (m == fails || m == notReady):
			say("node %s keeps its change, the gate %s", n.Name, m)
		case n.Phase.Failed() && n.Error == nil && n.UndoError == nil:
			say("node %s is %s without a reason", n.Name, n.Phase)
		case !n.Begun.IsZero() && !n.Phase.Ended():
			say("node %s was begun and is %s", n.Name, n.Phase)
		case n.Phase == Pending && touched:
			say("node %s was touched, its record says it was not", n.Name)
		}
		holds := holds(&protocol.Status{History: f.nodes[n.Name].history}, run.ID)
		if n.Phase != Lost && n.Phase != Broken && faulty[n.Name] != undoUnmarked && holds != (n.Phase == Applied) {
			say("node %s is %s, it holds the change: %v", n.Name, n.Phase, holds)
		}
		if last := rec.last().Nodes[i]; last.Phase != n.Phase {
			say("node %s is %s, its record says %s", n.Name, n.Phase, last.Phase)
		}
	}
	return wrong
}
