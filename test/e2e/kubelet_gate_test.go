//go:build e2e

package e2e

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/test/lab"
)

// TestKubeletGate: under a real kubelet, a disruption budget at zero stops a node whose containerd
// would restart. With one to spare the restart passes and no container minds; then the budget
// may be at zero again for a change that restarts nothing.
func TestKubeletGate(t *testing.T) {
	t.Parallel()
	l, c := upKubelets(t, lab.Cycle(1, "2.4.2"))
	o, ctx := newOperator(t, l), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first, second := o.file("first.yaml", spec(harbor, image)), o.file("second.yaml", spec(mirrored, image))
	gate := []string{"--kubeconfig", l.Kube().AdminKubeconfig()}
	must(c.AddBudget(ctx, "", "web", map[string]string{"app": "x"}, 1))
	must(c.SetAllowed(ctx, "", "web", 0)) // by hand: no controllers count it here
	was, before := calmly(t, l), runs(t, l, c)

	says(t, o.must(1, "apply", append([]string{"-f", first, "--yes"}, gate...)...), "containerd restarts", "PodDisruptionBudget default/web", "default/node1-a")
	was.untouched()

	must(c.SetAllowed(ctx, "", "web", 1))
	if run := o.apply(0, first, gate...); !node(t, run, "node1").Result.Restarted {
		t.Error("containerd was not restarted: there was nothing to allow")
	}
	must(c.SetAllowed(ctx, "", "web", 0))
	daemons := pids(t, l)
	if run := o.apply(0, second, gate...); node(t, run, "node1").Result.Restarted || pids(t, l)["node1"] != daemons["node1"] {
		t.Error("a change of hosts directories alone restarted containerd")
	}
	if d := cmp.Diff(before, runs(t, l, c)); d != "" {
		t.Errorf("what runs (-before +after):\n%s", d)
	}
}
