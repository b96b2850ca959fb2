package fleet

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pullway/pullway/internal/protocol"
)

// TestResume kills the driver after every record it wrote, and lets another one
// go on from there: whatever was in flight, the fleet gets to the same end, and
// what was finished is not done again.
func TestResume(t *testing.T) {
	ways := map[string]func(context.Context, *fakeFleet, Options, *Run) (*Run, error){
		"at once": func(ctx context.Context, f *fakeFleet, o Options, rec *Run) (*Run, error) {
			return (&Driver{Connector: f}).Resume(ctx, o, rec, nil)
		},
		"settled and planned anew": settledAndPlanned,
	}
	for name, resume := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := targets(5, 1)
				faulty := map[string]fault{"w2": cutAtCommit, "w4": cutWaits}
				whole := &tape{}
				o := options(Policy{Canary: 1, WaveSize: 2})
				if _, err := planAndApply(t.Context(), newFakeFleet(all, faulty), all, o, whole, nil); err != nil {
					t.Fatal(err)
				}
				tried := 0
				for i := range whole.saved {
					f := newFakeFleet(all, faulty)
					kill := &killer{at: i}
					crashed(t, f, all, o, kill)
					if kill.left == nil || !kill.left.Interrupted() {
						break // what is reported together is recorded together, so runs differ
					}
					tried++
					before := slices.Clone(f.begun)
					finished := map[string]bool{}
					for _, n := range kill.left.Nodes {
						finished["apply "+n.Name] = n.Phase == Applied
					}
					run, err := resume(t.Context(), f, o, kill.left)
					if err != nil {
						t.Fatal(err)
					}
					if run.Outcome != Done || run.ID != runID || len(run.Resumed) != 1 {
						t.Errorf("killed at record %d: %s, outcome %q of run %q, resumed %v", i, phases(run), run.Outcome, run.ID, run.Resumed)
					}
					for _, b := range f.begun[len(before):] {
						if finished[b] {
							t.Errorf("killed at record %d: %s was finished and is done again", i, b)
						}
						if n := strings.Count(strings.Join(f.begun, ",")+",", b+","); n > 2 {
							t.Errorf("killed at record %d: %s was done %d times", i, b, n)
						}
					}
					for _, n := range all {
						if h := f.nodes[n.Name].history; strings.Count(outcomes(h), string(protocol.OutcomeApplied)) != 1 {
							t.Errorf("killed at record %d: node %s has %s", i, n.Name, outcomes(h))
						}
					}
					if f.open != 0 || len(f.wrong) > 0 {
						t.Errorf("%d connections left open; %v", f.open, f.wrong)
					}
					if _, err := (&Driver{Connector: f}).Resume(t.Context(), o, run, nil); err == nil {
						t.Error("a run that has ended was resumed")
					}
				}
				if tried < 10 {
					t.Errorf("killed at %d records only", tried)
				}
			})
		})
	}
}

func settledAndPlanned(ctx context.Context, f *fakeFleet, o Options, rec *Run) (*Run, error) {
	d := &Driver{Connector: f}
	if _, err := d.Settle(ctx, o, rec); err != nil {
		return nil, err
	}
	plans, err := (&Planner{Connector: f}).Plan(ctx, rec.targets(), protocol.Request{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = plans.Close() }()
	return d.Resume(ctx, o, rec, plans)
}

func outcomes(history []protocol.Transaction) string {
	var all []string
	for _, tx := range history {
		all = append(all, string(tx.Outcome))
	}
	return strings.Join(all, " ")
}

// TestResumeKeepsARealFailure: a node that failed by itself while nobody listened
// is not tried again as if the crash had been the reason.
func TestResumeKeepsARealFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(targets(2, 0), nil)
		f.nodes["w1"].note(runID, protocol.OutcomeRestored, protocol.StepHealth)
		rec := &Run{Schema: RunSchema, ID: runID, Policy: Policy{Canary: 1}, Nodes: []NodeRun{
			{Name: "w1", Phase: Working, Begun: now, Step: protocol.StepHealth, Plan: &PlanSummary{Fingerprint: "f-w1"}},
			{Name: "w2", Phase: Pending, Plan: &PlanSummary{Fingerprint: "f-w2"}},
		}}
		run, err := (&Driver{Connector: f}).Resume(t.Context(), options(Policy{Canary: 1}), rec, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := phases(run); got != "w1=restored w2=pending" || run.Outcome != AllRolledBack || !strings.Contains(run.Nodes[0].Error.Text, "put itself back at") {
			t.Errorf("%s, outcome %q, %v", got, run.Outcome, run.Nodes[0].Error)
		}
	})
}

// TestResumeOfARollback goes on with an undo that was cut off.
func TestResumeOfARollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := targets(4, 0)
		whole := &tape{}
		undo := func(f *fakeFleet, rec Recorder, ctx context.Context) (*Run, error) {
			old, err := planAndApply(t.Context(), f, all, options(Policy{WaveSize: 4}), nil, nil)
			if err != nil {
				return nil, err
			}
			return (&Driver{Connector: f, Recorder: rec}).Rollback(ctx, undoOptions(Policy{WaveSize: 2}), old)
		}
		if _, err := undo(newFakeFleet(all, nil), whole, t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range whole.saved {
			f := newFakeFleet(all, nil)
			ctx, cancel := context.WithCancel(t.Context())
			kill := &killer{at: i, kill: cancel}
			if _, err := undo(f, kill, ctx); err != nil {
				t.Fatal(err)
			}
			cancel()
			if kill.left == nil || !kill.left.Interrupted() {
				break
			}
			run, err := (&Driver{Connector: f}).Resume(t.Context(), undoOptions(Policy{WaveSize: 2}), kill.left, nil)
			if err != nil {
				t.Fatal(err)
			}
			if run.Outcome != Done || run.ID != undoID {
				t.Errorf("killed at record %d: %s, outcome %q", i, phases(run), run.Outcome)
			}
		}
	})
}

// killer lets the driver's process die right after it wrote record at: all that
// is in flight loses its line then, and no later record is kept.
type killer struct {
	tape
	at   int
	left *Run
	kill context.CancelFunc
}

func (k *killer) Save(run *Run) error {
	err := k.tape.Save(run)
	if len(k.saved) == k.at+1 {
		k.left = k.read(k.at)
		k.kill()
	}
	return err
}

func crashed(t *testing.T, f *fakeFleet, all []Target, o Options, k *killer) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k.kill = cancel
	if _, err := planAndApply(ctx, f, all, o, k, nil); err != nil {
		t.Fatal(err)
	}
}
