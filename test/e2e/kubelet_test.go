//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/cluster"
)

// offlineImage is on a lab node with a kubelet before anything is wired.
func offlineImage(n *lab.Node) string {
	if n.Spec.Containerd == "2.4.2" {
		return "registry.k8s.io/pause:3.10"
	}
	return "registry.k8s.io/pause:3.9"
}

// upKubelets makes a lab of those nodes with a real kubelet on each, and starts two pods there.
func upKubelets(t *testing.T, nodes []lab.NodeSpec) (*lab.Lab, *cluster.Cluster) {
	t.Helper()
	spec := &lab.KubeSpec{}
	for _, n := range nodes {
		spec.Kubelets = append(spec.Kubelets, n.Name)
	}
	l := upWith(t, lab.Config{Nodes: nodes, Kubernetes: spec})
	c, err := cluster.Connect(l, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range l.Nodes() {
		for _, name := range []string{n.Name + "-a", n.Name + "-b"} {
			start(t, c, cluster.Pod{Name: name, Node: n.Name, Image: offlineImage(n), Policy: corev1.PullNever, Labels: map[string]string{"app": "x"}})
		}
	}
	return l, c
}

// start starts a pod and waits for it.
func start(t *testing.T, c *cluster.Cluster, p cluster.Pod) {
	t.Helper()
	if err := c.AddPod(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AwaitRunning(t.Context(), "", p.Name); err != nil {
		t.Fatal(err)
	}
}

// workload is what runs, as the nodes' CRI and as Kubernetes has it.
type workload struct {
	Containers map[string][]lab.Container
	// IDs and Restarts of the first container, by pod.
	IDs      map[string]string
	Restarts map[string]int32
}

func runs(t *testing.T, l *lab.Lab, c *cluster.Cluster) workload {
	t.Helper()
	w := workload{map[string][]lab.Container{}, map[string]string{}, map[string]int32{}}
	for _, n := range l.Nodes() {
		all, err := n.Containers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.Containers[n.Name] = all
	}
	pods, err := c.Client.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pods.Items {
		for _, s := range p.Status.ContainerStatuses {
			w.IDs[p.Name], w.Restarts[p.Name] = s.ContainerID, s.RestartCount
		}
	}
	return w
}

// TestKubelet: an apply that restarts containerd under a real kubelet leaves every container as it
// is, kubelet pulls through what was wired, and the rollback leaves them alone, too.
func TestKubelet(t *testing.T) {
	t.Parallel()
	l, c := upKubelets(t, lab.Cycle(2, "1.7.35", "2.4.2"))
	o := newOperator(t, l)
	file := o.file("spec.yaml", strings.Replace(spec(harbor, image), "canary: 1", "canary: 0", 1)) // both at once
	before, daemons := runs(t, l, c), pids(t, l)
	if len(before.Containers["node1"]) != 2 || len(before.Containers["node2"]) != 2 || len(before.IDs) != 4 {
		t.Fatalf("two pods a node were started, these run: %+v", before)
	}

	run := o.apply(0, file)
	for _, n := range l.Nodes() {
		if !node(t, run, n.Name).Result.Restarted {
			t.Errorf("%s: containerd was not restarted: there was nothing to bear", n.Name)
		}
		if pids(t, l)[n.Name] == daemons[n.Name] {
			t.Errorf("%s: containerd has its old process id", n.Name)
		}
	}
	if d := cmp.Diff(before, runs(t, l, c)); d != "" {
		t.Errorf("the apply changed what runs (-before +after):\n%s", d)
	}

	for _, n := range l.Nodes() {
		start(t, c, cluster.Pod{Name: n.Name + "-pulled", Node: n.Name, Image: image, Policy: corev1.PullAlways})
		if served(t, l.Registry(lab.Harbor), n, robot) == 0 {
			t.Errorf("%s: kubelet's pod has its image from elsewhere", n.Name)
		}
	}
	before = runs(t, l, c)
	for pod, n := range before.Restarts {
		if n != 0 {
			t.Errorf("%s was restarted %d times", pod, n)
		}
	}
	o.rollback(0, "last")
	for _, n := range l.Nodes() { // kubelet has seen the new containerd when it has started a pod by it
		start(t, c, cluster.Pod{Name: n.Name + "-last", Node: n.Name, Image: offlineImage(n), Policy: corev1.PullNever})
	}
	after := runs(t, l, c)
	for pod, id := range before.IDs {
		if after.IDs[pod] != id || after.Restarts[pod] != 0 {
			t.Errorf("%s: the rollback made container %s into %s, %d restarts", pod, id, after.IDs[pod], after.Restarts[pod])
		}
	}
	for name, was := range before.Containers {
		for _, w := range was {
			if !slices.Contains(after.Containers[name], w) {
				t.Errorf("%s: after the rollback %+v is not among %+v", name, w, after.Containers[name])
			}
		}
	}
}
