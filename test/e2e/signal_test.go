//go:build e2e

package e2e

import (
	"fmt"
	"os"
	ossignal "os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/test/lab"
)

// inWaves is the spec with waves of so many, and time enough for a person.
func inWaves(size string, images ...string) string {
	return strings.Replace(spec(harbor, images...), "100%, confirmWithin: 10s", size+", confirmWithin: 60s", 1)
}

// TestSignals strikes a pullway that changes real nodes.
func TestSignals(t *testing.T) {
	t.Parallel()
	// Under nohup the commands would inherit that SIGHUP is ignored, which they respect.
	hangups := make(chan os.Signal, 1)
	ossignal.Notify(hangups, syscall.SIGHUP)
	defer ossignal.Stop(hangups)
	l := up(t, lab.Cycle(3, "1.7.35")...)
	if _, err := l.Registry(lab.Harbor).Push(t.Context(), lab.Image{Repo: "team/slow", Tag: "v1", Layers: 4, LayerSize: 48 << 20}); err != nil {
		t.Fatal(err)
	}
	was := allEtc(t, l)
	whole := func(t *testing.T) {
		t.Helper()
		unchanged(t, "afterwards", was, allEtc(t, l))
		each(t, l, func(n *lab.Node) { clean(t, n); healthy(t, n) })
	}
	begin := func(t *testing.T) (*operator, string) {
		o := newOperator(t, l)
		return o, o.file("spec.yaml", inWaves("1", image))
	}

	t.Run("Ctrl-C while planning", func(t *testing.T) {
		o, file := begin(t)
		r := o.start(nil, "apply", "-f", file, "--yes", "-v")
		r.says("connecting")
		r.signal(os.Interrupt)
		if got := r.end(); got.code != 130 {
			t.Errorf("exit code, want 130: %s", got)
		}
		whole(t)
		if h := o.history(); len(h) > 0 {
			t.Errorf("it is in the history: %+v", h)
		}
	})
	t.Run("Ctrl-C while asking", func(t *testing.T) {
		o, file := begin(t)
		keyboard, terminal := pty(t)
		defer keyboard.Close() //nolint:errcheck // a terminal of this test
		r := o.start(terminal, "apply", "-f", file, "-v")
		r.says("Change 3 of 3 nodes?")
		r.signal(os.Interrupt)
		got := r.end()
		if got.code != 130 || !strings.Contains(got.err, "Change 3 of 3 nodes?") {
			t.Errorf("exit code, want 130: %s", got)
		}
		whole(t)
	})
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run("once: "+sig.String(), func(t *testing.T) {
			o, file := begin(t)
			r := o.start(nil, "apply", "-f", file, "--yes", "-v", "-o", "json")
			r.says("restarting containerd")
			r.signal(sig)
			if sig != os.Interrupt {
				r.says("stopping after the nodes in flight")
				r.signal(sig) // nobody who sends these twice means more by it
			}
			got := r.end()
			if got.code != 6 {
				t.Fatalf("exit code, want 6: %s", got)
			}
			run := o.record(got)
			if run.Outcome != fleet.Stopped || strings.Count(phases(run), "applied") != 1 || strings.Count(phases(run), "pending") != 2 {
				t.Errorf("%s: %s", run.Outcome, phases(run))
			}
			on := o.must(0, "apply", "-f", file, "--yes", "-o", "json")
			mentions(t, on, "resuming run "+run.ID, "1 node done, 0 to look at, 2 to do")
			if now := o.record(on); now.ID != run.ID || now.Outcome != fleet.Done {
				t.Errorf("gone on as run %s: %s", now.ID, now.Outcome)
			}
			o.rollback(0, run.ID)
			whole(t)
		})
	}
	t.Run("Ctrl-C twice, then again and again", func(t *testing.T) {
		o, _ := begin(t)
		file := o.file("slow.yaml", inWaves("1", slowImage))
		r := o.start(nil, "apply", "-f", file, "--yes", "-v", "-o", "json")
		r.says(": pulling")
		r.signal(os.Interrupt)
		r.says("stopping after the nodes in flight")
		r.signal(os.Interrupt)
		r.says("taking back the nodes in flight")
		r.signal(os.Interrupt)
		r.signal(syscall.SIGTERM)
		r.says("already taking back")
		got := r.end()
		if got.code != 4 {
			t.Errorf("exit code, want 4: %s", got)
		}
		if run := o.record(got); strings.Count(phases(run), "restored") != 1 || strings.Count(phases(run), "pending") != 2 {
			t.Error(phases(run))
		}
		whole(t)
	})
	t.Run("Ctrl-C during an undo", func(t *testing.T) {
		o, file := begin(t)
		run := o.apply(0, file)
		r := o.start(nil, "rollback", run.ID, "--yes", "-v", "-o", "json")
		r.says("restarting containerd")
		for range 3 {
			r.signal(os.Interrupt)
			r.says("nodes in flight")
		}
		got := r.end()
		if got.code != 6 {
			t.Errorf("exit code, want 6: %s", got)
		}
		undo := o.record(got)
		if strings.Count(phases(undo), "rolled-back") != 1 || strings.Count(phases(undo), "pending") != 2 {
			t.Errorf("the node in flight was cut short: %s", phases(undo))
		}
		o.rollback(0, run.ID)
		whole(t)
	})
	t.Run("the reader of its output goes away", func(t *testing.T) {
		o, file := begin(t)
		r := o.start(nil, "apply", "-f", file, "--yes", "-v")
		r.says("restarting containerd")
		if err := r.errs.Close(); err != nil {
			t.Fatal(err)
		}
		if got := r.end(); got.code != 0 {
			t.Errorf("exit code, want 0: %s", got)
		}
		if h := o.history(); len(h) != 1 || h[0].Outcome != fleet.Done {
			t.Errorf("the history is %+v", h)
		}
		o.rollback(0, "last")
		whole(t)
	})
}

// pty is a pseudo terminal: what is written to keyboard is read from terminal.
func pty(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return keyboard, terminal
}
