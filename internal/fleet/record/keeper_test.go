package record

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
)

// sameRun compares what is kept of two runs.
func sameRun(want, got *Run) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(fleet.NodeError{}), cmpopts.EquateEmpty())
}

// underWay is a run of n nodes that has no end yet.
func underWay(n int) *Run {
	run := sample(id1)
	run.Nodes = nil
	for i := range n {
		run.Nodes = append(run.Nodes, fleet.NodeRun{Name: fmt.Sprintf("node%d", i), Phase: fleet.Pending})
	}
	return run
}

// tell changes a node as a run does.
func tell(run *Run, i, what int) {
	n := &run.Nodes[i]
	switch what % 5 {
	case 0:
		n.Step = protocol.StepSwap
	case 1:
		n.Step = protocol.StepProve
	case 2:
		n.Phase, n.Begun = fleet.Working, run.Started.Add(time.Second)
	case 3:
		n.Phase, n.Ended, n.Result = fleet.Applied, run.Started.Add(time.Minute), &protocol.Result{Outcome: protocol.OutcomeApplied}
	case 4:
		n.Phase, n.Error = fleet.Lost, &fleet.NodeError{Node: n.Name, Kind: fleet.ErrLineLost, Text: "no route"}
	}
}

func TestKeeperIsReadAsItWasSaved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "record")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
		s := Store{Dir: dir}
		run := underWay(rapid.IntRange(1, 5).Draw(t, "nodes"))
		k := s.Keep()
		for range rapid.IntRange(1, 20).Draw(t, "saves") {
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				tell(run, rapid.IntRange(0, len(run.Nodes)-1).Draw(t, "node"), rapid.IntRange(0, 4).Draw(t, "what"))
			}
			switch rapid.IntRange(0, 9).Draw(t, "else") {
			case 0:
				run.Stop = fleet.StopSoon
			case 1: // gone on with by another process
				k = s.Keep()
			case 2: // a step that is taken back, as when a node is done again
				run.Nodes[0].Step = ""
			}
			if err := k.Save(run); err != nil {
				t.Fatal(err)
			}
			got, err := s.Get(id1)
			if err != nil {
				t.Fatal(err)
			}
			if diff := sameRun(run, got); diff != "" {
				t.Fatal(diff)
			}
		}
		run.Ended, run.Outcome = run.Started.Add(time.Hour), fleet.Done
		if err := k.Save(run); err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(id1)
		if left, _ := filepath.Glob(filepath.Join(s.folder(id1), "*")); err != nil || sameRun(run, got) != "" || len(left) != 1 {
			t.Fatalf("after the end: %v, files %q\n%s", err, left, sameRun(run, got))
		}
	})
}

// TestKeeperSurvivesACrash cuts what was written at every byte of the last Save:
// a reader finds the record before it or after it.
func TestKeeperSurvivesACrash(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	run, k := underWay(3), s.Keep()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(k.Save(run))
	tell(run, 0, 2)
	must(k.Save(run))
	before, err := s.Get(id1)
	must(err)
	log := s.logFile(id1, k.token)
	old, err := os.ReadFile(log)
	must(err)
	tell(run, 1, 3)
	must(k.Save(run))
	whole, err := os.ReadFile(log)
	must(err)
	for cut := len(old); cut <= len(whole); cut++ {
		must(os.WriteFile(log, whole[:cut], 0o600))
		got, err := s.Get(id1)
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", cut, len(whole), err)
		}
		want := before
		if cut == len(whole) {
			want = run
		}
		if diff := sameRun(want, got); diff != "" {
			t.Fatalf("cut at %d of %d:\n%s", cut, len(whole), diff)
		}
	}
	// The log of a former record, as a crash between the two leaves it, says nothing.
	former := filepath.Join(s.folder(id1), "run-0123456789abcdef.log")
	must(os.WriteFile(former, []byte(`{"node":0,"step":"lock"}`+"\n"), 0o600))
	got, err := s.Get(id1)
	must(err)
	if diff := sameRun(run, got); diff != "" {
		t.Errorf("a log of a former record was read:\n%s", diff)
	}
	// Whoever goes on with the run clears it away.
	must(s.Keep().Save(run))
	if _, err := os.Stat(former); err == nil {
		t.Error("the log of a former record stays")
	}
}

func TestKeeperWritesWholeAfterAFailedAppend(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	run, k := underWay(2), s.Keep()
	if err := k.Save(run); err != nil {
		t.Fatal(err)
	}
	tell(run, 0, 2)
	if err := k.Save(run); err != nil {
		t.Fatal(err)
	}
	_, _ = k.log.WriteString(`{"node":0,"st`) // what a full disk leaves
	_ = k.log.Close()
	tell(run, 1, 2)
	if err := k.Save(run); err == nil {
		t.Fatal("a log that cannot be written is no error")
	}
	if err := k.Save(run); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(id1)
	if err != nil || sameRun(run, got) != "" {
		t.Errorf("%v\n%s", err, sameRun(run, got))
	}
}

func TestDamagedLogIsTold(t *testing.T) {
	for name, c := range map[string]struct{ line, want string }{
		"no JSON":          {"gibberish", "line 2 of its log"},
		"a node too many":  {`{"node":2,"step":"swap"}`, "there is no node 2"},
		"a negative node":  {`{"node":-1,"step":"swap"}`, "there is no node -1"},
		"another node":     {`{"node":0,"now":{"name":"x","phase":"applied"}}`, `node 0 is "node0", not "x"`},
		"an unknown phase": {`{"node":0,"now":{"name":"node0","phase":"asleep"}}`, "not known"},
	} {
		s := Store{Dir: t.TempDir()}
		run, k := underWay(2), s.Keep()
		if err := k.Save(run); err != nil {
			t.Fatal(err)
		}
		tell(run, 0, 0)
		if err := k.Save(run); err != nil {
			t.Fatal(err)
		}
		if _, err := k.log.WriteString(c.line + "\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(id1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
