//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/cluster"
)

// rightsOfTheDocs are those that docs/gates.md says are enough.
func rightsOfTheDocs(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "gates.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict([]byte(block), &role); err != nil || len(role.Rules) == 0 {
		t.Fatalf("no ClusterRole on the page: %v", err)
	}
	return role.Rules
}

// TestGates asks a real API server about nodes that no kubelet speaks for, so that
// every answer can be made: node1 and node2 are in the cluster, node3 is not.
func TestGates(t *testing.T) {
	t.Parallel()
	l := upWith(t, lab.Config{Nodes: lab.Cycle(3, "2.4.2"), Kubernetes: &lab.KubeSpec{}})
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	admin, err := cluster.Connect(l, "")
	must(err)
	for _, name := range []string{"node1", "node2"} {
		must(admin.AddNode(ctx, name, nil))
	}
	reader, err := l.Kube().Kubeconfig(lab.KubeUser{Name: "pullway"})
	must(err)
	expired, err := l.Kube().Kubeconfig(lab.KubeUser{Name: "old", Expired: true})
	must(err)
	o := newOperator(t, l)
	// node1 is a control-plane node, and goes first here.
	spec := o.file("pullway.yaml", strings.Replace(spec(harbor, image), "canary: 1", "controlPlane: first, canary: 1", 1))
	all := []string{"-f", spec, "--yes", "--kubeconfig", reader}
	quiet := calmly(t, l)

	says(t, o.must(1, "apply", all...), "Kubernetes: list nodes", "forbidden")
	must(admin.Grant(ctx, "pullway", rightsOfTheDocs(t)...))
	says(t, o.must(1, "apply", "-f", spec, "--yes", "--kubeconfig", expired), "Kubernetes: list nodes", "Unauthorized")
	must(l.Kube().Stop(ctx))
	says(t, o.must(1, "apply", all...), "Kubernetes: list nodes", "refused")
	must(l.Kube().Start(ctx))

	must(admin.SetReady(ctx, "node2", "False"))
	denied := o.must(1, "apply", all...)
	says(t, denied, `Kubernetes node "node2" is not Ready`, "refused")
	says(t, denied, "no node would be started", "1 node failed")
	must(admin.SetReady(ctx, "node2", "True"))

	must(admin.AddPod(ctx, cluster.Pod{Name: "web-1", Node: "node1", Image: image, Labels: map[string]string{"app": "web"}}))
	must(admin.SetRunning(ctx, "", "web-1"))
	must(admin.AddBudget(ctx, "", "web", map[string]string{"app": "web"}, 1))
	must(admin.SetAllowed(ctx, "", "web", 0))
	says(t, o.must(1, "plan", "-f", spec, "--kubeconfig", reader), "PodDisruptionBudget default/web", "default/web-1")
	says(t, o.must(1, "apply", all...), "PodDisruptionBudget default/web", "default/web-1")
	quiet.untouched()

	must(admin.SetAllowed(ctx, "", "web", 1))
	plan := o.plan(0, spec, "--kubeconfig", reader)
	if w := plan.Rollout.Waves; len(w) != 2 || strings.Join(w[0].Nodes, " ") != "node1" || strings.Join(w[1].Nodes, " ") != "node2 node3" {
		t.Errorf("rollout %+v", plan.Rollout)
	}

	// A container is restarted with containerd: the canary is put back.
	run := whileNode(t, o, l, "node1", all, func() { restartContainer(t, admin, "web-1") })
	if run.code != 4 {
		t.Fatalf("want exit code 4: %s", run)
	}
	first := node(t, o.record(run), "node1")
	if first.Phase != fleet.Restored || first.Gate.After.Verdict != fleet.GateDeny || !strings.Contains(first.Error.Text, "app of pod default/web-1 (restarts 1, before 0)") {
		t.Errorf("node1: %+v, %+v", first.Phase, first.Gate.After)
	}
	quiet.asBefore()

	// The API server goes away with the change and comes back: nothing fails.
	run = whileNode(t, o, l, "node1", all, func() {
		must(l.Kube().Stop(ctx))
		must(l.Kube().Start(ctx))
	})
	if run.code != 0 {
		t.Fatalf("want exit code 0: %s", run)
	}
	done := o.record(run)
	if got := phases(done); got != "node1=applied node2=applied node3=applied" {
		t.Error(got)
	}
	for _, n := range done.Nodes {
		if n.Gate.Before.Verdict != fleet.GatePass || n.Gate.After.Verdict != fleet.GatePass {
			t.Errorf("%s: %+v, %+v", n.Name, n.Gate.Before, n.Gate.After)
		}
		if known := n.Name != "node3"; known != (len(n.Gate.Before.Notes) == 0) {
			t.Errorf("%s: notes %q", n.Name, n.Gate.Before.Notes)
		}
	}
	o.rollback(0, "last", "--kubeconfig", reader)
	quiet.asBefore()
}

// whileNode runs an apply, and do once containerd of that node was restarted by it.
func whileNode(t *testing.T, o *operator, l *lab.Lab, name string, args []string, do func()) result {
	t.Helper()
	before := pids(t, l)[name]
	ended := make(chan result, 1)
	go func() { ended <- o.on("apply", append(args, "-o", "json")...) }()
	n := l.Node(name)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case r := <-ended:
			t.Fatalf("it ended before containerd of %s was restarted: %s", name, r)
		case <-tick.C:
		}
		if pid, err := n.ContainerdPID(t.Context()); err == nil && pid != 0 && pid != before {
			break
		}
	}
	do()
	return <-ended
}

// restartContainer gives a pod the status of one whose container was restarted.
func restartContainer(t *testing.T, c *cluster.Cluster, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	pods := c.Client.CoreV1().Pods(metav1.NamespaceDefault)
	pod, err := pods.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := &pod.Status.ContainerStatuses[0]
	s.RestartCount, s.ContainerID = s.RestartCount+1, s.ContainerID+"-again"
	if _, err := pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}
