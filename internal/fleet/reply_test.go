package fleet

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/terminal"
)

func TestFits(t *testing.T) {
	wire := config.Desired{VerifyImages: []string{"r/a:1", "r/b:1"}}.ToWire()
	both := []protocol.Proof{{Image: "r/a:1", OK: true}, {Image: "r/b:1", OK: true}}
	for _, tc := range []struct {
		name  string
		op    protocol.Op
		reply protocol.Reply
		ok    bool
	}{
		{"a plan", protocol.OpPlan, protocol.Reply{Plan: &plan.Node{}}, true},
		{"a status in place of a plan", protocol.OpPlan, protocol.Reply{Status: &protocol.Status{}}, false},
		{"an error is an answer to all", protocol.OpPlan, protocol.Reply{Error: &protocol.Error{Text: "no"}}, true},
		{"proofs", protocol.OpVerify, protocol.Reply{Proofs: both}, true},
		{"no proof at all: it would look like success", protocol.OpVerify, protocol.Reply{}, false},
		{"a proof too few", protocol.OpVerify, protocol.Reply{Proofs: both[:1]}, false},
		{"one image twice", protocol.OpVerify, protocol.Reply{Proofs: []protocol.Proof{both[0], both[0]}}, false},
		{"a result in place of proofs", protocol.OpVerify, protocol.Reply{Result: &protocol.Result{}}, false},
		{"nothing for a status", protocol.OpStatus, protocol.Reply{}, false},
		{"nothing for an export", protocol.OpExport, protocol.Reply{Plan: &plan.Node{}}, false},
		{"nothing for a recovery", protocol.OpRecover, protocol.Reply{}, false},
		{"images", protocol.OpPrepull, protocol.Reply{Ahead: &protocol.Fetched{Images: []protocol.FetchedImage{{Ref: "r/a:1"}}}}, true},
		{"no word on images", protocol.OpPrepull, protocol.Reply{}, false},
		{"an image too few", protocol.OpPrepull, protocol.Reply{Ahead: &protocol.Fetched{}}, false},
		{"another image", protocol.OpPrepull, protocol.Reply{Ahead: &protocol.Fetched{Images: []protocol.FetchedImage{{Ref: "r/b:1"}}}}, false},
	} {
		ahead := &protocol.Prepull{Images: []protocol.Ahead{{Ref: "r/a:1"}}}
		if err := fits(protocol.Request{Op: tc.op, Desired: &wire, Prepull: ahead}, &tc.reply); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestJudgeRefusesWhatAnOperationCannotMean(t *testing.T) {
	for _, tc := range []struct {
		op      protocol.Op
		outcome protocol.Outcome
		want    Phase
	}{
		{protocol.OpApply, protocol.OutcomeApplied, Applied},
		{protocol.OpApply, protocol.OutcomeRolledBack, ""},
		{protocol.OpRollback, protocol.OutcomeRolledBack, RolledBack},
		{protocol.OpRollback, protocol.OutcomeApplied, ""},
		{protocol.OpApply, "done\x1b[2J", ""},
	} {
		got, err := judge("node1", tc.op, &protocol.Reply{Result: &protocol.Result{Outcome: tc.outcome}})
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s, %q: %q, %v", tc.op, tc.outcome, got, err)
		}
	}
}

func TestKeptIsSmallAndPlain(t *testing.T) {
	usual := &protocol.Result{Outcome: protocol.OutcomeApplied, Transaction: "20261124T101502.000Z-4f2a", Changed: []string{"/etc/containerd/certs.d/r"},
		Proofs: []protocol.Proof{{Image: "r/a:1", Endpoints: []string{"http://r"}, OK: true, Fresh: true, Took: time.Second, ByName: "pulled"}},
		Steps:  []protocol.StepTime{{Step: protocol.StepSwap, Took: time.Second}}, Warnings: []plan.Notice{{ID: "w", Text: "look", Hint: "do"}}}
	if diff := cmp.Diff(usual, kept(usual)); diff != "" {
		t.Errorf("a usual result is not kept whole: %s", diff)
	}
	evil := strings.Repeat("\x1b[2J\u202e\n", 1<<12)
	huge := &protocol.Result{Outcome: protocol.Outcome(evil), Failed: protocol.Step(evil), Transaction: evil}
	for range 5000 {
		huge.Changed = append(huge.Changed, evil)
		huge.Steps = append(huge.Steps, protocol.StepTime{Step: protocol.Step(evil)})
		huge.Proofs = append(huge.Proofs, protocol.Proof{Image: evil, Endpoints: []string{evil, evil}, Error: evil, Hint: evil, Digest: evil, ByName: evil})
		huge.Warnings = append(huge.Warnings, plan.Notice{ID: evil, Text: evil, Hint: evil})
	}
	many := &protocol.Result{Steps: make([]protocol.StepTime, 1<<17), Proofs: []protocol.Proof{{Endpoints: make([]string, 1<<17)}}}
	for _, r := range []*protocol.Result{huge, many} {
		b, err := json.Marshal(kept(r))
		if err != nil || len(b) > 4*maxKept {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		var words []string
		_ = json.Unmarshal(b, &struct{ Changed *[]string }{&words})
		for _, w := range append(words, string(kept(r).Outcome)) {
			if strings.ContainsFunc(w, terminal.Drives) {
				t.Errorf("%q", w)
			}
		}
	}
}
