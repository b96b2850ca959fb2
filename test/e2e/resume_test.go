//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
)

// moment is when the operator's pullway is killed: at the nth line that holds a word.
type moment struct {
	name string
	word string
	nth  int
	// full: only where everything is asked for.
	full bool
}

// TestKilledAtAnyMoment kills the pullway of a run over twenty nodes, and lets the
// same command go on. Over both, each node is restarted once and the run has one
// record, which undoes all of it. PULLWAY_E2E=full takes every moment.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	l := up(t, lab.Cycle(20, releases()...)...)
	o := newOperator(t, l)
	text := strings.Replace(spec(harbor, image), "canary: 1, maxUnavailable: 100%, confirmWithin: 10s", "canary: 1, maxUnavailable: 50%, confirmWithin: 60s", 1)
	file := o.file("spec.yaml", text)
	was := allEtc(t, l)
	moments := []moment{
		{"while planning", "looking", 5, true},
		{"the canary swaps", ": swapping files", 1, true},
		{"the canary restarts", ": restarting containerd", 1, true},
		{"the first wave backs up", ": backing up", 4, false},
		{"the first wave restarts", ": restarting containerd", 5, true},
		{"half of the first wave has ended", ": changed", 6, true},
		{"the first wave has ended", ": changed", 11, true},
		{"the first wave proves", ": pulling", 16, false},
		{"the second wave restarts", ": restarting containerd", 14, true},
		{"nearly all have ended", ": changed", 19, true},
		{"all have ended", ": changed", 20, false},
	}
	for _, m := range moments {
		if m.full && !full() {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			o.t = t
			started := starts(t, l)
			r := o.start(nil, "apply", "-f", file, "--yes", "-v", "-o", "json")
			n := 0
			r.until(m.word, func(line string) bool {
				if strings.HasSuffix(line, m.word) || strings.Contains(line, m.word+" ") {
					n++
				}
				return n == m.nth
			})
			r.kill()
			begun := o.history()
			again := o.must(0, "apply", "-f", file, "--yes", "-o", "json")
			run := o.record(again)
			for _, node := range run.Nodes {
				if node.Phase != fleet.Applied {
					t.Errorf("%s ended as %s", node.Name, node.Phase)
				}
			}
			runs := o.history()
			if runs[0].ID != run.ID || runs[0].Outcome != fleet.Done || runs[0].Ended.IsZero() {
				t.Errorf("the history's newest run is %+v", runs[0])
			}
			if len(begun) > 0 && begun[0].Command == "apply" {
				if begun[0].ID != run.ID || len(runs) != len(begun) {
					t.Errorf("run %s was begun, run %s ended; %d and %d runs", begun[0].ID, run.ID, len(begun), len(runs))
				}
				mentions(t, again, "resuming run "+run.ID)
			}
			t.Log(strings.TrimSpace(strings.Join(slices.DeleteFunc(strings.Split(again.err, "\n"), func(s string) bool {
				return !strings.Contains(s, "resuming") && !strings.Contains(s, "looked")
			}), "; ")))
			for name, n := range starts(t, l) {
				if got := n - started[name]; got != 1 {
					t.Errorf("%s: containerd was started %d times, want once", name, got)
				}
			}
			each(t, l, func(n *lab.Node) {
				clean(t, n)
				healthy(t, n)
				if nodeHas(n, "/var/lib/pullway/word.json") {
					t.Errorf("%s: a word is left behind", n.Name)
				}
			})
			o.rollback(0, run.ID)
			unchanged(t, "after the rollback", was, allEtc(t, l))
		})
	}
	t.Run("a rollback is killed", func(t *testing.T) {
		o.t = t
		run := o.apply(0, file)
		r := o.start(nil, "rollback", "last", "--yes", "-v", "-o", "json")
		n := 0
		r.until("five nodes rolled back", func(line string) bool {
			if strings.HasSuffix(line, ": rolled back") {
				n++
			}
			return n == 5
		})
		r.kill()
		again := o.must(0, "rollback", "last", "--yes", "-o", "json")
		undo := o.record(again)
		mentions(t, again, "resuming run "+undo.ID)
		if undo.Target != run.ID || undo.Outcome != fleet.Done {
			t.Errorf("%s of run %s, want done of %s", undo.Outcome, undo.Target, run.ID)
		}
		unchanged(t, "after the rollback", was, allEtc(t, l))
	})
	t.Run("from another machine", func(t *testing.T) {
		o.t = t
		run := o.apply(0, file)
		other := newOperator(t, l)
		h := decode[report.History](t, other.must(0, "history", "-o", "json"))
		if len(h.Runs) == 0 || h.Runs[0].ID != run.ID || h.Runs[0].Changed != 20 || h.Runs[0].Operator != run.Operator {
			t.Fatalf("the newest run by the nodes is %+v", h.Runs)
		}
		if undo := other.rollback(0, "last"); undo.Target != run.ID || undo.Outcome != fleet.Done {
			t.Errorf("%s of run %s, want done of %s", undo.Outcome, undo.Target, run.ID)
		}
		unchanged(t, "after the other's rollback", was, allEtc(t, l))
		// The first operator's record still says that it is all there.
		r := o.must(2, "rollback", "last", "--yes")
		mentions(t, r, "no run has anything to undo")
	})
}

// history are the runs of this operator's records, newest first.
func (o *operator) history() []report.HistoryRun {
	o.t.Helper()
	r := o.run("history", "-o", "json")
	if r.code != 0 {
		o.t.Fatal(r)
	}
	return decode[report.History](o.t, r).Runs
}

// each does one thing on every node at once.
func each(t *testing.T, l *lab.Lab, do func(*lab.Node)) {
	t.Helper()
	var wg sync.WaitGroup
	for _, n := range l.Nodes() {
		wg.Go(func() { do(n) })
	}
	wg.Wait()
}

// starts counts how often containerd was started on each node since its boot.
func starts(t *testing.T, l *lab.Lab) map[string]int {
	t.Helper()
	var mu sync.Mutex
	all := map[string]int{}
	each(t, l, func(n *lab.Node) {
		j, err := n.Journal(t.Context(), "containerd")
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		all[n.Name] = strings.Count(j, "Started containerd.service")
	})
	return all
}

// TestWhatIsNotResumed: another specification, and a node that somebody undid.
func TestWhatIsNotResumed(t *testing.T) {
	t.Parallel()
	l := up(t, lab.Cycle(3, "1.7.35")...)
	o := newOperator(t, l)
	one := o.file("one.yaml", strings.Replace(spec(harbor, image), "100%, confirmWithin: 10s", "1, confirmWithin: 60s", 1))
	two := o.file("two.yaml", strings.Replace(spec(harbor, image, appImage), "100%, confirmWithin: 10s", "1, confirmWithin: 60s", 1))
	was := allEtc(t, l)

	cut := func(word string, nth int) string {
		t.Helper()
		r := o.start(nil, "apply", "-f", one, "--yes", "-v")
		n := 0
		r.until(word, func(line string) bool {
			if strings.HasSuffix(line, word) {
				n++
			}
			return n == nth
		})
		r.kill()
		return o.history()[0].ID
	}
	first := cut(": restarting containerd", 2)
	r := o.must(0, "apply", "-f", two, "--yes", "-o", "json")
	mentions(t, r, "run "+first+" did not end, and is not resumed: the specification has changed since")
	second := o.record(r)
	if second.ID == first || second.Outcome != fleet.Done {
		t.Errorf("run %s ended as %s", second.ID, second.Outcome)
	}
	o.rollback(0, second.ID)
	o.rollback(0, first)
	unchanged(t, "both undone", was, allEtc(t, l))

	third := cut(": changed", 2)
	other := newOperator(t, l)
	other.rollback(0, third, "--limit", "node2")
	r = o.must(0, "apply", "-f", one, "--yes", "-o", "json")
	mentions(t, r, "run "+third+" is not resumed: no longer as it left them: node2")
	fourth := o.record(r)
	if fourth.ID == third {
		t.Error("the run was resumed over a node that somebody undid")
	}
	// A record that the crash damaged is told and does not block.
	fifth := func() string {
		o.rollback(0, fourth.ID)
		o.rollback(0, third)
		unchanged(t, "undone again", was, allEtc(t, l))
		return cut(": changed", 1)
	}()
	store := record.Store{Dir: o.env["PULLWAY_STATE_DIR"]}
	o.file(fmt.Sprintf("state/runs/%s/run.json", fifth), `{"schema": 1, "id": "`)
	if _, err := store.Get(fifth); err == nil {
		t.Fatal("the record is not damaged")
	}
	r = o.must(0, "apply", "-f", one, "--yes", "-o", "json")
	mentions(t, r, `record of run "`+fifth+`"`, "it is passed over")
	if run := o.record(r); run.Outcome != fleet.Done {
		t.Errorf("ended as %s", run.Outcome)
	}
}
