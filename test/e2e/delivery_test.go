//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/pullway/pullway/test/lab"
)

const tokenImage = "192.168.21.7:5000/library/test-image:latest"

// tokens is the registry that takes tokens only.
func tokens(delivery string) string {
	return `    - host: 192.168.21.7:5000
      endpoints:
        - url: http://192.168.21.7:5000
      auth:
        username: robot$nodes
        password: {env: HARBOR_PASSWORD}
        delivery: ` + delivery + "\n"
}

// TestDelivery: auto finds the way that works for the release and the registry.
func TestDelivery(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	o, was := newOperator(t, l), calmly(t, l)
	t.Run("a header that only 2.x could use is refused on 1.x", func(t *testing.T) {
		file := o.file("header.yaml", spec(tokens("header"), tokenImage))
		r := o.must(1, "apply", "-f", file, "--yes", "--limit", "node1:node2")
		says(t, r, "192.168.21.7:5000", "header")
		was.untouched()
	})
	file := o.file("both.yaml", spec(harbor+tokens("auto"), image, tokenImage))
	p := o.plan(0, file)
	for _, n := range p.Nodes {
		for _, d := range n.Plan.Delivery {
			want := "header"
			if d.Host == "192.168.21.7:5000" && strings.HasPrefix(n.Plan.Facts.Release, "1.") {
				want = "cri"
			}
			if d.Method != want || d.Reason == "" {
				t.Errorf("%s (%s): %s by %q (%s), want %q", n.Name, n.Plan.Facts.Release, d.Host, d.Method, d.Reason, want)
			}
		}
	}
	run := o.apply(0, file)
	for _, n := range l.Nodes() {
		for _, ref := range []string{appImage, "192.168.21.7:5000/team/app:v1"} {
			if err := pull(t, n, ref); err != nil {
				t.Errorf("%s: %v", n.Name, err)
			}
		}
	}
	// A new password restarts those whose credential is in config.toml, and no other.
	running := pids(t, l)
	for _, r := range []string{lab.Harbor, lab.TokenOnly} {
		if err := l.Registry(r).SetPassword(robot, "robot-secret-2"); err != nil {
			t.Fatal(err)
		}
	}
	o.env["HARBOR_PASSWORD"] = "robot-secret-2"
	second := o.apply(0, file)
	now := pids(t, l)
	for _, n := range l.Nodes() {
		if restarted := now[n.Name] != running[n.Name]; restarted != strings.HasPrefix(n.Spec.Containerd, "1.") {
			t.Errorf("%s (%s): restarted by a new password: %v", n.Name, n.Spec.Containerd, restarted)
		}
		if err := pull(t, n, "192.168.21.7:5000/team/app:v1"); err != nil {
			t.Errorf("%s with the new password: %v", n.Name, err)
		}
	}
	o.rollback(0, second.ID)
	o.rollback(0, run.ID)
	was.asBefore()
}
