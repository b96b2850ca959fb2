package fleet

import (
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 23, 10, 15, 2, 0, time.UTC)

// runOf makes a record: "w1=applied w2=pending".
func runOf(id, digest, nodes string, more ...func(*Run)) *Run {
	r := &Run{Schema: RunSchema, ID: id, Command: "apply", SpecDigest: digest, Started: now, Policy: Policy{WaveSize: 1}}
	for _, f := range strings.Fields(nodes) {
		name, phase, _ := strings.Cut(f, "=")
		n := NodeRun{Name: name, Phase: Phase(phase), Plan: &PlanSummary{Fingerprint: "f"}}
		if n.Phase != Pending && n.Phase != Unchanged {
			n.Begun = now
		}
		r.Nodes = append(r.Nodes, n)
	}
	for _, m := range more {
		m(r)
	}
	return r
}

func ended(o Outcome) func(*Run) { return func(r *Run) { r.Ended, r.Outcome = now, o } }

func stopped(s Stop) func(*Run) { return func(r *Run) { r.Stop = s } }

func undoing(run string) func(*Run) {
	return func(r *Run) { r.Command, r.Target = "rollback", run }
}

func TestWhatToResume(t *testing.T) {
	apply := Wanted{SpecDigest: "d", Nodes: []string{"w1", "w2", "w3"}}
	cases := map[string]struct {
		records []*Run // newest first
		want    Wanted
		resumes string
		passes  string
		note    string
		reason  string
	}{
		"no records": {nil, apply, "", "", "", "the first run of all"},
		"one that ended": {[]*Run{runOf("a", "d", "w1=applied w2=applied w3=applied", ended(Done))}, apply, "", "", "",
			"there is nothing to go on with"},
		"one without an end": {[]*Run{runOf("a", "d", "w1=applied w2=working w3=pending")}, apply, "a", "", "",
			"the command was killed"},
		"one that was killed before its first start": {[]*Run{runOf("a", "d", "w1=pending w2=pending w3=pending")}, apply, "a", "", "",
			"its record has nothing but plans, which are made anew"},
		"the last save was missed": {[]*Run{runOf("a", "d", "w1=applied w2=applied w3=applied")}, apply, "a", "", "",
			"only its end is to be written"},
		"another specification": {[]*Run{runOf("a", "old", "w1=applied w2=working w3=pending")}, apply, "", "a", "the specification has changed since",
			"what it would do is not what is wanted"},
		"fewer nodes": {[]*Run{runOf("a", "d", "w1=applied w2=working w3=pending w4=pending")}, apply, "", "a", "without w4",
			"waves and budget were reckoned over the others too"},
		"more nodes": {[]*Run{runOf("a", "d", "w1=applied w2=working")}, apply, "", "a", "with w3", "as before"},
		"other nodes alone": {[]*Run{runOf("b", "d", "x1=working"), runOf("a", "d", "w1=applied w2=working w3=pending")}, apply, "a", "", "",
			"runs on other nodes do not come in between"},
		"a newer one that ended": {[]*Run{runOf("b", "x", "w1=applied", ended(Done)), runOf("a", "d", "w1=applied w2=working w3=pending")}, apply, "", "", "",
			"what came later has settled it"},
		"paused by one Ctrl-C": {[]*Run{runOf("a", "d", "w1=applied w2=pending w3=pending", ended(Stopped), stopped(StopSoon))}, apply, "a", "", "",
			"nothing failed: one rollout, one undo"},
		"paused before anything was changed": {[]*Run{runOf("a", "d", "w1=pending w2=pending w3=pending", ended(FailedUnchanged), stopped(StopSoon))}, apply, "a", "", "", "as before"},
		"taken back by a second Ctrl-C": {[]*Run{runOf("a", "d", "w1=applied w2=restored w3=pending", ended(Stopped), stopped(StopNow))}, apply, "", "", "",
			"it was ended for a reason"},
		"stopped by its budget": {[]*Run{runOf("a", "d", "w1=applied w2=restored w3=pending", ended(Partial))}, apply, "", "", "",
			"another attempt begins with a canary and a whole budget"},
		"paused after its budget was gone": {[]*Run{runOf("a", "d", "w1=applied w2=restored w3=pending", ended(Stopped), stopped(StopSoon))}, apply, "", "", "",
			"as before"},
		"other flags": {[]*Run{runOf("a", "d", "w1=applied w2=working w3=pending")},
			Wanted{SpecDigest: "d", Nodes: apply.Nodes, Adopt: true}, "a", "", "started with no flags and goes on with --adopt",
			"what is left is planned and shown anew"},
		"an unfinished rollback, an apply wanted": {[]*Run{runOf("b", "d", "w1=rolled-back w2=working w3=pending", undoing("a"))}, apply, "", "b", "pullway rollback a goes on with",
			"the opposite is wanted now"},
		"an unfinished rollback, the same wanted": {[]*Run{runOf("b", "d", "w1=rolled-back w2=working w3=pending", undoing("a"))},
			Wanted{Target: "a", Nodes: apply.Nodes}, "b", "", "", "rollback goes on with a rollback"},
		"an unfinished rollback of fewer nodes": {[]*Run{runOf("b", "d", "w2=working w3=pending", undoing("a"))},
			Wanted{Target: "a", Nodes: apply.Nodes}, "b", "", "", "nodes that took no part in the run take none in its undo"},
		"an unfinished rollback of another run": {[]*Run{runOf("b", "d", "w1=rolled-back w2=working w3=pending", undoing("x"))},
			Wanted{Target: "a", Nodes: apply.Nodes}, "", "b", "another run than the one", ""},
		"an unfinished apply, its undo wanted": {[]*Run{runOf("a", "d", "w1=applied w2=working w3=pending")},
			Wanted{Target: "a", Nodes: apply.Nodes}, "", "a", "it is to be undone", "the undo is a run of its own"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := WhatToResume(tc.records, tc.want)
			if id(got.Run) != tc.resumes || id(got.Passed) != tc.passes {
				t.Errorf("%s: resumes %q and passes %q, want %q and %q", tc.reason, id(got.Run), id(got.Passed), tc.resumes, tc.passes)
			}
			notes := strings.Join(got.Notes, "\n")
			if (tc.note == "") != (notes == "") || !strings.Contains(notes, tc.note) {
				t.Errorf("notes %q, want %q", notes, tc.note)
			}
			if got.Run != nil && (!got.Run.Interrupted() || got.Run.Stop != StopNone || got.Run.Outcome != "") {
				t.Errorf("the run to resume has an end: %+v", got.Run)
			}
		})
	}
}

func id(r *Run) string {
	if r == nil {
		return ""
	}
	return r.ID
}

func TestFailing(t *testing.T) {
	cases := map[string]struct {
		nodes  string
		policy Policy
		why    string
		back   int
	}{
		"all is well":                           {"w1=applied w2=pending", Policy{Canary: 1, WaveSize: 1}, "", 0},
		"in flight is no failure":               {"w1=applied w2=working w3=pending", Policy{Canary: 1, WaveSize: 1}, "", 0},
		"the canary failed":                     {"w1=restored w2=pending", Policy{Canary: 1, WaveSize: 1}, `canary node "w1" failed`, 0},
		"a wave is to be put back":              {"w1=applied w2=applied w3=restored w4=pending", Policy{WaveSize: 3}, "1 node failed, the budget is 0", 2},
		"within the budget":                     {"w1=applied w2=restored w3=pending", Policy{WaveSize: 3, FailureBudget: 1}, "", 0},
		"every node has ended, none has failed": {"w1=applied w2=unchanged", Policy{WaveSize: 3}, "", 0},
	}
	for name, tc := range cases {
		r := runOf("a", "d", tc.nodes)
		r.Policy = tc.policy
		if got := r.Failing(); got != tc.why {
			t.Errorf("%s: %q, want %q", name, got, tc.why)
		}
		if got := r.ToPutBack(); got != tc.back {
			t.Errorf("%s: %d to put back, want %d", name, got, tc.back)
		}
	}
}
