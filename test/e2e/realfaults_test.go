//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/failpoint/script"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/test/faults"
	"github.com/pullway/pullway/test/lab"
)

// patient is the confirmWithin of a change that is held up by a test.
const patient = time.Minute

// point finds the first recorded point of this step, side and operation whose path
// holds part.
func (w *target) point(t *testing.T, step, when, operation, part string) faults.Point {
	t.Helper()
	for _, p := range w.points {
		if p.Step() == step && p.When() == when && p.Operation() == operation && strings.Contains(p.Path(), part) {
			return p
		}
	}
	t.Fatalf("%s passes no point %q %s %s of a path with %q", w.change.name, step, when, operation, part)
	return faults.Point{}
}

// heldAt starts the change and holds the engine at a point while meanwhile runs; then
// the engine goes on to its end. The reply is nil when it did not live to give one.
func (w *target) heldAt(t *testing.T, p faults.Point, meanwhile func()) *protocol.Reply {
	t.Helper()
	c := w.halted(t, p)
	meanwhile()
	w.goOn(t, c)
	<-c.done
	return c.reply
}

// halted starts the change and returns when the engine is frozen at a point.
func (w *target) halted(t *testing.T, p faults.Point) *conversation {
	t.Helper()
	if err := w.order(script.Orders{Strikes: []script.Strike{{Point: p.Name, Pass: p.Pass, Action: script.Freeze}}}); err != nil {
		t.Fatal(err)
	}
	req := w.req
	req.ConfirmWithin = patient
	c, err := w.start(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if !await(t.Context(), time.Minute, func() bool { return c.over() || w.struck() }) || c.over() {
		t.Fatalf("%s: the engine did not come to %q: %+v", w.Name, p.Name, c.reply)
	}
	return c
}

// goOn lets a frozen engine go on, by the nsenter that stopped with it.
func (w *target) goOn(t *testing.T, c *conversation) {
	t.Helper()
	stat := fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid)
	if !await(t.Context(), 10*time.Second, func() bool {
		b, err := os.ReadFile(stat)
		return err == nil && strings.Contains(string(b), ") T ")
	}) {
		t.Fatal("the engine is not frozen")
	}
	if err := c.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// is fails unless the node is in that state, files, CRI and pulls, and clean.
func (w *target) is(t *testing.T, want faults.State) {
	t.Helper()
	var left string
	if !await(t.Context(), 25*time.Second, func() bool {
		var err error
		left, err = w.leftovers(t.Context())
		return err == nil && left == ""
	}) {
		t.Errorf("%s: left behind: %s", w.Name, left)
	}
	got, err := w.state(t.Context())
	if err != nil || got != want {
		t.Errorf("%s: state %q, %v; want %q", w.Name, got, err, want)
	}
}

// told fails unless the reply has that outcome.
func told(t *testing.T, r *protocol.Reply, want protocol.Outcome) {
	t.Helper()
	if r == nil || r.Result == nil || r.Result.Outcome != want {
		t.Errorf("reply %+v, want outcome %s", r, want)
		if r != nil {
			t.Errorf("result %+v, error %+v", r.Result, r.Error)
		}
	}
}

// again brings the old state back for the next case.
func (w *target) again(t *testing.T) {
	t.Helper()
	if err := w.mend(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *target) sh(t *testing.T, command string) { t.Helper(); sh(t, w.Node, command) }

// TestRealFaults has the node itself fail under a change: its disk, its containerd,
// its memory, its power and its clock.
func TestRealFaults(t *testing.T) {
	t.Parallel()
	engine, err := buildStruckEngine(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := up(t, lab.Cycle(4, "1.7.35", "2.4.2")...)
	for i, cases := range []map[string]func(*testing.T, *target){
		{"no room left in mid-change": fullInMidChange, "no inode left": noInode, "read-only in mid-change": readOnlyInMidChange},
		{"containerd does not come back": containerdStaysAway, "containerd comes back without CRI": backWithoutCRI, "out of memory": outOfMemory},
		{"reboot in mid-change": rebootInMidChange},
		{"the clock jumps": clockJumps, "the recovery is struck as well": struckRecovery, "a frozen engine thaws": thaws},
	} {
		n := l.Nodes()[i]
		t.Run(n.Name, func(t *testing.T) {
			t.Parallel()
			f, err := newFaultNode(n, engine)
			if err != nil {
				t.Fatal(err)
			}
			w, err := ready(t, f, of(n.Spec.Containerd, 0))
			if err != nil {
				t.Fatal(err)
			}
			for name, c := range cases {
				t.Run(name, func(t *testing.T) {
					defer w.again(t)
					c(t, w)
				})
			}
		})
	}
}

// fullInMidChange leaves less room each time, on either disk that is written to,
// until the change fails at its first byte.
func fullInMidChange(t *testing.T, w *target) {
	for _, dir := range []string{"/etc/containerd", "/var/lib/pullway"} {
		outcomes := map[protocol.Outcome]int{}
		for free := int64(96 << 10); free >= 0; free -= 8 << 10 {
			if err := w.FillDisk(t.Context(), dir, free); err != nil {
				t.Fatal(err)
			}
			old := etc(t, w.Node)
			r, err := w.do(t.Context(), w.req)
			outcome := outcomeOf(r)
			outcomes[outcome]++
			switch outcome {
			case protocol.OutcomeApplied:
			case protocol.OutcomeRefused, protocol.OutcomeRestored:
				if err == nil || !strings.Contains(err.Error(), "no space left") {
					t.Errorf("%d bytes free in %s: %v", free, dir, err)
				}
				unchanged(t, fmt.Sprintf("%d bytes free in %s", free, dir), old, etc(t, w.Node))
			default:
				t.Errorf("%d bytes free in %s: %q, %v", free, dir, outcome, err)
			}
			healthy(t, w.Node)
			if left, err := w.leftovers(t.Context()); err != nil || left != "" && outcome != protocol.OutcomeApplied {
				t.Errorf("%d bytes free in %s: left behind: %s, %v", free, dir, left, err)
			}
			// The switch may be having its last look, from the engine on that disk.
			within(t, 20*time.Second, "the disk to be let go", func() bool { return w.UnmountDisk(t.Context(), dir) == nil })
			w.again(t)
		}
		if outcomes[protocol.OutcomeApplied] == 0 || len(outcomes) < 2 {
			t.Errorf("%s: outcomes %v; the room is not where the change needs it", dir, outcomes)
		}
		t.Logf("%s: %v", dir, outcomes)
	}
}

// outcomeOf is the outcome of a reply; an engine that stops before there is a
// transaction refuses, and empty is no reply.
func outcomeOf(r *protocol.Reply) protocol.Outcome {
	switch {
	case r == nil:
		return ""
	case r.Result == nil && r.Error != nil:
		return protocol.OutcomeRefused
	case r.Result == nil:
		return ""
	}
	return r.Result.Outcome
}

// noInode leaves fewer inodes each time.
func noInode(t *testing.T, w *target) {
	outcomes := map[protocol.Outcome]int{}
	for free := 12; free >= 0; free -= 2 {
		w.sh(t, fmt.Sprintf(`set -e; d=/etc/containerd; t=$(mktemp -d /run/lab-inodes.XXXXXX)
mount -t tmpfs -o size=1m,nr_inodes=%d,mode=755 lab-inodes $t
cp -a $d/. $t/; mount --bind $t $d; umount $t; rmdir $t`, 2+free))
		old := etc(t, w.Node)
		r, err := w.do(t.Context(), w.req)
		outcomes[outcomeOf(r)]++
		if o := outcomeOf(r); o != protocol.OutcomeApplied {
			if o != protocol.OutcomeRefused && o != protocol.OutcomeRestored {
				t.Errorf("%d inodes free: %s, %v", free, o, err)
			}
			unchanged(t, fmt.Sprintf("%d inodes free", free), old, etc(t, w.Node))
		}
		healthy(t, w.Node)
		w.sh(t, "umount /etc/containerd")
		w.again(t)
	}
	if outcomes[protocol.OutcomeApplied] == 0 || len(outcomes) < 2 {
		t.Errorf("outcomes %v; the inodes are not short where the change needs them", outcomes)
	}
	t.Logf("%v", outcomes)
}

// readOnlyInMidChange takes the disk away before and after the first target changed.
// Nothing can be put back then: it is told, and done once the disk is back.
func readOnlyInMidChange(t *testing.T, w *target) {
	for _, when := range []string{"before", "after"} {
		p := w.point(t, "swap", when, "rename", "/etc/containerd/")
		r := w.heldAt(t, p, func() {
			if err := w.ReadOnly(t.Context(), "/etc/containerd"); err != nil {
				t.Fatal(err)
			}
		})
		told(t, r, protocol.OutcomeBroken)
		if r != nil && (r.Error == nil || !strings.Contains(r.Error.Text, "read-only")) {
			t.Errorf("the reason is not told: %+v", r.Error)
		}
		healthy(t, w.Node)
		if err := w.Writable(t.Context(), "/etc/containerd"); err != nil {
			t.Fatal(err)
		}
		if err := w.contact(t.Context()); err != nil {
			t.Errorf("%s: once the disk is back: %v", when, err)
		}
		w.is(t, faults.Old)
	}
}

// containerdStaysAway has the unit fail with the new configuration, then with any.
func containerdStaysAway(t *testing.T, w *target) {
	const dropIn = "/etc/systemd/system/containerd.service.d/99-fail.conf"
	fail := func(test string) {
		w.sh(t, "printf '[Service]\\nExecStartPre=/bin/sh -c \""+test+"\"\\n' > "+dropIn+" && systemctl daemon-reload")
	}
	fail("! grep -q certs.d /etc/containerd/config.toml || grep -q certs.d:/etc /etc/containerd/config.toml")
	r, _ := w.do(t.Context(), w.req)
	told(t, r, protocol.OutcomeRestored)
	w.is(t, faults.Old)
	w.again(t)

	fail("false")
	r, _ = w.do(t.Context(), w.req)
	told(t, r, protocol.OutcomeBroken)
	unchanged(t, "containerd that starts no more", w.old, etc(t, w.Node))
	w.sh(t, "rm "+dropIn+" && systemctl daemon-reload && systemctl reset-failed containerd")
	if err := w.contact(t.Context()); err != nil {
		t.Errorf("once the unit starts again: %v", err)
	}
	w.is(t, faults.Old)
}

// backWithoutCRI has containerd start without its CRI plugin when it is configured
// anew.
func backWithoutCRI(t *testing.T, w *target) {
	const dropIn = "/etc/systemd/system/containerd.service.d/99-without.conf"
	w.sh(t, `exe=$(readlink /proc/$(systemctl show -P MainPID containerd)/exe)
printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' > /root/without.toml
printf "[Service]\nExecStart=\nExecStart=/bin/sh -c 'if test -d /etc/containerd/certs.d; then exec $exe -c /root/without.toml; else exec $exe; fi'\n" > `+dropIn+`
systemctl daemon-reload; systemctl restart containerd`)
	if err := w.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, _ := w.do(t.Context(), w.req)
	told(t, r, protocol.OutcomeRestored)
	if r != nil && (r.Error == nil || !strings.Contains(r.Error.Text, "CRI")) {
		t.Errorf("the reason is not told: %+v", r.Error)
	}
	w.is(t, faults.Old)
	w.sh(t, "rm "+dropIn+" && systemctl daemon-reload")
}
