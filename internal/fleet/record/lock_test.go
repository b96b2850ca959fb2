package record

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func holder(run string) Holder {
	return Holder{Operator: "ann@desk", PID: os.Getpid(), Run: run, Command: "apply", Since: time.Date(2026, 11, 23, 10, 15, 2, 0, time.UTC)}
}

func TestLock(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "new")}
	first, err := s.Lock(holder(id1))
	if err != nil {
		t.Fatal(err)
	}
	if first.Abandoned != nil {
		t.Errorf("abandoned by %+v", first.Abandoned)
	}
	_, err = s.Lock(holder(id2))
	var held *HeldError
	if !errors.As(err, &held) || *held.Holder != holder(id1) || held.Hint() == "" {
		t.Fatalf("second lock: %v", err)
	}
	for _, word := range []string{id1, "ann@desk", "apply", fmt.Sprint(os.Getpid()), "2026-11-23"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not tell %q", err, word)
		}
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	third, err := s.Lock(holder(id3))
	if err != nil || third.Abandoned != nil {
		t.Fatalf("lock after unlock: %v, %+v", err, third)
	}
	if err := third.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestLockFileOfNonsense(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.Dir, "lock"), []byte("\x00{"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := s.Lock(holder(id1))
	if err != nil || l.Abandoned != nil {
		t.Fatalf("%v, %+v", err, l)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// TestLockOfAProcessThatWasKilled starts this test again as the holder, and kills it.
func TestLockOfAProcessThatWasKilled(t *testing.T) {
	if dir := os.Getenv("PULLWAY_TEST_HOLD"); dir != "" {
		if _, err := (Store{Dir: dir}).Lock(holder(id1)); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("held\n")
		select {}
	}
	s := Store{Dir: t.TempDir()}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLockOfAProcessThatWasKilled$")
	child.Env = append(os.Environ(), "PULLWAY_TEST_HOLD="+s.Dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "held\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	if _, err := s.Lock(holder(id2)); err == nil {
		t.Error("locked twice")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	l, err := s.Lock(holder(id2))
	if err != nil {
		t.Fatal(err)
	}
	if l.Abandoned == nil || l.Abandoned.Run != id1 {
		t.Errorf("abandoned by %+v, want run %s", l.Abandoned, id1)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
}
