package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func sh(script string) Command { return Command{Path: "/bin/sh", Argv: []string{"sh", "-c", script}} }

func TestExec(t *testing.T) {
	t.Setenv("PULLWAY_TEST_SECRET", "x")
	out, err := Exec(t.Context(), sh("echo out; echo err >&2; echo \"${PULLWAY_TEST_SECRET-unset}\"; exit 3"))
	if err != nil || out.Exit != 3 || string(out.Stdout) != "out\nunset\n" || string(out.Stderr) != "err\n" {
		t.Errorf("got %+v, %v; the environment must not be passed on", out, err)
	}
	if _, err := Exec(t.Context(), Command{Path: "/nowhere/x", Argv: []string{"x"}}); err == nil {
		t.Error("no error for a program that does not exist")
	}
	if out, err := Exec(t.Context(), sh("kill -9 $$")); err == nil {
		t.Errorf("killed: got %+v, want an error", out)
	}
}

func TestExecIsBounded(t *testing.T) {
	out, err := Exec(t.Context(), sh("head -c 3000000 /dev/zero | tr '\\0' x"))
	if err != nil || len(out.Stdout) != maxOutput || out.StdoutSize != 3000000 {
		t.Errorf("kept %d of %d bytes, %v", len(out.Stdout), out.StdoutSize, err)
	}
	c := sh("echo secret")
	c.DiscardStdout = true
	if out, err := Exec(t.Context(), c); err != nil || len(out.Stdout) != 0 || out.StdoutSize != 7 {
		t.Errorf("discarded: %+v, %v", out, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	start := time.Now()
	// What it started keeps the output open; that must not hold us.
	_, err = Exec(ctx, sh("sleep 60 & sleep 60"))
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 30*time.Second || strings.Contains(err.Error(), "\n") {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}
