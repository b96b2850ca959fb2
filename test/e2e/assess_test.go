//go:build e2e

package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/cluster"
)

// TestAssess asks a real API server about nodes that no kubelet speaks for, real
// nodes about what they have, and a real registry: before a change, when a guard
// forbids it, and after it.
func TestAssess(t *testing.T) {
	t.Parallel()
	l := upWith(t, lab.Config{Nodes: lab.Cycle(3, "2.4.2", "1.7.35"), Kubernetes: &lab.KubeSpec{}})
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	admin, err := cluster.Connect(l, "")
	must(err)
	for _, name := range []string{"node1", "node2", "node3"} {
		must(admin.AddNode(ctx, name, nil))
	}
	const missing, gone = "192.168.21.9/library/missing:1", "192.168.21.9/library/gone:1"
	runs := func(name, node, image string, policy corev1.PullPolicy) {
		t.Helper()
		must(addOwned(ctx, admin, name, node, image, policy))
		must(admin.SetRunning(ctx, "", name+"-0"))
	}
	runs("served", "node1", image, corev1.PullAlways)
	runs("missing", "node2", missing, corev1.PullAlways)
	runs("gone", "node1", gone, corev1.PullIfNotPresent)

	reader, err := l.Kube().Kubeconfig(lab.KubeUser{Name: "assessor"})
	must(err)
	o := newOperator(t, l)
	wire := o.file("pullway.yaml", spec(harbor, image))
	args := []string{"-f", wire, "--kubeconfig", reader}
	quiet := calmly(t, l)

	// Rights: none, all but one list, and those that the program says are enough.
	must(admin.Grant(ctx, "assessor"))
	says(t, o.must(1, "assess", args...), "list pods", "forbidden")
	role := printedRole(t, o)
	must(admin.Grant(ctx, "assessor", slices.DeleteFunc(slices.Clone(role), func(r rbacv1.PolicyRule) bool { return slices.Contains(r.APIGroups, "autoscaling") })...))
	says(t, o.must(0, "assess", args...), "not looked at: list horizontalpodautoscalers.autoscaling")
	must(admin.Grant(ctx, "assessor", role...))

	// Before the change, asked from here alone and then from the nodes.
	far := decode[report.Assess](t, o.run(append([]string{"assess", "-o", "json", "--all"}, args...)...))
	expect(t, far, "served", impact.Safe, "pull-works")
	expect(t, far, "missing", impact.FailsIfRestarted, "pulls-on-start")
	w := expect(t, far, "gone", impact.FailsIfMoved, "lacks-elsewhere")
	if far.Restarts.Known != 0 || w.Images[0].Lacking != 2 || w.Images[0].Unknown != 2 {
		t.Errorf("without the nodes: %+v, %+v", far.Restarts, w.Images[0])
	}
	if len(far.Gaps) > 0 || !strings.HasPrefix(far.Version, "v1.") {
		t.Errorf("version %q, gaps %+v", far.Version, far.Gaps)
	}
	asked := o.must(0, "assess", append([]string{"-o", "json", "--all"}, args...)...)
	near, took := decode[report.Assess](t, asked), asked.took
	expect(t, near, "served", impact.Safe, "pull-works")
	expect(t, near, "missing", impact.FailsIfRestarted, "pulls-on-start")
	// The node itself says that it has no such image, whatever its status lists.
	w = expect(t, near, "gone", impact.FailsIfRestarted, "image-gone")
	if im := w.Images[0]; im.Lacking != 3 || im.Unknown != 0 || !slices.Equal(im.Before, []string{"https://192.168.21.9"}) || !slices.Equal(im.After, []string{harborURL}) {
		t.Errorf("with the nodes: %+v", im)
	}
	// node2 is the canary, and node1 of the control plane goes last.
	if near.Restarts.Known != 3 || len(near.Restarts.Nodes) != 3 || len(near.Waves) != 3 || near.OnRestart != 2 {
		t.Errorf("%+v, waves %+v, %d on nodes that restart", near.Restarts, near.Waves, near.OnRestart)
	}
	for _, n := range near.NodeImpacts {
		if len(n.Registries) != 1 || !n.Registries[0].OK || n.Restart == nil || !*n.Restart || n.Problem != "" {
			t.Errorf("%+v", n)
		}
	}
	// A registry that only the nodes reach: one of them asks for the images.
	there := decode[report.Assess](t, o.must(0, "assess", append([]string{"-o", "json", "--all", "--no-preflight"}, args...)...))
	expect(t, there, "served", impact.Safe, "pull-works")
	if w := expect(t, there, "missing", impact.FailsIfRestarted, "pulls-on-start"); !strings.Contains(w.Reason, "does not have it") {
		t.Error(w.Reason)
	}
	// A wrong password is told, and sent by one node alone.
	o.env["HARBOR_PASSWORD"] = "wrong"
	wrong := decode[report.Assess](t, o.must(0, "assess", append([]string{"-o", "json", "--all", "--no-preflight"}, args...)...))
	if w := expect(t, wrong, "served", impact.FailsIfRestarted, "pulls-on-start"); !strings.Contains(w.Reason, "refuses the credential") {
		t.Error(w.Reason)
	}
	o.env["HARBOR_PASSWORD"] = secret1
	quiet.untouched()
	t.Logf("assess of 3 nodes took %s", took)

	// In the flow. The gates read some things by get.
	must(admin.Grant(ctx, "assessor", append(role, rightsOfTheDocs(t)...)...))
	if r := o.must(0, "plan", args...); !strings.Contains(r.out, "Assess: 2 workloads of 3 would be hurt by this change.") {
		t.Errorf("no headline: %s", r.out[max(0, len(r.out)-1000):])
	}
	says(t, o.must(1, "apply", append(args, "--yes", "--guard")...), "--guard: 1 workload would fail now or if restarted on a node whose containerd restarts")
	quiet.untouched()

	// A drained node hurts nobody.
	must(cordon(ctx, admin, "node2"))
	must(admin.Client.CoreV1().Pods("default").Delete(ctx, "missing-0", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
	drained := decode[report.Assess](t, o.must(0, "assess", append([]string{"-o", "json"}, args...)...))
	if i := slices.IndexFunc(drained.NodeImpacts, func(n impact.NodeImpact) bool { return n.Name == "node2" }); !drained.NodeImpacts[i].Drained || drained.NodeImpacts[i].Workloads.Harmed() != 0 || drained.OnRestart != 1 {
		t.Errorf("%+v, %d", drained.NodeImpacts[i], drained.OnRestart)
	}
	o.must(0, "apply", append(args, "--yes", "--guard")...)

	// Afterwards nothing changes any more, so nothing is hurt by the change; what
	// fails fails already.
	after := decode[report.Assess](t, o.must(0, "assess", append([]string{"-o", "json", "--all"}, args...)...))
	if w := expect(t, after, "gone", impact.FailsIfRestarted, "image-gone"); w.Cause != impact.Already || after.ByChange.Harmed() != 0 || len(after.Restarts.Nodes) != 0 {
		t.Errorf("%+v, %+v, %+v", w, after.ByChange, after.Restarts)
	}
	// The nodes have the image that proved the change no more, and say so by CRI.
	expect(t, after, "served", impact.Safe, "pull-works")

	// A registry that ends: everybody who needs it is told of, from the nodes too.
	must(l.Registry("harbor").Stop(ctx))
	down := decode[report.Assess](t, o.must(0, "assess", append([]string{"-o", "json", "--all"}, args...)...))
	expect(t, down, "served", impact.FailsIfRestarted, "pulls-on-start")
	if down.Endpoints[0].OK || down.NodeImpacts[0].Registries[0].OK {
		t.Errorf("%+v, %+v", down.Endpoints, down.NodeImpacts[0].Registries)
	}
}

// expect finds a workload, whose verdict and rule have to be these.
func expect(t *testing.T, a report.Assess, name string, v impact.Verdict, rule string) impact.Workload {
	t.Helper()
	for _, w := range a.Workloads {
		if w.Name == name {
			if w.Verdict != v || w.Rule != rule {
				t.Errorf("%s: %s (%s): %s; want %s (%s)", name, w.Verdict, w.Rule, w.Reason, v, rule)
			}
			return w
		}
	}
	t.Fatalf("no workload %s in %+v", name, a.Workloads)
	return impact.Workload{}
}

// printedRole are the rights that the program says are enough.
func printedRole(t *testing.T, o *operator) []rbacv1.PolicyRule {
	t.Helper()
	r := o.run("assess", "--print-rbac")
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict([]byte(r.out), &role); err != nil || len(role.Rules) == 0 {
		t.Fatalf("no ClusterRole: %v: %s", err, r)
	}
	return role.Rules
}

// addOwned makes the first pod of a StatefulSet that is not there: nobody would make
// it again in this lab, and it has to look as if somebody did.
func addOwned(ctx context.Context, c *cluster.Cluster, name, node, image string, policy corev1.PullPolicy) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-0", OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: name, UID: "0", Controller: new(true)}}},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "app", Image: image, ImagePullPolicy: policy}}},
	}
	_, err := c.Client.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{})
	return err
}

func cordon(ctx context.Context, c *cluster.Cluster, name string) error {
	node, err := c.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	node.Spec.Unschedulable = true
	_, err = c.Client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
	return err
}
