package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/protocol"
)

func tells(node string, s protocol.Status) Answer {
	return Answer{Target: Target{Name: node}, Reply: &protocol.Reply{Status: &s}}
}

func tx(run string, o protocol.Outcome, minute int, more ...func(*protocol.Transaction)) protocol.Transaction {
	at := now.Add(time.Duration(minute) * time.Minute)
	t := protocol.Transaction{ID: run + string(o), Run: run, Op: protocol.OpApply, Operator: "ann@desk", At: at, Ended: at.Add(time.Second), Outcome: o}
	if o == protocol.OutcomeRestored {
		t.Reason = "health: CRI is missing"
	}
	for _, m := range more {
		m(&t)
	}
	return t
}

func wasUndone(t *protocol.Transaction) { t.Undone = true }

func undoes(run string) func(*protocol.Transaction) {
	return func(t *protocol.Transaction) { t.Op, t.Target, t.Operator = protocol.OpRollback, run, "bob@desk" }
}

// theNodes is what three nodes tell after run a on all of them, run b on w2, which
// put itself back, and run r, which undid a on w1; w3 is at work for run c, and w4
// does not answer.
func theNodes() []Answer {
	return []Answer{
		tells("w1", protocol.Status{History: []protocol.Transaction{tx("r", protocol.OutcomeRolledBack, 9, undoes("a")), tx("a", protocol.OutcomeApplied, 0, wasUndone)}}),
		tells("w2", protocol.Status{History: []protocol.Transaction{tx("b", protocol.OutcomeRestored, 5), tx("a", protocol.OutcomeApplied, 1)}}),
		tells("w3", protocol.Status{History: []protocol.Transaction{tx("a", protocol.OutcomeApplied, 2)},
			UnderWay: &protocol.UnderWay{Run: "c", Op: protocol.OpApply, Operator: "cyd@desk", Since: now.Add(time.Hour)}}),
		{Target: Target{Name: "w4"}, Err: &NodeError{Node: "w4", Kind: ErrUnreachable, Text: "no route"}},
	}
}

func TestKnownRuns(t *testing.T) {
	var got []string
	for _, k := range KnownRuns(theNodes()) {
		text := k.ID + " " + k.Command + " " + k.Target + " by " + k.Operator + ":"
		for _, n := range k.Nodes {
			text += " " + n.Name + "=" + string(n.Outcome)
			if n.Holds {
				text += "!"
			}
		}
		if k.Standing() {
			text += " stands"
		}
		got = append(got, text)
	}
	want := []string{
		"c apply  by cyd@desk: w3=busy",
		"r rollback a by bob@desk: w1=rolled-back",
		"b apply  by ann@desk: w2=restored",
		"a apply  by ann@desk: w1=applied w2=applied! w3=applied! stands",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestKnownRunsOfARunThatUndidItself: the undo of a wave has the id of its run.
func TestKnownRunsOfARunThatUndidItself(t *testing.T) {
	got := KnownRuns([]Answer{tells("w1", protocol.Status{History: []protocol.Transaction{
		tx("a", protocol.OutcomeRolledBack, 1, undoes("a")), tx("a", protocol.OutcomeApplied, 0, wasUndone)}})})
	if len(got) != 1 || got[0].Command != "apply" || got[0].Nodes[0].Outcome != protocol.OutcomeRolledBack || got[0].Standing() {
		t.Errorf("%+v", got)
	}
}

func TestAsTold(t *testing.T) {
	cases := map[string]struct {
		old   *Run
		want  string
		notes []string
	}{
		"only the nodes know": {nil, "w2=applied w3=applied", nil},
		"the record is right": {runOf("a", "d", "w1=rolled-back w2=applied w3=applied w4=applied"), "w1=rolled-back w2=applied w3=applied w4=applied", nil},
		"the record is wrong": {runOf("a", "d", "w1=applied w2=restored w3=lost w4=applied"), "w1=unchanged w2=applied w3=applied w4=applied",
			[]string{"node w1: the record of run a says applied, the node says it was rolled back", "node w2: the record of run a says restored, the node says it holds the change"}},
	}
	for name, tc := range cases {
		run, notes := AsTold("a", tc.old, theNodes())
		if got := phases(run); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
		if d := cmp.Diff(tc.notes, notes); d != "" {
			t.Errorf("%s: notes %s", name, d)
		}
		if tc.old == nil && run.Operator != "ann@desk" {
			t.Errorf("%s: of %q", name, run.Operator)
		}
	}
	// A node that is at work on a run, or was left in the middle of it, takes part in its undo.
	half := tx("c", "", 0)
	answers := append(theNodes(), tells("w5", protocol.Status{Interrupted: &half}))
	for name, old := range map[string]*Run{"no record": nil, "a record": runOf("c", "d", "w3=working w5=working")} {
		if run, notes := AsTold("c", old, answers); Holding(run) != 2 || len(notes) > 0 {
			t.Errorf("%s: %s, %q", name, phases(run), notes)
		}
	}
	for run, want := range map[string]string{"b": "it put itself back at 2026-11-23 10:20:03 UTC: health: CRI is missing", "a": "it holds the change", "x": "it holds nothing of it"} {
		if got := Became(theNodes()[1].Reply.Status, run); got != want {
			t.Errorf("run %s: %q, want %q", run, got, want)
		}
	}
}

func TestUndone(t *testing.T) {
	runs := []*Run{runOf("r", "d", "w1=rolled-back w2=restored", undoing("a")), runOf("a", "d", "w1=applied w2=applied")}
	got := Undone(runs)
	if phases(got[1]) != "w1=rolled-back w2=applied" || phases(runs[1]) != "w1=applied w2=applied" || Holding(got[1]) != 1 {
		t.Errorf("%s; the record itself: %s", phases(got[1]), phases(runs[1]))
	}
}

func TestLostIn(t *testing.T) {
	runs := []*Run{runOf("b", "d", "x1=lost"), runOf("a", "d", "w1=applied w2=lost w3=lost")}
	r, lost := LostIn(runs, []Target{{Name: "w1"}, {Name: "w2"}})
	var names []string
	for _, l := range lost {
		names = append(names, l.Name)
	}
	if id(r) != "a" || strings.Join(names, " ") != "w2" {
		t.Errorf("run %q lost %v", id(r), names)
	}
}
