package record

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// answering is a fleet whose nodes do nothing but answer, each after a while.
// Planner, Driver and record are the real ones.
type answering struct {
	latency time.Duration
	// most is the largest number of goroutines, and heap of live bytes, that a node
	// saw when it was asked.
	most, heap atomic.Int64
	asked      atomic.Int64
	mu         sync.Mutex
}

func (a *answering) Connect(ctx context.Context, node string) (fleet.Conn, error) {
	return answeringNode{a, node}, a.wait(ctx)
}

// wait lets the time pass that a round trip takes.
func (a *answering) wait(ctx context.Context) error {
	raise(&a.most, int64(runtime.NumGoroutine()))
	if a.asked.Add(1)%1000 == 0 {
		a.mu.Lock()
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		raise(&a.heap, int64(live[0].Value.Uint64()))
		a.mu.Unlock()
	}
	select {
	case <-time.After(a.latency):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func raise(to *atomic.Int64, x int64) {
	for {
		was := to.Load()
		if x <= was || to.CompareAndSwap(was, x) {
			return
		}
	}
}

type answeringNode struct {
	fleet *answering
	name  string
}

func (n answeringNode) Close() error { return nil }

func (n answeringNode) Do(ctx context.Context, req protocol.Request, on func(protocol.Event) *protocol.Control) (*protocol.Reply, error) {
	if err := n.fleet.wait(ctx); err != nil {
		return nil, err
	}
	if req.Op == protocol.OpPlan {
		return &protocol.Reply{Plan: &plan.Node{Fingerprint: n.name, Facts: plan.Facts{Hostname: n.name, Release: "1.7.35"}, Restart: plan.Restart{Needed: true},
			Changes: []plan.Change{{Path: "/etc/containerd/certs.d/192.168.21.9/hosts.toml", Action: plan.Create}, {Path: "/etc/containerd/config.toml", Action: plan.Update}}}}, nil
	}
	result := &protocol.Result{Outcome: protocol.OutcomeApplied, Transaction: "20261124T101502.000Z-4f2a", Restarted: true,
		Changed: []string{"/etc/containerd/certs.d/192.168.21.9/hosts.toml", "/etc/containerd/config.toml"},
		Proofs:  []protocol.Proof{{Image: "192.168.21.9/library/test-image:latest", Endpoints: []string{"http://192.168.21.9"}, OK: true, Digest: "sha256:0123", Fresh: true, ByName: "pulled"}}}
	for _, s := range []protocol.Step{protocol.StepLock, protocol.StepObserve, protocol.StepStage, protocol.StepCheck, protocol.StepBackup, protocol.StepArm,
		protocol.StepSwap, protocol.StepRestart, protocol.StepHealth, protocol.StepProve, protocol.StepProven, protocol.StepCommit} {
		if err := n.fleet.wait(ctx); err != nil {
			return nil, err
		}
		on(protocol.Event{Step: s, At: time.Now()})
		result.Steps = append(result.Steps, protocol.StepTime{Step: s, Took: time.Millisecond})
	}
	return &protocol.Reply{Result: result}, nil
}

const (
	fiveThousand = 5000
	waveOf       = 500
)

// drive plans and applies the whole fleet and gives the Keeper of its record.
func drive(tb testing.TB, a *answering) (*fleet.Run, *Keeper) {
	tb.Helper()
	targets := make([]fleet.Target, fiveThousand)
	for i := range targets {
		targets[i] = fleet.Target{Name: fmt.Sprintf("node%d", i+1), ControlPlane: i >= fiveThousand-3}
	}
	ctx := context.Background()
	plans, err := (&fleet.Planner{Connector: a}).Plan(ctx, targets, protocol.Request{})
	if err != nil {
		tb.Fatal(err)
	}
	k := Store{Dir: tb.TempDir()}.Keep()
	head := fleet.Run{ID: id1, Command: "apply", Policy: fleet.Policy{Canary: 1, WaveSize: waveOf, ConfirmWithin: time.Minute}}
	run, err := (&fleet.Driver{Connector: a, Recorder: k}).Apply(ctx, fleet.Options{Run: head}, plans)
	if err != nil || run.Outcome != fleet.Done {
		tb.Fatalf("outcome %v, %v", run, err)
	}
	return run, k
}

// TestFleetOfFiveThousandIsBounded holds what does not depend on the machine: how
// much goes on at once, how much is kept, and how much is written.
func TestFleetOfFiveThousandIsBounded(t *testing.T) {
	a := &answering{latency: time.Millisecond}
	run, k := drive(t, a)
	// A wave's nodes, those of before that are about to end, and the timers, the loop and the
	// tests around them.
	if most := a.most.Load(); most > 2*waveOf+50 {
		t.Errorf("%d goroutines at once, want at most %d", most, 2*waveOf+50)
	}
	if heap := a.heap.Load(); heap > 64<<20 {
		t.Errorf("%d MB of live memory, want at most 64", heap>>20)
	}
	// The record twice, at the start and at the end, and less than 4 KB that each
	// node tells in between.
	if k.written > 2*k.whole+fiveThousand*4096 {
		t.Errorf("%d KB written to the record, %d KB is the whole of it", k.written>>10, k.whole>>10)
	}
	got, err := k.store.Get(run.ID)
	if err != nil || sameRun(run, got) != "" {
		t.Errorf("the record is not the run: %v", err)
	}
}

// BenchmarkFleetOfFiveThousand is the operator's cost of a large fleet.
func BenchmarkFleetOfFiveThousand(b *testing.B) {
	a := &answering{latency: 5 * time.Millisecond}
	var k *Keeper
	before := cpuTime(b)
	for b.Loop() {
		_, k = drive(b, a)
	}
	b.ReportMetric((cpuTime(b)-before).Seconds()/float64(b.N), "cpu-s")
	b.ReportMetric(float64(a.most.Load()), "goroutines-max")
	b.ReportMetric(float64(a.heap.Load())/1e6, "heap-max-MB")
	b.ReportMetric(float64(k.saves), "saves")
	b.ReportMetric(float64(k.written)/1e6, "written-MB")
}

// cpuTime is what this process has used, in user and in kernel mode.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
