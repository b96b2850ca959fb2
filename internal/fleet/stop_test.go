package fleet

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// Moments of the first apply of a fake run: 40 ms are for the plan, 20 ms for
// the request, then 20 ms for each of three steps, the swap last.
const (
	beforeSwap = 90 * time.Millisecond
	afterSwap  = 110 * time.Millisecond
)

func TestStopOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(targets(3, 0), nil)
		stop := make(chan struct{})
		time.AfterFunc(afterSwap, func() { close(stop) })
		o := options(Policy{Canary: 1, WaveSize: 1})
		o.Stop = stop
		run, err := planAndApply(t.Context(), f, targets(3, 0), o, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := phases(run); got != "w1=applied w2=pending w3=pending" || run.Outcome != Stopped || run.Stop != StopSoon {
			t.Errorf("%s, outcome %q, stop %q", got, run.Outcome, run.Stop)
		}
	})
}

func TestStopTwice(t *testing.T) {
	cases := map[time.Duration]struct {
		want    string
		outcome Outcome
	}{
		beforeSwap: {"w1=unreachable w2=pending w3=pending", FailedUnchanged},
		afterSwap:  {"w1=restored w2=pending w3=pending", AllRolledBack},
	}
	for at, tc := range cases {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeFleet(targets(3, 0), nil)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(at, cancel)
			run, err := planAndApply(ctx, f, targets(3, 0), options(Policy{Canary: 1, WaveSize: 1}), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := phases(run); got != tc.want || run.Outcome != tc.outcome || run.Stop != StopNow {
				t.Errorf("after %s: %s, outcome %q, stop %q", at, got, run.Outcome, run.Stop)
			}
		})
	}
}

func TestStopWhileUndoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(targets(3, 0), map[string]fault{"w3": stepFails})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		first := true
		obs := &observerFuncs{wave: func(_ int, undo bool, _ []string) {
			if undo && first {
				first = false
				cancel()
			}
		}}
		run, err := planAndApply(ctx, f, targets(3, 0), options(Policy{WaveSize: 1, OnFailure: "rollback-run"}), nil, obs)
		if err != nil {
			t.Fatal(err)
		}
		// The undo under way ends well; the next one does not begin.
		if got := phases(run); got != "w1=applied w2=rolled-back w3=restored" || run.Outcome != Stopped {
			t.Errorf("%s, outcome %q", got, run.Outcome)
		}
	})
}

// observerFuncs is an Observer of functions; nil ones are not called.
type observerFuncs struct {
	wave  func(int, bool, []string)
	step  func(string, protocol.Step, string)
	ended func(string, Phase, *NodeError)
}

func (o *observerFuncs) WaveStarted(wave int, undo bool, nodes []string) {
	if o.wave != nil {
		o.wave(wave, undo, nodes)
	}
}

func (o *observerFuncs) NodeStep(node string, step protocol.Step, text string) {
	if o.step != nil {
		o.step(node, step, text)
	}
}

func (o *observerFuncs) NodeEnded(node string, phase Phase, err *NodeError) {
	if o.ended != nil {
		o.ended(node, phase, err)
	}
}

func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waves []int
		ends := map[string]Phase{}
		steps := map[string][]protocol.Step{}
		f := newFakeFleet(targets(2, 0), nil)
		run, err := planAndApply(t.Context(), f, targets(2, 0), options(Policy{Canary: 1, WaveSize: 1}), nil, &observerFuncs{
			wave:  func(w int, _ bool, _ []string) { waves = append(waves, w) },
			step:  func(n string, s protocol.Step, _ string) { steps[n] = append(steps[n], s) },
			ended: func(n string, p Phase, _ *NodeError) { ends[n] = p },
		})
		if err != nil || run.Outcome != Done {
			t.Fatalf("outcome %q, %v", run.Outcome, err)
		}
		if len(waves) != 2 || waves[0] != 0 || waves[1] != 1 {
			t.Errorf("waves %v", waves)
		}
		for _, n := range []string{"w1", "w2"} {
			last := steps[n]
			if ends[n] != Applied || len(last) == 0 || last[len(last)-1] != protocol.StepProven {
				t.Errorf("node %s ended %q after %v", n, ends[n], steps[n])
			}
		}
	})
}

func TestAnObserverThatHangsHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var once sync.Once
		release := make(chan struct{})
		obs := &observerFuncs{step: func(string, protocol.Step, string) { once.Do(func() { <-release }) }}
		f := newFakeFleet(targets(2, 0), nil)
		begin := time.Now()
		run, err := planAndApply(t.Context(), f, targets(2, 0), options(Policy{Canary: 1, WaveSize: 1}), nil, obs)
		if err != nil || run.Outcome != Done {
			t.Fatalf("outcome %q, %v", run.Outcome, err)
		}
		if took := run.Ended.Sub(begin); took > time.Second {
			t.Errorf("the run took %s", took)
		}
		close(release)
	})
}
