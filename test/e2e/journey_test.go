//go:build e2e

package e2e

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
)

// mirrored is harbor, and docker.io by way of it.
const mirrored = harbor + `    - host: docker.io
      endpoints:
        - url: http://192.168.21.9
      fallback: none
      auth:
        username: robot$nodes
        password: {env: HARBOR_PASSWORD}
`

// TestJourney is the guide's whole way on every release: nothing can pull, plan,
// apply, again, a new password, a mirror, verify, and all the way back.
func TestJourney(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	ctx, o, r := t.Context(), newAnsibleOperator(t, l), l.Registry(lab.Harbor)
	file := o.file("pullway.yaml", spec(harbor, image))
	for _, n := range l.Nodes() {
		if err := pull(t, n, image); err == nil {
			t.Fatalf("%s pulls without any configuration", n.Name)
		}
	}
	fresh, running := allEtc(t, l), pids(t, l)

	// The plan changes nothing.
	p := o.plan(0, file)
	if p.Summary.Change != 4 || p.Summary.Refused+p.Summary.Failed != 0 {
		t.Errorf("plan: %+v", p.Summary)
	}
	o.plan(3, file, "--exit-code")
	unchanged(t, "plan", fresh, allEtc(t, l))
	if d := cmp.Diff(running, pids(t, l)); d != "" {
		t.Error("plan restarted containerd:", d)
	}

	// Apply does what the plan said.
	first := o.apply(0, file)
	if first.Outcome != fleet.Done {
		t.Errorf("apply: %s: %s", first.Outcome, phases(first))
	}
	for i, n := range l.Nodes() {
		ran := node(t, first, n.Name)
		if ran.Result.Restarted != p.Nodes[i].Plan.Restart.Needed {
			t.Errorf("%s: restarted: %v, the plan said %v", n.Name, ran.Result.Restarted, p.Nodes[i].Plan.Restart.Needed)
		}
		if ran.Result.Restarted != (running[n.Name] != pids(t, l)[n.Name]) {
			t.Errorf("%s: restarted: %v is not what its containerd says", n.Name, ran.Result.Restarted)
		}
		if served(t, r, n, robot) == 0 {
			t.Errorf("%s: the registry did not see it with its credential", n.Name)
		}
		if err := pull(t, n, appImage); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
		clean(t, n)
	}

	// A second apply changes nothing.
	still := func(what string, was map[string]int) {
		t.Helper()
		if now := pids(t, l); !maps.Equal(was, now) {
			t.Errorf("%s restarted containerd: %s", what, cmp.Diff(was, now))
		}
	}
	wired, running := allEtc(t, l), pids(t, l)
	if again := o.apply(0, file); again.Outcome != fleet.NothingToDo {
		t.Errorf("second apply: %s: %s", again.Outcome, phases(again))
	}
	unchanged(t, "second apply", wired, allEtc(t, l))
	still("a second apply", running)
	o.plan(0, file, "--exit-code")

	// A new password reaches every node without a restart.
	const secret2 = "robot-secret-2"
	if err := r.SetPassword(robot, secret2); err != nil {
		t.Fatal(err)
	}
	o.env["HARBOR_PASSWORD"] = secret2
	rotated := o.apply(0, file)
	still("a new password", running)
	for _, n := range l.Nodes() {
		if err := pull(t, n, appImage); err != nil {
			t.Errorf("%s with the new password: %v", n.Name, err)
		}
		old := "cm9ib3Qkbm9kZXM6cm9ib3Qtc2VjcmV0LTE="
		if out, err := n.Exec(ctx, "grep -rle "+secret1+" -e "+old+" /etc/containerd; true"); err != nil || out != "" {
			t.Errorf("%s still has the old credential: %s %v", n.Name, out, err)
		}
	}

	// So does a mirror.
	with := o.file("mirrored.yaml", spec(mirrored, image))
	added := o.apply(0, with)
	still("a mirror", running)
	for _, n := range l.Nodes() {
		if err := pull(t, n, "docker.io/library/test-image:latest"); err != nil {
			t.Errorf("%s by the mirror: %v", n.Name, err)
		}
	}

	// Verify says so, and that it is not so when the registry is away.
	v := decode[report.Verify](t, o.must(0, "verify", "-f", with, "-o", "json"))
	for _, n := range v.Nodes {
		if len(n.Proofs) != 1 || !n.Proofs[0].OK {
			t.Errorf("verify %s: %+v", n.Name, n)
		}
	}
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	o.must(3, "verify", "-f", with)
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}

	// All the way back, newest first.
	for _, back := range []struct{ run, want string }{{added.ID, ""}, {rotated.ID, ""}, {"last", first.ID}} {
		run := o.rollback(0, back.run)
		if run.Outcome != fleet.Done || back.want != "" && run.Target != back.want {
			t.Errorf("rollback %s: %s of %s: %s", back.run, run.Outcome, run.Target, phases(run))
		}
	}
	unchanged(t, "rollback", fresh, allEtc(t, l))
	for _, n := range l.Nodes() {
		clean(t, n)
		healthy(t, n)
		if err := pull(t, n, image); err == nil {
			t.Errorf("%s pulls after the rollback", n.Name)
		}
	}
	o.must(2, "rollback", "last", "--yes")
}
