//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/test/lab"
)

// slowImage takes long enough to pull that a test can strike meanwhile.
const slowImage = "192.168.21.9/team/slow:v1"

// TestTheNodePutsItselfBack strikes an engine in the middle of its proving pull,
// when the new files are live. Nobody contacts the node again: it has to become
// whole by itself within confirmWithin, and keep nothing of the switch.
func TestTheNodePutsItselfBack(t *testing.T) {
	t.Parallel()
	strikes := map[string]func(*testing.T, *lab.Node){
		"killed": func(t *testing.T, n *lab.Node) { nodeRun(t, n, "pkill -KILL pullway-node") },
		"frozen": func(t *testing.T, n *lab.Node) { nodeRun(t, n, "pkill -STOP pullway-node") },
		"rebooted": func(t *testing.T, n *lab.Node) {
			if err := n.Kill(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := n.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, strike := range strikes {
		t.Run(name, func(t *testing.T) {
			l := up(t, lab.Cycle(1, "1.7.35")...)
			n := l.Nodes()[0]
			if _, err := l.Registry(lab.Harbor).Push(t.Context(), lab.Image{Repo: "team/slow", Tag: "v1", Layers: 4, LayerSize: 64 << 20}); err != nil {
				t.Fatal(err)
			}
			o := newOperator(t, l)
			file := o.file("pullway.yaml", spec(harbor, slowImage))
			before := etc(t, n)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cmd := o.prepare(ctx, append([]string{"apply", "-f", file, "--yes", "-q"}, o.nodes...)...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			within(t, time.Minute, "the proving pull", func() bool { return nodeHas(n, "/etc/containerd/certs.d/pullway-probe.invalid") })
			// The operator's machine dies, so that nobody can ask what became of it.
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			strike(t, n)
			within(t, 30*time.Second, "the node to put itself back", func() bool { return !nodeHas(n, "/var/lib/pullway/journal.json") })
			within(t, 30*time.Second, "the switch to go", func() bool { return !nodeHas(n, "/etc/systemd/system/pullway-recover.service") })
			if err := n.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
			unchanged(t, name, before, etc(t, n))
			// systemd forgets a unit that ran a moment after its file is gone.
			within(t, 20*time.Second, "systemd to forget the switch", func() bool {
				return strings.TrimSpace(nodeRun(t, n, "systemctl list-units --all --plain --no-legend 'pullway*'; ls /etc/systemd/system/multi-user.target.wants | grep pullway || true")) == ""
			})
			healthy(t, n)
			clean(t, n)
		})
	}
}

func nodeHas(n *lab.Node, path string) bool {
	_, err := n.Exec(context.Background(), "test -e "+path)
	return err == nil
}

func nodeRun(t *testing.T, n *lab.Node, command string) string {
	t.Helper()
	out, err := n.Exec(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// within waits for a condition.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %s", limit, what)
		}
	}
}
