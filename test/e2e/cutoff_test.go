//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
)

// TestTheLinkIsCut cuts a node off in mid-apply.
func TestTheLinkIsCut(t *testing.T) {
	t.Parallel()
	l := up(t, lab.Cycle(1, "1.7.35")...)
	n, was := l.Nodes()[0], allEtc(t, l)
	cut := func(t *testing.T) {
		t.Helper()
		if err := n.CutLink(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	restore := func(t *testing.T) {
		t.Helper()
		if err := n.RestoreLink(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	putBack := func() bool {
		return nodeHas(n, "/var/lib/pullway/put-back.json") && !nodeHas(n, "/var/lib/pullway/journal.json")
	}

	t.Run("for longer than confirmWithin", func(t *testing.T) {
		o := newOperator(t, l)
		r := o.start(nil, "apply", "-f", o.file("spec.yaml", spec(harbor, image)), "--yes", "-v", "-o", "json")
		r.says(": swapping files")
		cut(t)
		within(t, time.Minute, "the node to put itself back", putBack)
		unchanged(t, "while it is cut off", was, allEtc(t, l))
		// The operator's side notices the dead link, and keeps trying.
		r.says("ask what became of it")
		restore(t)
		got := r.end()
		if got.code != 4 {
			t.Errorf("exit code, want 4: %s", got)
		}
		run := o.record(got)
		if d := node(t, run, n.Name); d.Phase != fleet.Restored || !strings.Contains(d.Error.Text, "put itself back at") {
			t.Errorf("%s: %v", d.Phase, d.Error)
		}
		healthy(t, n)
		clean(t, n)
		s := decode[report.Status](t, o.must(0, "status", "-o", "json")).Nodes[0].Status
		if len(s.History) != 1 || s.History[0].Outcome != protocol.OutcomeRestored || s.History[0].Run != run.ID || s.History[0].Operator != run.Operator || s.Applied != nil {
			t.Errorf("the node tells %+v", s.History)
		}
		mentions(t, o.must(0, "status"), "put back:", "run "+run.ID+" by "+run.Operator+" was put back by the node itself at")

		// A pullway that could not ask it any more recorded it as lost: the next apply tells.
		store := record.Store{Dir: filepath.Join(o.dir, "state")}
		run.Schema = fleet.RunSchema
		run.Nodes[0].Phase, run.Outcome = fleet.Lost, fleet.RollbackFailed
		if err := store.Save(&run); err != nil {
			t.Fatal(err)
		}
		again := o.must(0, "apply", "-f", filepath.Join(o.dir, "spec.yaml"), "--yes", "-o", "json")
		mentions(t, again, "node "+n.Name+" was lost in run "+run.ID+": it put itself back at")
		o.rollback(0, "last")
		unchanged(t, "after the rollback", was, allEtc(t, l))
	})
	t.Run("for a while, when the change is proven", func(t *testing.T) {
		o := newOperator(t, l)
		pulled := func() int { return served(t, l.Registry(lab.Harbor), n, robot) }
		before := pulled()
		r := o.start(nil, "apply", "-f", o.file("spec.yaml", inWaves("1", image)), "--yes", "-v", "-o", "json")
		r.says(": restarting containerd")
		// The operator's side is held, so that it cannot confirm before the cut.
		r.signal(syscall.SIGSTOP)
		// It is proven when containerd has pulled and asks for nothing more.
		asked, same := 0, 0
		within(t, time.Minute, "the proof", func() bool {
			now := pulled() - before
			if now != asked || now == 0 || nodeHas(n, "/etc/containerd/certs.d/pullway-probe.invalid") {
				asked, same = now, 0
			}
			same++
			return same > 20
		})
		restarted := pids(t, l)[n.Name]
		cut(t)
		r.signal(syscall.SIGCONT)
		r.says("ask what became of it")
		restore(t)
		got := r.end()
		if got.code != 0 {
			t.Fatalf("exit code, want 0: %s", got)
		}
		if d := node(t, o.record(got), n.Name); d.Phase != fleet.Applied || len(d.Result.Proofs) != 1 || !d.Result.Restarted {
			t.Errorf("%s: %+v", d.Phase, d.Result)
		}
		if now := pids(t, l)[n.Name]; now != restarted {
			t.Errorf("containerd was restarted again: %d, then %d", restarted, now)
		}
		clean(t, n)
		o.rollback(0, "last")
		unchanged(t, "after the rollback", was, allEtc(t, l))
	})
}

// cutsOff takes the node's network away as soon as containerd runs with a hosts
// directory, and gives it back when it does not.
const cutsOff = `[Service]
ExecStartPost=/bin/sh -c 'if grep -q config_path /etc/containerd/config.toml; then ip link set host0 down; else ip link set host0 up; fi'
`

// TestTheNewConfigurationCutsTheNodeOff: the restart that the change needs takes
// the node off the network. It puts itself back, which brings the link back, and
// the operator is told.
func TestTheNewConfigurationCutsTheNodeOff(t *testing.T) {
	t.Parallel()
	l := up(t, lab.Cycle(2, "1.7.35")...)
	n, was := l.Node("node2"), allEtc(t, l)
	if _, err := n.ExecInput(t.Context(), "mkdir -p /etc/systemd/system/containerd.service.d && cat > /etc/systemd/system/containerd.service.d/cut.conf && systemctl daemon-reload",
		strings.NewReader(cutsOff)); err != nil {
		t.Fatal(err)
	}
	o := newOperator(t, l)
	got := o.must(4, "apply", "-f", o.file("spec.yaml", spec(harbor, image)), "--yes", "-o", "json")
	run := o.record(got)
	if d := node(t, run, n.Name); d.Phase != fleet.Restored || d.Error == nil {
		t.Errorf("%s: %v", d.Phase, d.Error)
	}
	if d := node(t, run, "node1"); d.Phase != fleet.Pending {
		t.Errorf("node1 was touched: %s", d.Phase)
	}
	mentions(t, got, n.Name+": failed and put itself back")
	unchanged(t, "afterwards", was, allEtc(t, l))
	each(t, l, func(n *lab.Node) { clean(t, n); healthy(t, n) })
	mentions(t, newOperator(t, l).must(0, "status"), "put back:", run.ID, "by the node itself")
	within(t, 20*time.Second, "the switch to go", func() bool { return !nodeHas(n, "/etc/systemd/system/pullway-recover.service") })
}
