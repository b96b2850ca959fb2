package fleet

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestFiveThousand runs a large fleet in simulated time: what it takes is what
// the waves take, nothing else.
func TestFiveThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := targets(4997, 3)
		f := newFakeFleet(all, nil)
		begin := time.Now()
		run, err := planAndApply(t.Context(), f, all, options(Policy{Canary: 1, WaveSize: 500}), nil, nil)
		if err != nil || run.Outcome != Done || f.open != 0 || len(f.wrong) > 0 {
			t.Fatalf("outcome %q, %v, %d open, %v", run.Outcome, err, f.open, f.wrong)
		}
		// 79 rounds of plans of 2 latencies; a canary, 10 waves and 3 control-plane
		// nodes, each 4 latencies and one for a line that was not kept.
		if took, most := time.Since(begin), 79*2*f.latency+14*5*f.latency; took > most {
			t.Errorf("took %s, want at most %s", took, most)
		}
		if f.most != 500 {
			t.Errorf("%d nodes in flight, want 500", f.most)
		}
	})
}

// TestNextIsCheap: the driver asks after each node, so what Next takes of memory
// for a large fleet is bounded by a few slices, and by nothing while it waits.
func TestNextIsCheap(t *testing.T) {
	s := State{}
	for _, n := range targets(4997, 3) {
		s.Nodes = append(s.Nodes, NodeState{Name: n.Name, ControlPlane: n.ControlPlane, Phase: Pending})
	}
	p := Policy{Canary: 1, WaveSize: 500}
	// Two slices of the line, the places, the map, and the names as they grow.
	if n := testing.AllocsPerRun(10, func() { Next(s, p) }); n > 20 {
		t.Errorf("%.0f allocations for a decision", n)
	}
	s.Nodes[4999].Phase = Working
	if n := testing.AllocsPerRun(10, func() { Next(s, p) }); n > 0 {
		t.Errorf("%.0f allocations while it waits", n)
	}
}

func BenchmarkForecastOfFiveThousandOneByOne(b *testing.B) {
	s := State{}
	for _, n := range targets(4997, 3) {
		s.Nodes = append(s.Nodes, NodeState{Name: n.Name, ControlPlane: n.ControlPlane, Phase: Pending})
	}
	for b.Loop() {
		if coming, _ := Forecast(s, Policy{Canary: 1, WaveSize: 1}); len(coming) != 5000 {
			b.Fatal(len(coming))
		}
	}
}

func BenchmarkFiveThousand(b *testing.B) {
	all := targets(4997, 3)
	for b.Loop() {
		f := newFakeFleet(all, nil)
		f.latency = time.Millisecond
		run, err := planAndApply(context.Background(), f, all, options(Policy{Canary: 1, WaveSize: 500}), nil, nil)
		if err != nil || run.Outcome != Done {
			b.Fatalf("outcome %q, %v", run.Outcome, err)
		}
	}
}

func BenchmarkNextOfFiveThousand(b *testing.B) {
	r := Run{Policy: Policy{Canary: 1, WaveSize: 500}}
	for _, n := range targets(4997, 3) {
		r.Nodes = append(r.Nodes, NodeRun{Name: n.Name, ControlPlane: n.ControlPlane, Phase: Pending})
	}
	for b.Loop() {
		if d := Next(r.State(), r.Policy); d.Action != Start {
			b.Fatal(d)
		}
	}
}
