//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/failpoint/script"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/test/faults"
)

// outOfMemory has the kernel kill the engine for want of memory, in mid-swap.
func outOfMemory(t *testing.T, w *target) {
	group := filepath.Join("/sys/fs/cgroup/memory", filepath.Base(filepath.Dir(t.TempDir()))+fmt.Sprint(os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatalf("this machine lets nobody limit memory by cgroup v1: %v", err)
	}
	defer func() {
		if err := os.Remove(group); err != nil {
			t.Error(err)
		}
	}()
	c := w.halted(t, w.point(t, "swap", "after", "rename", "/etc/containerd/"))
	children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"memory.limit_in_bytes": "65536", "cgroup.procs": strings.TrimSpace(string(children))} {
		if err := os.WriteFile(filepath.Join(group, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.goOn(t, c)
	<-c.done
	if c.reply != nil {
		t.Fatalf("the engine lived: %+v", c.reply)
	}
	if b, err := os.ReadFile(filepath.Join(group, "memory.oom_control")); err != nil || !strings.Contains(string(b), "oom_kill 1") {
		t.Errorf("the kernel did not kill it for its memory: %s, %v", b, err)
	}
	w.recovers(t, faults.Old)
}

// recovers waits for a recovery that nobody asks for.
func (w *target) recovers(t *testing.T, want faults.State) {
	t.Helper()
	within(t, patient+30*time.Second, "the node to put itself back", func() bool {
		return !w.has("/var/lib/pullway/journal.json") && !w.has("/etc/systemd/system/pullway-recover.service")
	})
	if err := w.Await(t.Context()); err != nil {
		t.Error(err)
	}
	w.is(t, want)
}

// rebootInMidChange loses the power at several steps; the node settles as it comes up.
func rebootInMidChange(t *testing.T, w *target) {
	journal := "/var/lib/pullway/journal.json"
	for _, c := range []struct {
		step, when, operation, part string
		want                        faults.State
	}{
		{"swap", "after", "rename", journal, faults.Old},
		{"swap", "after", "rename", "/etc/containerd/", faults.Old},
		{"restart", "after", "restart", "containerd", faults.Old},
		{"prove", "before", "pull", "", faults.Old},
		{"commit", "before", "rename", journal, faults.Old},
		{"commit", "after", "rename", journal, faults.New},
	} {
		p := w.point(t, c.step, c.when, c.operation, c.part)
		engine := w.halted(t, p)
		if err := w.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The nsenter that carried the engine stopped with it, and is in the node's network.
		if err := engine.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		<-engine.done
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.find(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		w.recovers(t, c.want)
		t.Logf("%s: whole %s after it was up", p.Name, time.Since(start).Round(10*time.Millisecond))
		if t.Failed() {
			return
		}
		if err := w.reset(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
}

// clockJumps sets the engine's clock by a day in mid-change, either way: the change
// is made, a kill after it heals, and the newest change is what a rollback undoes.
func clockJumps(t *testing.T, w *target) {
	begin := w.point(t, "swap", "before", "create", "journal.json.new")
	later := w.point(t, "swap", "after", "rename", "/etc/containerd/")
	for _, jump := range []string{"clock=24h", "clock=-24h"} {
		at := script.Strike{Point: begin.Name, Pass: begin.Pass, Action: jump}
		if err := w.order(script.Orders{Strikes: []script.Strike{at}}); err != nil {
			t.Fatal(err)
		}
		r, err := w.do(t.Context(), w.req)
		if err != nil {
			t.Errorf("%s: %v", jump, err)
		}
		told(t, r, protocol.OutcomeApplied)
		w.is(t, faults.New)
		w.again(t)

		if err := w.order(script.Orders{Strikes: []script.Strike{at, {Point: later.Name, Pass: 1, Action: script.Kill}}}); err != nil {
			t.Fatal(err)
		}
		if r, _ := w.do(t.Context(), w.req); r != nil {
			t.Errorf("%s: the engine was not killed: %+v", jump, r)
		}
		w.recovers(t, faults.Old)
		w.again(t)
	}
	// Two changes, the second by a clock that was set back, and the way back.
	if _, err := w.do(t.Context(), w.req); err != nil {
		t.Fatal(err)
	}
	first := etc(t, w.Node)
	start := w.points[0]
	if err := w.order(script.Orders{Strikes: []script.Strike{{Point: start.Name, Pass: start.Pass, Action: "clock=-24h"}}}); err != nil {
		t.Fatal(err)
	}
	second := w.request(t, mirrored)
	second.Run = "second"
	if _, err := w.do(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(first, etc(t, w.Node)) {
		t.Fatal("the second change changed nothing")
	}
	if _, err := w.do(t.Context(), protocol.Request{Op: protocol.OpRollback, Run: "back", Target: "second"}); err != nil {
		t.Errorf("the newest change cannot be rolled back: %v", err)
	}
	unchanged(t, "rollback of the second change", first, etc(t, w.Node))
}

// struckRecovery kills the engine, and then the recovery at its own steps.
func struckRecovery(t *testing.T, w *target) {
	after := w.point(t, "restart", "after", "restart", "containerd")
	for _, at := range []string{"after rename /etc/containerd/config.toml", "after restart containerd", "after unlink /var/lib/pullway/journal.json"} {
		if err := w.order(script.Orders{Strikes: []script.Strike{
			{Point: after.Name, Pass: after.Pass, Action: script.Kill},
			{Point: "recover: " + at, Pass: 1, Action: script.Kill},
		}}); err != nil {
			t.Fatal(err)
		}
		if r, _ := w.do(t.Context(), w.req); r != nil {
			t.Fatalf("the engine was not killed: %+v", r)
		}
		w.recovers(t, faults.Old)
		b, err := os.ReadFile(w.root + script.File + ".struck")
		if err != nil || strings.Count(string(b), "\n") != 2 {
			t.Errorf("%s: struck %q, %v; want both", at, b, err)
		}
		w.again(t)
	}
}

// thaws freezes an engine in mid-swap, lets the switch put the node back, and then
// lets it go on: it must be gone, and write nothing.
func thaws(t *testing.T, w *target) {
	p := w.point(t, "swap", "after", "rename", "/etc/containerd/")
	if err := w.order(script.Orders{Strikes: []script.Strike{{Point: p.Name, Pass: p.Pass, Action: script.Freeze}}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c, err := w.start(ctx, w.req)
	if err != nil {
		t.Fatal(err)
	}
	w.recovers(t, faults.Old)
	w.goOn(t, c)
	<-c.done
	if c.reply != nil {
		t.Errorf("it went on: %+v", c.reply)
	}
	w.is(t, faults.Old)
}
