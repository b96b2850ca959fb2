package script

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/failpoint"
)

func orders(t *testing.T, o Orders) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "orders")
	b, err := json.Marshal(o)
	if err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestNameLeavesOutWhatIsNewEachTime(t *testing.T) {
	a := Name("swap", failpoint.Before, "rename", "/var/lib/pullway/transactions/20260101T000000.000Z-00af/backup/0")
	if want := "swap: before rename /var/lib/pullway/transactions/ID/backup/0"; a != want {
		t.Errorf("%q, want %q", a, want)
	}
	b := Name("stage", failpoint.After, "create", "/etc/containerd/.pullway-20261124T143004.431Z-beef.config.toml.stage")
	if want := "stage: after create /etc/containerd/.pullway-ID.config.toml.stage"; b != want {
		t.Errorf("%q, want %q", b, want)
	}
}

func TestRecordListsEveryPoint(t *testing.T) {
	log := filepath.Join(t.TempDir(), "points")
	file := orders(t, Orders{Record: log})
	s, another := Open(file), Open(file)
	if err := another.Pass(failpoint.Before, "mkdir", "/not recorded"); err != nil {
		t.Fatal(err)
	}
	s.Step("stage")
	for range 2 {
		if err := failpoint.Hook(s.Pass).Around("mkdir", "/x", func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := os.ReadFile(log)
	want := strings.Repeat("stage: before mkdir /x\nstage: after mkdir /x\n", 2)
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Error(diff)
	}
}

// Strikes come in turn, at the passing that was meant, each once, also when the
// next one is for the engine that comes after.
func TestStrikesComeInTurn(t *testing.T) {
	file := orders(t, Orders{Strikes: []Strike{
		{"start: before mkdir /x", 2, Error},
		{"start: after mkdir /y", 1, Kill},
		{"start: before mkdir /z", 1, "clock=-24h"},
		{"start: before mkdir /z", 1, Freeze},
	}})
	s := Open(file)
	var signals []syscall.Signal
	s.end = func(sig syscall.Signal) { signals = append(signals, sig) }
	pass := func(path string) error {
		return failpoint.Hook(s.Pass).Around("mkdir", path, func() error { return nil })
	}
	if err := errors.Join(pass("/y"), pass("/x")); err != nil {
		t.Fatalf("before its turn: %v", err)
	}
	if err := pass("/x"); !errors.Is(err, syscall.EIO) {
		t.Fatalf("second passing: %v, want EIO", err)
	}
	if err := pass("/y"); err != nil || len(signals) != 1 || signals[0] != syscall.SIGKILL {
		t.Fatalf("kill: %v, signals %v", err, signals)
	}
	end := s.end
	s = Open(file) // the next engine
	s.end = end
	if err := pass("/z"); err != nil || time.Until(s.Now()) > -23*time.Hour {
		t.Errorf("clock: %v, now %s", err, s.Now())
	}
	if err := pass("/z"); err != nil || len(signals) != 2 || signals[1] != syscall.SIGSTOP {
		t.Errorf("freeze: %v, signals %v", err, signals)
	}
	if err := pass("/z"); err != nil {
		t.Errorf("when all is done: %v", err)
	}
	told, _ := os.ReadFile(file + ".struck")
	if n := strings.Count(string(told), "\n"); n != 4 {
		t.Errorf("%d strikes are told, want 4: %s", n, told)
	}
}

func TestNoOrdersAreNoOrders(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "none"))
	if err := s.Pass(failpoint.Before, "mkdir", "/x"); err != nil || time.Since(s.Now()) > time.Minute {
		t.Error(err)
	}
}
