package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/protocol"
)

// TestMain lets this test binary play an engine that takes the lock of a node and
// stops there; see holding.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PULLWAY_TEST_HOLD"); dir != "" {
		e := NewEngine(dir, func(protocol.Step, string) {}, nil)
		if _, err := e.hold(protocol.Request{Run: "frozen", Op: protocol.OpApply, ConfirmWithin: 200 * time.Millisecond}); err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString("held\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// holding starts another engine that holds the lock of dir, under a name that may
// be an engine's, and returns it.
func holding(t *testing.T, dir, name string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(program, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), "PULLWAY_TEST_HOLD="+dir)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := io.ReadFull(out, make([]byte, len("held\n"))); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func engineFor(t *testing.T, dir string) *Engine {
	e := NewEngine(dir, func(protocol.Step, string) {}, nil)
	e.switches = daemon.DeadMan{Dir: t.TempDir(), Run: func(context.Context, daemon.Command) (daemon.Output, error) { return daemon.Output{}, nil }}
	if err := e.store.prepare(); err != nil {
		t.Fatal(err)
	}
	return e
}

// An engine that froze before it armed its switch holds the lock, and nothing
// watches over it: the next contact ends it once it has been silent for long.
func TestTheNextContactEndsAFrozenHolder(t *testing.T) {
	e := engineFor(t, t.TempDir())
	cmd := holding(t, e.store.dir, "pullway-node-frozen")
	var locked *LockedError
	if _, err := e.hold(protocol.Request{}); !errors.As(err, &locked) {
		t.Fatalf("while it lives: %v", err)
	}
	if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var release func()
	for deadline := time.Now().Add(10 * time.Second); release == nil; {
		var err error
		if release, err = e.hold(protocol.Request{}); err != nil && (!errors.As(err, &locked) || time.Now().After(deadline)) {
			t.Fatal(err)
		}
	}
	release()
	if err := cmd.Wait(); err == nil {
		t.Error("the frozen engine ended by itself")
	}
}

// What is no engine is never killed, whatever the lock file says.
func TestOnlyAnEngineIsEnded(t *testing.T) {
	e := engineFor(t, t.TempDir())
	cmd := holding(t, e.store.dir, "something-else")
	if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h, err := e.store.holder()
	if err != nil || h == nil || h.PID != cmd.Process.Pid {
		t.Fatalf("holder %+v, %v", h, err)
	}
	if err := e.store.endHolder(*h); err == nil {
		t.Error("it was ended")
	}
	if err := cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatalf("it is gone: %v", err)
	}
}

// A holder is let be that promised nothing, or that is at work, or has not yet
// given its first sign.
func TestWhoCountsAsFrozen(t *testing.T) {
	now := uptime()
	old := heartbeat{Boot: now.Boot, At: now.At - time.Hour}
	cases := map[string]struct {
		beat    *heartbeat
		silence time.Duration
		want    bool
	}{
		"silent":             {&old, time.Minute, true},
		"of another boot":    {&heartbeat{Boot: "other", At: now.At}, time.Minute, true},
		"at work":            {&now, time.Minute, false},
		"promised nothing":   {&old, 0, false},
		"no sign of anybody": {nil, time.Minute, false},
	}
	for name, tc := range cases {
		s := store{dir: t.TempDir()}
		if tc.beat != nil {
			b, _ := json.Marshal(tc.beat)
			if err := os.WriteFile(s.path("heartbeat"), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.frozen(Holder{PID: 2, Silence: tc.silence}); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// The switch leaves a living engine alone, also one that has no journal yet.
func TestTheSwitchLeavesALivingEngineAlone(t *testing.T) {
	e := engineFor(t, t.TempDir())
	cmd := holding(t, e.store.dir, "pullway-node-alive")
	var out bytes.Buffer
	if err := RecoverIfSilent(t.Context(), e.store.dir, time.Minute, &out); err != nil || out.Len() > 0 {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := cmd.Process.Signal(unix.Signal(0)); err != nil {
		t.Error("it was ended")
	}
}

// Ids sort in the order in which they were made, whatever the clock does.
func TestIdsSortAlsoWhenTheClockIsSetBack(t *testing.T) {
	s := store{dir: t.TempDir()}
	last, now := "", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, jump := range []time.Duration{0, time.Second, -24 * time.Hour, 0, 48 * time.Hour, -time.Hour} {
		now = now.Add(jump)
		id := s.newID(now)
		if id <= last {
			t.Errorf("after a jump by %s: %q does not sort behind %q", jump, id, last)
		}
		last = id
		if err := os.MkdirAll(s.path("transactions", id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// The switch may take its last look at a node in the moment in which the next
// request comes. That one waits a moment, and is not told that the node is busy.
func TestARequestWaitsForTheSwitchsLastLook(t *testing.T) {
	e := engineFor(t, t.TempDir())
	unlock, err := e.store.lock(Holder{Run: recoverRun, Op: "recover", Silence: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, unlock)
	release, err := e.hold(protocol.Request{Run: "next"})
	if err != nil {
		t.Fatal(err)
	}
	release()
}
