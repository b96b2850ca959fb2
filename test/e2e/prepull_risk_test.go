//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/cluster"
)

// openHarbor is the guide's registry on nodes that have no credential for it.
const openHarbor = `    - host: 192.168.21.9
      endpoints:
        - url: http://192.168.21.9
`

// TestPrepullAtRisk: the change would send nodes to a registry that nobody runs. What
// pods need is fetched before it, through what nodes are configured with now and with
// the pods' own pull secret, and to the nodes that lack it only.
func TestPrepullAtRisk(t *testing.T) {
	t.Parallel()
	l := upWith(t, lab.Config{Nodes: lab.Cycle(3, lab.Releases()...), Kubernetes: &lab.KubeSpec{}})
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	admin, err := cluster.Connect(l, "")
	must(err)
	for _, n := range l.Nodes() {
		must(admin.AddNode(ctx, n.Name, nil))
		// The API server taints a new node as not ready; who would take that off does not run here.
		_, err := admin.Client.CoreV1().Nodes().Patch(ctx, n.Name, types.MergePatchType, []byte(`{"spec":{"taints":null}}`), metav1.PatchOptions{})
		must(err)
	}
	docker := fmt.Sprintf(`{"auths":{"192.168.21.9":{"auth":%q}}}`, base64.StdEncoding.EncodeToString([]byte(robot+":"+secret1)))
	_, err = admin.Client.CoreV1().Secrets("default").Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "regcred"},
		Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(docker)}}, metav1.CreateOptions{})
	must(err)
	must(admin.AddPod(ctx, cluster.Pod{Name: "web", Node: "node1", Image: appImage, Policy: corev1.PullIfNotPresent, PullSecrets: []string{"regcred"}}))
	must(admin.SetRunning(ctx, "", "web"))
	// It is of a ReplicaSet, which would make it anew on another node.
	labels := map[string]string{"app": "web"}
	one := int32(1)
	rs, err := admin.Client.AppsV1().ReplicaSets("default").Create(ctx, &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.ReplicaSetSpec{Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: appImage}}}}}}, metav1.CreateOptions{})
	must(err)
	owner := fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":%q,"controller":true}]}}`, rs.UID)
	_, err = admin.Client.CoreV1().Pods("default").Patch(ctx, "web", types.MergePatchType, []byte(owner), metav1.PatchOptions{})
	must(err)
	reader, err := l.Kube().Kubeconfig(lab.KubeUser{Name: "pullway"})
	must(err)
	o := newOperator(t, l)
	var role rbacv1.ClusterRole
	must(yaml.Unmarshal([]byte(o.run("assess", "--print-rbac").out), &role))
	must(admin.Grant(ctx, "pullway", role.Rules...))
	before := o.file("before.yaml", spec(openHarbor))
	o.apply(0, before, "--no-proof", "--no-preflight")
	after := o.file("after.yaml", spec(strings.Replace(openHarbor, "http://192.168.21.9", "http://192.168.21.9:8090", 1)))
	if _, err := l.Nodes()[0].CRIPullAs(ctx, appImage, &lab.Auth{Username: robot, Password: secret1}); err != nil {
		t.Fatal(err)
	}

	seen := o.on("assess", "-f", after, "--kubeconfig", reader, "--all")
	t.Logf("%s%s", seen.err, seen.out)
	// A user who may not read the secret is told so, and the registry gives nothing away.
	r := o.on("prepull", "--yes", "-f", after, "--kubeconfig", reader)
	t.Logf("%s%s", r.err, r.out)
	if r.code != 1 {
		t.Errorf("want exit code 1: %s", r)
	}
	mentions(t, r, "pull secret default/regcred is not used")
	// What the registry says of it.
	mentions(t, r, appImage, "user name and password")

	p := o.prepull(0, "-f", after, "--kubeconfig", l.Kube().AdminKubeconfig())
	for _, n := range p.Nodes {
		var got []string
		for _, i := range n.Ahead.Images {
			got = append(got, fmt.Sprint(i.Ref, " ", i.State, " ", i.Secret))
		}
		var want []string
		if n.Name != "node1" {
			want = []string{appImage + " " + string(protocol.AheadPulled) + " true"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", n.Name, got, want)
		}
	}
	for _, n := range l.Nodes() {
		if n.Name == "node1" {
			continue
		}
		if served(t, l.Registry(lab.Harbor), n, robot) == 0 {
			t.Errorf("%s: the registry served nothing to %s", n.Name, robot)
		}
		// No trace of the secret is left on the node.
		found, err := n.Exec(ctx, "grep -rlF -e "+secret1+" -e "+base64.StdEncoding.EncodeToString([]byte(robot+":"+secret1))+" /var/lib/pullway /etc/containerd /run/pullway* /tmp /root 2>/dev/null || true")
		must(err)
		if found != "" {
			t.Errorf("%s: the pull secret is in %s", n.Name, found)
		}
	}
	// The change is made; what was at risk is there, and nothing is pinned any more.
	o.apply(0, after, "--no-proof", "--no-preflight")
	for _, n := range l.Nodes() {
		letGo(t, n)
		refs, err := n.CRIImages(ctx)
		must(err)
		if !slices.Contains(refs, appImage) {
			t.Errorf("%s: lacks %s after the change: %q", n.Name, appImage, refs)
		}
	}
}
