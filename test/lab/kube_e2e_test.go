//go:build e2e

package lab_test

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/cluster"
)

// upKube is up with Kubernetes; the test may end the lab by itself.
func upKube(t *testing.T, nodes []lab.NodeSpec, spec lab.KubeSpec) (*lab.Lab, *cluster.Cluster) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	l, err := lab.Up(t.Context(), lab.Config{Dir: filepath.Join(t.TempDir(), "lab"), Nodes: nodes, Kubernetes: &spec}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Error(err)
		}
	})
	c, err := cluster.Connect(l, "")
	if err != nil {
		t.Fatal(err)
	}
	return l, c
}

// TestKubernetes: each user may do what it was granted, a stopped API server comes back with what
// it knew, and the lab's end is the end of all of it.
func TestKubernetes(t *testing.T) {
	l, admin := upKube(t, lab.Cycle(1, ""), lab.KubeSpec{})
	ctx, k := t.Context(), l.Kube()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	as := func(u lab.KubeUser) *cluster.Cluster {
		t.Helper()
		path, err := k.Kubeconfig(u)
		must(err)
		c, err := cluster.Connect(l, path)
		must(err)
		return c
	}
	must(admin.AddNode(ctx, "node1", map[string]string{"pool": "a"}))
	must(admin.AddPod(ctx, cluster.Pod{Name: "app", Node: "node1", Image: image, Labels: map[string]string{"app": "x"}}))
	must(admin.SetRunning(ctx, "", "app"))
	must(admin.AddBudget(ctx, "", "one", map[string]string{"app": "x"}, 1))
	must(admin.SetAllowed(ctx, "", "one", 0))

	reader := lab.KubeUser{Name: "pullway"}
	asked := func(c *cluster.Cluster) (nodes, pods error) {
		_, nodes = c.Client.CoreV1().Nodes().Get(ctx, "node1", metav1.GetOptions{})
		_, pods = c.Client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
		return nodes, pods
	}
	must(admin.Grant(ctx, reader.Name, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get"}}))
	for _, tc := range []struct {
		name        string
		user        lab.KubeUser
		nodes, pods func(error) bool
	}{
		{"admin", lab.KubeUser{Name: "other", Groups: []string{"system:masters"}}, isNil, isNil},
		{"granted nodes alone", reader, isNil, apierrors.IsForbidden},
		{"granted nothing", lab.KubeUser{Name: "nobody"}, apierrors.IsForbidden, apierrors.IsForbidden},
		{"expired certificate", lab.KubeUser{Name: "old", Groups: []string{"system:masters"}, Expired: true}, apierrors.IsUnauthorized, apierrors.IsUnauthorized},
		{"unknown token", lab.KubeUser{Name: "forged", Token: "wrong"}, apierrors.IsUnauthorized, apierrors.IsUnauthorized},
	} {
		if nodes, pods := asked(as(tc.user)); !tc.nodes(nodes) || !tc.pods(pods) {
			t.Errorf("%s: nodes: %v, pods: %v", tc.name, nodes, pods)
		}
	}
	must(admin.SetReady(ctx, "node1", corev1.ConditionFalse))

	must(k.Stop(ctx))
	if _, err := admin.Ready(ctx, "node1"); err == nil {
		t.Error("a stopped API server answers")
	}
	must(k.Start(ctx))
	if ready, err := admin.Ready(ctx, "node1"); err != nil || ready != corev1.ConditionFalse {
		t.Errorf("after a restart of the API server: node1 is ready: %q, %v", ready, err)
	}
	budget, err := admin.Client.PolicyV1().PodDisruptionBudgets("default").Get(ctx, "one", metav1.GetOptions{})
	if err != nil || budget.Status.DisruptionsAllowed != 0 || budget.Status.ExpectedPods != 1 {
		t.Errorf("budget: %+v, %v", budget.Status, err)
	}
	must(l.Down())
	nothingLeft(t, l)
}

func isNil(err error) bool { return err == nil }

// TestControllers: a budget's allowance is counted from pods that a real scheduler placed.
func TestControllers(t *testing.T) {
	_, c := upKube(t, lab.Cycle(1, "2.4.2"), lab.KubeSpec{Kubelets: []string{"node1"}, Controllers: true, Scheduler: true})
	ctx, labels := t.Context(), map[string]string{"app": "x"}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.AddBudget(ctx, "", "one", labels, 1))
	for i, name := range []string{"first", "second"} {
		// The sandbox image is there without any registry, and waits as the lab's own images do.
		must(c.AddPod(ctx, cluster.Pod{Name: name, Image: "registry.k8s.io/pause:3.10", Labels: labels, Policy: corev1.PullNever}))
		pod, err := c.AwaitRunning(ctx, "", name)
		must(err)
		if pod.Spec.NodeName != "node1" {
			t.Errorf("%s runs on %q", name, pod.Spec.NodeName)
		}
		must(c.AwaitAllowed(ctx, "", "one", int32(i)))
	}
}

// nothingLeft looks for what a lab may have left on this machine.
func nothingLeft(t *testing.T, l *lab.Lab) {
	t.Helper()
	id := strings.TrimPrefix(l.Netns(), "pullway-")
	if _, err := os.Stat(l.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Error("its folder is still there:", err)
	}
	if _, err := os.Stat("/run/netns/" + l.Netns()); !errors.Is(err, os.ErrNotExist) {
		t.Error("its network is still there:", err)
	}
	if b, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(b), l.Dir()) {
		t.Error("its mounts are still there:", err)
	}
	if out, err := exec.Command("find", "/sys/fs/cgroup", "-name", "pullway-lab-"+id).Output(); err != nil || len(out) > 0 {
		t.Errorf("its control groups are still there: %v\n%s", err, out)
	}
	args, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range args {
		if b, _ := os.ReadFile(path); strings.Contains(string(b), l.Dir()+"/") { // processes come and go
			t.Errorf("a process is still there: %q", strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
}

// TestKubelet: a pod comes up on a real kubelet's node with an image from the lab's registry, and
// neither kubelet nor the container minds a restart of containerd.
func TestKubelet(t *testing.T) {
	nodes := lab.Cycle(2, "1.7.35", "2.4.2")
	l, c := upKube(t, nodes, lab.KubeSpec{Kubelets: []string{"node1", "node2"}})
	t.Run("nodes", func(t *testing.T) {
		for _, n := range l.Nodes() {
			t.Run(n.Spec.Containerd, func(t *testing.T) {
				t.Parallel()
				podOnNode(t, l, c, n)
			})
		}
	})
	if err := l.Down(); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, l)
}

func podOnNode(t *testing.T, l *lab.Lab, c *cluster.Cluster, n *lab.Node) {
	ctx, name := t.Context(), "app-on-"+n.Name
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	config := strings.Replace(registryTable(n.Spec.Containerd), lab.DefaultContainerdConfig(n.Spec.Containerd), lab.PodsContainerdConfig(n.Spec.Containerd), 1)
	must(n.WriteFile(ctx, "/etc/containerd/certs.d/192.168.21.9/hosts.toml", hostsTOML("http://192.168.21.9", "admin", "Harbor12345"), 0o600))
	must(n.WriteFile(ctx, "/etc/containerd/config.toml", []byte(config), 0o644))
	must(n.RestartContainerd(ctx))

	must(c.AddPod(ctx, cluster.Pod{Name: name, Node: n.Name, Image: image, Policy: corev1.PullAlways}))
	pod, err := c.AwaitRunning(ctx, "", name)
	must(err)
	entries, err := l.Registry(lab.Harbor).Log()
	must(err)
	served := 0
	for _, e := range entries {
		if e.Remote == n.Addr.String() && e.Status == 200 && strings.HasPrefix(e.UserAgent, "containerd/") {
			served++
		}
	}
	if served < 4 { // manifest, config, layers
		t.Errorf("the registry served the node %d times: the image is not from there", served)
	}

	before, err := n.Containers(ctx)
	must(err)
	if len(before) != 1 || before[0].Pod != "default/"+name || before[0].PID <= 1 || !strings.HasSuffix(pod.Status.ContainerStatuses[0].ContainerID, before[0].ID) {
		t.Fatalf("CRI says %+v, Kubernetes %+v", before, pod.Status.ContainerStatuses)
	}
	old, err := n.ContainerdPID(ctx)
	must(err)
	must(n.RestartContainerd(ctx))
	now, err := n.ContainerdPID(ctx)
	must(err)
	if now == old {
		t.Fatal("containerd was not restarted")
	}
	// A pod that kubelet starts after the restart: by then it has seen the new containerd.
	must(c.AddPod(ctx, cluster.Pod{Name: "zz-" + name, Node: n.Name, Image: image}))
	_, err = c.AwaitRunning(ctx, "", "zz-"+name)
	must(err)
	after, err := n.Containers(ctx)
	must(err)
	if len(after) != 2 || after[0] != before[0] {
		t.Errorf("before the restart: %+v, after it and with one more pod: %+v", before, after)
	}
	pod, err = c.AwaitRunning(ctx, "", name)
	must(err)
	if s := pod.Status.ContainerStatuses[0]; s.RestartCount != 0 || !strings.HasSuffix(s.ContainerID, before[0].ID) {
		t.Errorf("after the restart Kubernetes says %+v", s)
	}
}
