//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/test/lab"
)

// upTo starts an apply of one node and returns when the engine has told the
// step. The command goes on; wait gives its exit code.
func (o *operator) upTo(step, node, spec string) (wait func() int) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 2*time.Minute)
	cmd := o.prepare(ctx, append(append([]string{"apply"}, o.nodes...), "-f", spec, "--yes", "-v", "-o", "json", "--limit", node)...)
	errs, err := cmd.StderrPipe()
	if err != nil {
		o.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	lines := bufio.NewScanner(errs)
	seen := ""
	for lines.Scan() {
		seen += lines.Text() + "\n"
		if strings.Contains(lines.Text(), node) && strings.Contains(lines.Text(), step) {
			return func() int {
				defer cancel()
				_, _ = io.Copy(io.Discard, errs)
				_ = cmd.Wait()
				return cmd.ProcessState.ExitCode()
			}
		}
	}
	cancel()
	o.t.Fatalf("the apply ended without step %q: %s", step, seen)
	return nil
}

// signal goes to the engine that holds the node's lock, by its number there. An
// engine that has ended in the meantime is no error.
func signal(t *testing.T, n *lab.Node, name string) {
	t.Helper()
	sh(t, n, `pid=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' /var/lib/pullway/lock); test -n "$pid" && { kill -`+name+` "$pid" || true; }`)
}

// TestCrash: the engine is killed in mid-apply; the node is whole by itself or at
// the next contact.
func TestCrash(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	for _, step := range []string{"swap", "restart", "prove"} {
		t.Run("killed at "+step, func(t *testing.T) {
			for _, n := range l.Nodes() {
				o, was := newOperator(t, l), etc(t, n)
				file := o.file("spec.yaml", spec(harbor, image))
				wait := o.upTo(step, n.Name, file)
				signal(t, n, "KILL")
				code := wait()
				healthy(t, n)
				clean(t, n)
				now := etc(t, n)
				if _, wired := now["certs.d/192.168.21.9/hosts.toml"]; !wired {
					unchanged(t, n.Name+" after the kill", was, now)
				} else if code == 4 {
					t.Errorf("%s: exit code 4, and the change is there", n.Name)
				}
				o.must(0, "apply", "-f", file, "--yes", "--limit", n.Name)
				clean(t, n)
				if err := pull(t, n, appImage); err != nil {
					t.Errorf("%s: %v", n.Name, err)
				}
				o.rollback(0, "last", "--limit", n.Name)
				unchanged(t, n.Name+" after the rollback", was, etc(t, n))
			}
		})
	}
}

// TestTwoAtOnce: the second operator is told who holds the node and since when.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	l := up(t, lab.Cycle(1, "2.4.2")...)
	first, second := newOperator(t, l), newOperator(t, l)
	file := first.file("spec.yaml", spec(harbor, image))
	n := l.Nodes()[0]
	wait := first.upTo("swap", n.Name, file)
	signal(t, n, "STOP")
	r := second.must(1, "apply", "-f", second.file("spec.yaml", spec(harbor, image)), "--yes")
	signal(t, n, "CONT")
	says(t, r, "another run holds this node", "apply of run", "since")
	if code := wait(); code != 0 {
		t.Errorf("the first apply: exit code %d", code)
	}
	if run := second.apply(0, file); run.Outcome != fleet.NothingToDo {
		t.Errorf("after the first: %s", run.Outcome)
	}
}
