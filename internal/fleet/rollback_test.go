package fleet

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

const undoID = "20261123T111502Z-99aa"

func undoOptions(p Policy) Options {
	o := options(p)
	o.Run.ID, o.Run.Command = undoID, "rollback"
	return o
}

func TestRollback(t *testing.T) {
	cases := map[string]struct {
		faults  map[string]fault
		policy  Policy
		want    string
		outcome Outcome
		begun   string
	}{
		"in reverse, control plane last": {
			policy:  Policy{Canary: 1, WaveSize: 1},
			want:    "c2=rolled-back c1=rolled-back w3=rolled-back w2=rolled-back w1=rolled-back",
			outcome: Done, begun: "rollback w3, rollback w2, rollback w1, rollback c2, rollback c1",
		},
		"nodes without a change take no part": {
			faults:  map[string]fault{"w1": asDesired, "w2": asDesired, "c1": asDesired, "c2": asDesired},
			policy:  Policy{Canary: 1, WaveSize: 5},
			outcome: Done, begun: "rollback w3",
		},
		"a canary that refuses stops it": {
			faults: map[string]fault{"w3": undoRefused}, policy: Policy{Canary: 1, WaveSize: 5},
			outcome: FailedUnchanged, begun: "rollback w3",
		},
		"what was undone stays so": {
			faults: map[string]fault{"w2": undoRefused}, policy: Policy{Canary: 1, WaveSize: 1},
			outcome: Partial, begun: "rollback w3, rollback w2",
		},
		"the line breaks, the node tells": {
			faults: map[string]fault{"w3": undoCut}, policy: Policy{Canary: 1, WaveSize: 5},
			outcome: Done,
		},
		"hands needed": {
			faults: map[string]fault{"w3": undoBreaks}, policy: Policy{Canary: 1, WaveSize: 5},
			outcome: RollbackFailed, begun: "rollback w3",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := targets(3, 2)
				f := newFakeFleet(all, tc.faults)
				old, err := planAndApply(t.Context(), f, all, options(Policy{WaveSize: 1}), nil, nil)
				if err != nil || old.Outcome != Done {
					t.Fatalf("apply: outcome %q, %v", old.Outcome, err)
				}
				f.begun = nil
				rec := &tape{}
				run, err := (&Driver{Connector: f, Recorder: rec}).Rollback(t.Context(), undoOptions(tc.policy), old)
				if err != nil {
					t.Fatal(err)
				}
				if got := phases(run); tc.want != "" && got != tc.want {
					t.Errorf("nodes\n got %s\nwant %s", got, tc.want)
				}
				if got := strings.Join(f.begun, ", "); tc.begun != "" && got != tc.begun {
					t.Errorf("begun\n got %s\nwant %s", got, tc.begun)
				}
				if run.Outcome != tc.outcome || run.Target != runID || run.ID != undoID {
					t.Errorf("outcome %q of %q undoing %q, want %q", run.Outcome, run.ID, run.Target, tc.outcome)
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

func TestRollbackOfARollbackIsRefused(t *testing.T) {
	if _, err := (&Driver{}).Rollback(t.Context(), undoOptions(Policy{}), &Run{ID: runID, Target: "20261122T101502Z-0001"}); err == nil {
		t.Error("no error")
	}
}
