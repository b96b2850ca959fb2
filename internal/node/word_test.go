package node

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// line is a connection of an engine as Serve makes it.
type line struct {
	control chan protocol.Control
	lost    chan struct{}
}

func newLine() line { return line{make(chan protocol.Control), make(chan struct{})} }

// end is what the end of standard input does.
func (l line) end() { close(l.lost); close(l.control) }

func TestAProvenChangeWaitsForItsWord(t *testing.T) {
	const within = time.Minute
	cases := map[string]struct {
		// restarted tells that containerd was restarted before the line ends.
		restarted bool
		say       func(line, store)
		want      string
		// after is when the word is there.
		after time.Duration
	}{
		"confirmed":                            {true, func(l line, _ store) { l.control <- protocol.Control{Confirm: true} }, "", 0},
		"taken back":                           {true, func(l line, _ store) { l.control <- protocol.Control{} }, "took the change back", 0},
		"nothing more heard":                   {true, func(line, store) {}, "within 1m0s", within},
		"the line ends, nothing was restarted": {false, func(l line, _ store) { l.end() }, "the connection ended", 0},
		"the line ends, nobody comes back":     {true, func(l line, _ store) { l.end() }, "for 1m0s after the connection ended", within},
		"the line ends late, nobody comes back": {true, func(l line, _ store) { time.Sleep(within / 2); l.end() },
			"for 1m0s after the connection ended", within + within/2},
		"another line keeps it": {true, func(l line, s store) { l.end(); time.Sleep(within / 2); leave(s, "t1", true) }, "", within/2 + wordEvery},
		"another line takes it back": {true, func(l line, s store) { l.end(); time.Sleep(within / 2); leave(s, "t1", false) },
			"took the change back", within/2 + wordEvery},
		"a word on another transaction": {true, func(l line, s store) { l.end(); leave(s, "t0", true) }, "after the connection ended", within},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine()
				e := NewEngine(t.TempDir(), func(protocol.Step, string) {}, l.control)
				e.lost = l.lost
				w := e.word("t1", within)
				ctx, end := w.listen(t.Context(), func() bool { return tc.restarted })
				go tc.say(l, e.store)
				begin := time.Now()
				err := w.await(ctx)
				if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
					t.Errorf("%v, want %q", err, tc.want)
				}
				if took := time.Since(begin); took > tc.after {
					t.Errorf("after %s, want %s", took, tc.after)
				}
				end()
				if exists(e.store.path(wordFile)) {
					t.Error("the word is left behind")
				}
			})
		})
	}
}

func leave(s store, transaction string, keep bool) {
	if err := s.save(s.path(wordFile), said{transaction, keep}); err != nil {
		panic(err)
	}
}

// TestTheLineEndsInMidTransaction ends the connection as a step begins, and lets
// nobody come back, or somebody who keeps the change.
func TestTheLineEndsInMidTransaction(t *testing.T) {
	for _, at := range []protocol.Step{protocol.StepStage, protocol.StepSwap, protocol.StepRestart, protocol.StepHealth, protocol.StepProve, protocol.StepProven} {
		for _, back := range []bool{false, true} {
			t.Run(string(at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b, l := newBench(t), newLine()
					e := &Engine{store: b.store, control: l.control, lost: l.lost}
					tr := b.transaction(nil)
					w := e.word(tr.record.ID, time.Minute)
					tr.confirm = w.await
					ctx, end := w.listen(t.Context(), tr.keeps)
					defer end()
					tr.tell = func(s protocol.Step, _ string) {
						if s == at {
							l.end()
							synctest.Wait()
							if back {
								leave(b.store, tr.record.ID, true)
							}
						}
					}
					res, err := tr.run(ctx)
					before := at == protocol.StepStage || at == protocol.StepSwap || at == protocol.StepRestart
					if back && !before {
						if err != nil || res.Outcome != protocol.OutcomeApplied || b.daemon.restarts != 1 {
							t.Errorf("kept: %+v, %v after %d restarts", res, err, b.daemon.restarts)
						}
						return
					}
					if diff := b.isOld(); diff != "" {
						t.Error(diff)
					}
					if err == nil || !strings.Contains(err.Error(), errNotConfirmed.Error()) || tr.record.Failed != "" {
						t.Errorf("put back: %+v, %v, failed step %q", res, err, tr.record.Failed)
					}
					if before && b.daemon.restarts != 0 {
						t.Errorf("restarted %d times for a change that nobody waited for", b.daemon.restarts)
					}
				})
			})
		}
	}
}

func TestConfirmWithoutAnEngineChangesNothing(t *testing.T) {
	b := newBench(t)
	e := NewEngine(b.store.dir, func(protocol.Step, string) {}, nil)
	ask := func(run string) *protocol.Result {
		t.Helper()
		reply := e.Do(t.Context(), protocol.Request{Version: protocol.Version, Op: protocol.OpConfirm, Run: run, Confirm: true})
		if reply.Error != nil || reply.Result == nil {
			t.Fatalf("%+v", reply)
		}
		return reply.Result
	}
	if r := ask("run1"); r.Outcome != protocol.OutcomeUnchanged {
		t.Errorf("nothing there: %+v", r)
	}
	if err := b.store.writeJournal(&Record{ID: "t1", Run: "run1", Op: protocol.OpApply, Phase: PhaseActive}); err != nil {
		t.Fatal(err)
	}
	if r := ask("run1"); r.Outcome != protocol.OutcomeUnchanged || exists(b.store.path(wordFile)) {
		t.Errorf("its engine is dead: %+v", r)
	}
	unlock, err := b.store.lock(Holder{Run: "run1", Op: "apply", Since: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if r := ask("run2"); r.Outcome != protocol.OutcomeUnchanged || exists(b.store.path(wordFile)) {
		t.Errorf("another run's: %+v", r)
	}
}

// TestConfirmTellsHowItEnded lets an engine wait without a connection, and
// another connection say the word.
func TestConfirmTellsHowItEnded(t *testing.T) {
	for _, keep := range []bool{true, false} {
		b, l := newBench(t), newLine()
		unlock, err := b.store.lock(Holder{Run: "run1", Op: "apply", Since: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		tr := b.transaction(nil)
		tr.record.Run, tr.record.Op = "run1", protocol.OpApply
		e := &Engine{store: b.store, control: l.control, lost: l.lost}
		w := e.word(tr.record.ID, time.Minute)
		tr.confirm = w.await
		ctx, end := w.listen(context.Background(), tr.keeps)
		waits := make(chan struct{})
		tr.tell = func(s protocol.Step, _ string) {
			if s == protocol.StepProven {
				l.end()
				close(waits)
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = tr.run(ctx)
			end()
			unlock()
		}()
		<-waits
		reply := NewEngine(b.store.dir, func(protocol.Step, string) {}, nil).Do(t.Context(),
			protocol.Request{Version: protocol.Version, Op: protocol.OpConfirm, Run: "run1", Confirm: keep})
		<-done
		want := protocol.OutcomeApplied
		if !keep {
			want = protocol.OutcomeRestored
		}
		if reply.Result == nil || reply.Result.Outcome != want || reply.Result.Transaction != tr.record.ID || (reply.Error == nil) != keep {
			t.Errorf("keep %v: %+v, %v", keep, reply.Result, reply.Error)
		}
		later := NewEngine(b.store.dir, func(protocol.Step, string) {}, nil).Do(t.Context(),
			protocol.Request{Version: protocol.Version, Op: protocol.OpConfirm, Run: "run1", Confirm: true})
		if committed := later.Result.Outcome == protocol.OutcomeApplied; committed != keep {
			t.Errorf("keep %v: asked again, it tells %+v", keep, later.Result)
		}
		if keep && !reply.Result.Restarted {
			t.Errorf("the result is not the one of the engine at work: %+v", reply.Result)
		}
	}
}
