package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const runID = "20261123T101502Z-4f2a"

// tape is a Recorder that keeps every record as a later reader would find it.
type tape struct {
	saved  [][]byte
	failAt int
	slow   time.Duration
}

func (r *tape) Save(run *Run) error {
	time.Sleep(r.slow)
	if r.failAt > 0 && len(r.saved)+1 >= r.failAt {
		return errors.New("no space left on device")
	}
	b, err := json.Marshal(run)
	r.saved = append(r.saved, b)
	return err
}

func (r *tape) read(i int) *Run {
	var run Run
	if err := json.Unmarshal(r.saved[i], &run); err != nil {
		panic(err)
	}
	return &run
}

func (r *tape) last() *Run { return r.read(len(r.saved) - 1) }

func options(p Policy) Options {
	p.ConfirmWithin = 60 * time.Second
	return Options{Run: Run{ID: runID, Command: "apply", Name: "default", Operator: "ann@desk", Policy: p}}
}

// workers are n nodes w1, w2, ...; control are c1, c2, ...
func targets(workers, control int) []Target {
	var all []Target
	for i := range control {
		all = append(all, Target{Name: fmt.Sprintf("c%d", i+1), ControlPlane: true})
	}
	for i := range workers {
		all = append(all, Target{Name: fmt.Sprintf("w%d", i+1)})
	}
	return all
}

// planAndApply is what the command does.
func planAndApply(ctx context.Context, f *fakeFleet, all []Target, o Options, rec Recorder, obs Observer) (*Run, error) {
	plans, err := (&Planner{Connector: f}).Plan(ctx, all, protocol.Request{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = plans.Close() }()
	d := &Driver{Connector: f, Recorder: rec, Observer: obs}
	return d.Apply(ctx, o, plans)
}

// phases prints where every node is, in short.
func phases(r *Run) string {
	var s []string
	for _, n := range r.Nodes {
		s = append(s, n.Name+"="+string(n.Phase))
	}
	return strings.Join(s, " ")
}

func TestApply(t *testing.T) {
	cases := map[string]struct {
		workers, control int
		faults           map[string]fault
		policy           Policy
		want             string
		outcome          Outcome
		begun            string
	}{
		"a clean run": {
			workers: 3, control: 2, policy: Policy{Canary: 1, WaveSize: 5},
			want:    "c1=applied c2=applied w1=applied w2=applied w3=applied",
			outcome: Done,
		},
		"nothing to do touches nothing": {
			workers: 2, faults: map[string]fault{"w1": asDesired, "w2": asDesired},
			want: "w1=unchanged w2=unchanged", outcome: NothingToDo,
		},
		"a failed canary": {
			workers: 2, faults: map[string]fault{"w1": stepFails}, policy: Policy{Canary: 1, WaveSize: 5},
			want: "w1=restored w2=pending", outcome: AllRolledBack, begun: "apply w1",
		},
		"a node that is not there stops it before it begins": {
			workers: 2, faults: map[string]fault{"w2": noWay}, policy: Policy{Canary: 1, WaveSize: 5},
			want: "w1=pending w2=unreachable", outcome: FailedUnchanged,
		},
		"a plan with a problem within the budget": {
			workers: 2, faults: map[string]fault{"w2": planRefused}, policy: Policy{Canary: 1, WaveSize: 5, FailureBudget: 1},
			want: "w1=applied w2=refused", outcome: Partial, begun: "apply w1",
		},
		"stale at the apply": {
			workers: 2, faults: map[string]fault{"w1": planStale}, policy: Policy{Canary: 1, WaveSize: 5},
			want: "w1=refused w2=pending", outcome: FailedUnchanged, begun: "apply w1",
		},
		"a failing wave is put back, the canary stays": {
			workers: 4, faults: map[string]fault{"w3": stepFails}, policy: Policy{Canary: 1, WaveSize: 2},
			want:    "w1=applied w2=rolled-back w3=restored w4=pending",
			outcome: Partial,
		},
		"rollback-run puts all back": {
			workers: 4, faults: map[string]fault{"w4": stepFails}, policy: Policy{WaveSize: 1, OnFailure: v1alpha1.RollbackRun},
			want:    "w1=rolled-back w2=rolled-back w3=rolled-back w4=restored",
			outcome: AllRolledBack, begun: "apply w1, apply w2, apply w3, apply w4, rollback w3, rollback w2, rollback w1",
		},
		"an undo that is refused does not end the others": {
			workers: 3, faults: map[string]fault{"w2": undoRefused, "w3": stepFails}, policy: Policy{WaveSize: 1, OnFailure: v1alpha1.RollbackRun},
			want: "w1=rolled-back w2=applied w3=restored", outcome: RollbackFailed,
		},
		"an undo that breaks": {
			workers: 2, faults: map[string]fault{"w1": undoBreaks, "w2": stepFails}, policy: Policy{WaveSize: 1, OnFailure: v1alpha1.RollbackRun},
			want: "w1=broken w2=restored", outcome: RollbackFailed,
		},
		"the line of an undo breaks, the node tells": {
			workers: 2, faults: map[string]fault{"w1": undoCut, "w2": stepFails}, policy: Policy{WaveSize: 1, OnFailure: v1alpha1.RollbackRun},
			want: "w1=rolled-back w2=restored", outcome: AllRolledBack,
		},
		"the line breaks after the swap, the node put itself back": {
			workers: 2, faults: map[string]fault{"w1": cutAtSwap}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=restored w2=pending", outcome: AllRolledBack, begun: "apply w1",
		},
		"the line breaks after the commit: it counts as applied": {
			workers: 2, faults: map[string]fault{"w1": cutAtCommit}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=applied w2=applied", outcome: Done, begun: "apply w1, apply w2",
		},
		"the line breaks after the restart: another one keeps the change": {
			workers: 2, faults: map[string]fault{"w1": cutWaits}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=applied w2=applied", outcome: Done, begun: "apply w1, apply w2",
		},
		"the link comes back after a while": {
			workers: 2, faults: map[string]fault{"w1": cutAway}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=applied w2=applied", outcome: Done, begun: "apply w1, apply w2",
		},
		"the link comes back too late, the node tells that it put itself back": {
			workers: 2, faults: map[string]fault{"w1": cutAwayLong}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=restored w2=pending", outcome: AllRolledBack, begun: "apply w1",
		},
		"the line breaks at once: nothing is tried twice": {
			workers: 1, faults: map[string]fault{"w1": cutAtOnce}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=unreachable", outcome: FailedUnchanged, begun: "apply w1",
		},
		"the node is gone": {
			workers: 2, faults: map[string]fault{"w1": diesAtSwap}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=lost w2=pending", outcome: RollbackFailed,
		},
		"an engine that hangs is given up": {
			workers: 2, faults: map[string]fault{"w1": hangs}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=restored w2=pending", outcome: AllRolledBack,
		},
		"an empty reply is asked about": {
			workers: 1, faults: map[string]fault{"w1": noResult}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=refused", outcome: FailedUnchanged,
		},
		"what breaks in a recovery is broken": {
			workers: 2, faults: map[string]fault{"w1": cutBreaks}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=broken w2=pending", outcome: RollbackFailed,
		},
		"a failure without a result that cannot be cleared up": {
			workers: 2, faults: map[string]fault{"w1": stuck}, policy: Policy{Canary: 1, WaveSize: 2},
			want: "w1=lost w2=pending", outcome: RollbackFailed,
		},
		"an undo whose mark was lost still is an undo": {
			workers: 2, faults: map[string]fault{"w1": undoUnmarked, "w2": stepFails}, policy: Policy{WaveSize: 1, OnFailure: v1alpha1.RollbackRun},
			want: "w1=rolled-back w2=restored", outcome: AllRolledBack,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeFleet(targets(tc.workers, tc.control), tc.faults)
				rec := &tape{}
				run, err := planAndApply(t.Context(), f, targets(tc.workers, tc.control), options(tc.policy), rec, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := phases(run); got != tc.want {
					t.Errorf("nodes\n got %s\nwant %s", got, tc.want)
				}
				if run.Outcome != tc.outcome {
					t.Errorf("outcome %q, want %q", run.Outcome, tc.outcome)
				}
				if got := strings.Join(f.begun, ", "); tc.begun != "" && got != tc.begun {
					t.Errorf("begun\n got %s\nwant %s", got, tc.begun)
				}
				if d := cmp.Diff(jsonOf(t, run), jsonOf(t, rec.last())); d != "" {
					t.Errorf("the last record is not the run (-run +record):\n%s", d)
				}
				if f.open != 0 || len(f.wrong) > 0 {
					t.Errorf("%d connections left open; %v", f.open, f.wrong)
				}
			})
		})
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWholeRuns lets fleets with random faults run to their end.
func TestWholeRuns(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := targets(rapid.IntRange(0, 8).Draw(rt, "workers"), rapid.IntRange(0, 3).Draw(rt, "control"))
		faulty := map[string]fault{}
		for _, n := range all {
			if rapid.IntRange(0, 3).Draw(rt, "faulty") == 0 {
				faulty[n.Name] = rapid.SampledFrom(faults).Draw(rt, "fault")
			}
		}
		o := options(Policy{
			Canary:        rapid.IntRange(0, 3).Draw(rt, "canary"),
			WaveSize:      rapid.IntRange(1, 4).Draw(rt, "wave"),
			FailureBudget: rapid.IntRange(0, 3).Draw(rt, "budget"),
			OnFailure:     rapid.SampledFrom([]v1alpha1.OnFailure{v1alpha1.RollbackNode, v1alpha1.RollbackWave, v1alpha1.RollbackRun, v1alpha1.StopOnly}).Draw(rt, "onFailure"),
		})
		soon := time.Duration(rapid.IntRange(0, 2000).Draw(rt, "stop soon")) * time.Millisecond
		now := time.Duration(rapid.IntRange(0, 2000).Draw(rt, "stop now")) * time.Millisecond
		rec := &tape{slow: time.Duration(rapid.IntRange(0, 50).Draw(rt, "disk")) * time.Millisecond}
		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			wrong = wholeRun(t.Context(), all, faulty, o, rec, soon, now)
		})
		for _, w := range wrong {
			rt.Error(w)
		}
	})
}

func wholeRun(ctx context.Context, all []Target, faulty map[string]fault, o Options, rec *tape, soon, now time.Duration) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	f := newFakeFleet(all, faulty)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if now < time.Second { // else nobody presses anything
		defer time.AfterFunc(now, cancel).Stop()
	}
	if soon < time.Second {
		stop := make(chan struct{})
		o.Stop = stop
		defer time.AfterFunc(soon, func() { close(stop) }).Stop()
	}
	run, err := planAndApply(ctx, f, all, o, rec, nil)
	if err != nil {
		say("run: %v", err)
		return wrong
	}
	if f.most > o.Run.Policy.WaveSize {
		say("%d in flight, the wave is %d", f.most, o.Run.Policy.WaveSize)
	}
	if f.open != 0 {
		say("%d connections left open", f.open)
	}
	wrong = append(wrong, f.wrong...)
	if run.Outcome == "" || run.Ended.IsZero() {
		say("the run has no end: %+v", run)
	}
	seen := map[string]bool{}
	for _, b := range f.begun {
		if seen[b] {
			say("%s was done twice", b)
		}
		seen[b] = true
	}
	for _, n := range run.Nodes {
		if !n.Begun.IsZero() && !n.Phase.Ended() {
			say("node %s was begun and is %s", n.Name, n.Phase)
		}
		if n.Begun.IsZero() && seen["apply "+n.Name] {
			say("node %s was touched, its record says it was not", n.Name)
		}
		if n.Phase.Failed() && n.Error == nil && n.UndoError == nil {
			say("node %s is %s without a reason", n.Name, n.Phase)
		}
		// What the record says is what the node is like.
		holds := holds(&protocol.Status{History: f.nodes[n.Name].history}, run.ID)
		if n.Phase != Lost && n.Phase != Broken && f.nodes[n.Name].fault != undoUnmarked && holds != (n.Phase == Applied) {
			say("node %s is %s, it holds the change: %v", n.Name, n.Phase, holds)
		}
	}
	// Each record leads a reader to the decision that the driver took from there.
	for i := range rec.saved {
		stored := rec.read(i)
		for _, n := range stored.Nodes {
			if n.Begun.IsZero() && slices.Contains([]Phase{Working, Applied, Restored, RollingBack, RolledBack}, n.Phase) {
				say("record %d: node %s is %s and was never begun", i, n.Name, n.Phase)
			}
		}
		if i+1 < len(rec.saved) && len(Next(stored.State(), stored.Policy).Nodes) > 0 {
			want := Next(stored.State(), stored.Policy)
			for _, n := range rec.read(i + 1).Nodes {
				began := n.Phase.InFlight()
				if rec.read(i+1).Stop == stored.Stop && began != slices.Contains(want.Nodes, n.Name) {
					say("record %d leads to %v, record %d has %s %s", i, want, i+1, n.Name, n.Phase)
				}
			}
		}
	}
	return wrong
}

func TestPlansFirstTouchedAfterRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(targets(2, 0), nil)
		run, err := planAndApply(t.Context(), f, targets(2, 0), options(Policy{Canary: 1}), &tape{failAt: 1}, nil)
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("error %v, want the disk's", err)
		}
		if run.Outcome != FailedUnchanged || len(f.begun) > 0 {
			t.Errorf("outcome %q after %v, want nothing touched without a record", run.Outcome, f.begun)
		}
	})
}

func TestRecordFailsInMidRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(targets(3, 0), nil)
		run, err := planAndApply(t.Context(), f, targets(3, 0), options(Policy{Canary: 1, WaveSize: 1}), &tape{failAt: 3}, nil)
		if err == nil {
			t.Error("no error for a record that could not be written")
		}
		if got := phases(run); got != "w1=applied w2=pending w3=pending" || run.Reason != "the run record could not be written" {
			t.Errorf("%s, %q", got, run.Reason)
		}
	})
}

func TestInputErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(targets(2, 0), nil)
		for _, bad := range [][]Target{{{Name: "w1"}, {Name: "w1"}}, {{Name: ""}}} {
			if _, err := (&Planner{Connector: f}).Plan(t.Context(), bad, protocol.Request{}); err == nil {
				t.Errorf("plan of %v is no error", bad)
			}
		}
		if _, err := planAndApply(t.Context(), f, targets(2, 0), Options{}, nil, nil); err == nil {
			t.Error("a run without an id is no error")
		}
		if f.open != 0 {
			t.Errorf("%d connections left open", f.open)
		}
	})
}
