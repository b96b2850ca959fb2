package cli

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullway/pullway/internal/census/censustest"
)

var update = flag.Bool("update", false, "write the recorded output in place of comparing it")

// golden compares what the last command wrote to standard output with a file that
// the documentation quotes.
func golden(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: golden FILE")
	}
	path := filepath.Join(ts.Getenv("RECORDED"), args[0])
	got := ts.ReadFile("stdout")
	if *update {
		ts.Check(os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	ts.Check(err)
	if d := cmp.Diff(string(want), got); d != "" {
		ts.Fatalf("%s is not what is printed; go test ./internal/cli -run TestScripts -update writes it:\n%s", args[0], d)
	}
}

// story is the cluster of the scripts and of docs/impact.md.
func story() *censustest.Server {
	s := &censustest.Server{}
	for i := 1; i <= 4; i++ {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node%d", i), Labels: map[string]string{corev1.LabelHostname: fmt.Sprintf("node%d", i)}}}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		n.Status.NodeInfo.KubeletVersion, n.Status.NodeInfo.ContainerRuntimeVersion = "v1.33.4", "containerd://1.7.30"
		for _, name := range []string{"192.168.21.9/library/app:v1", "registry.k8s.io/coredns/coredns:v1.12.0", "192.168.21.9/ops/agent:3"} {
			n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{name}})
		}
		n.Spec.Unschedulable = i == 4 // drained
		s.Nodes = append(s.Nodes, n)
	}
	add := func(namespace, kind, name, node, image string, policy corev1.PullPolicy) *corev1.Pod {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-" + node, Labels: map[string]string{"app": name}}}
		if kind != "" {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: name, Controller: new(true)}}
		} else {
			p.Name = name
		}
		p.Spec.NodeName, p.Spec.RestartPolicy = node, corev1.RestartPolicyAlways
		p.Spec.Containers = []corev1.Container{{Name: name, Image: image, ImagePullPolicy: policy}}
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: name, ContainerID: "containerd://1", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		s.Pods = append(s.Pods, p)
		return &s.Pods[len(s.Pods)-1]
	}
	deployment := func(namespace, name, image string, policy corev1.PullPolicy, nodes ...string) {
		for _, n := range nodes {
			p := add(namespace, "ReplicaSet", name+"-5d4f8", n, image, policy)
			p.Labels["pod-template-hash"], p.Labels["app"] = "5d4f8", name
		}
		count := int32(len(nodes))
		d := appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: appsv1.DeploymentSpec{Replicas: &count}}
		d.Status.UpdatedReplicas, d.Status.ReadyReplicas = count, count
		s.Deployments = append(s.Deployments, d)
	}
	deployment("prod", "shop", "192.168.21.9/shop/web:2.4", corev1.PullAlways, "node1", "node2", "node3")
	deployment("prod", "api", "192.168.21.9/library/app:v1", corev1.PullAlways, "node1", "node2")
	deployment("kube-system", "coredns", "registry.k8s.io/coredns/coredns:v1.12.0", corev1.PullIfNotPresent, "node1", "node2")
	add("prod", "StatefulSet", "db", "node1", "192.168.21.9/data/postgres:16", corev1.PullIfNotPresent)
	for i := 1; i <= 4; i++ {
		add("ops", "DaemonSet", "agent", fmt.Sprintf("node%d", i), "192.168.21.9/ops/agent:3", corev1.PullIfNotPresent)
	}
	try := add("dev", "", "try", "node2", "nginx:lates", corev1.PullIfNotPresent)
	try.Status.Phase = corev1.PodPending
	try.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "try", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}}
	add("dev", "", "odd", "node3", "192.168.21.9/Odd\x1b[2JName:1", corev1.PullAlways)
	one := int32(1)
	s.StatefulSets = []appsv1.StatefulSet{{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "db"}, Spec: appsv1.StatefulSetSpec{Replicas: &one}, Status: appsv1.StatefulSetStatus{ReadyReplicas: 1, UpdatedReplicas: 1}}}
	s.Budgets = []policyv1.PodDisruptionBudget{{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "shop"}, Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}}, Status: policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: 1}}}
	s.Scalers = []autoscalingv2.HorizontalPodAutoscaler{{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "api"}, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "api"}, MaxReplicas: 5}, Status: autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: 2, DesiredReplicas: 2}}}
	return s
}

// clusters are the API servers of the scripts: their addresses by the variable that
// names them.
func clusters(t *testing.T) map[string]string {
	t.Helper()
	due := story()
	soon := time.Now().UTC().Add(30 * time.Minute)
	cron := batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "cron", Name: "report"}}
	cron.Spec.Schedule = fmt.Sprintf("%d %d * * *", soon.Minute(), soon.Hour())
	cron.Spec.JobTemplate.Spec.Template.Spec = corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever,
		Containers: []corev1.Container{{Name: "report", Image: "192.168.21.9/cron/report:7", ImagePullPolicy: corev1.PullAlways}}}
	due.CronJobs = []batchv1.CronJob{cron}
	refuses := func(resource string) *censustest.Server {
		s := story()
		s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, resource) {
				return false
			}
			censustest.Status(w, http.StatusForbidden, metav1.StatusReasonForbidden, "")
			return true
		}
		return s
	}
	expired := story()
	expired.Answer = func(w http.ResponseWriter, _ *http.Request) bool {
		censustest.Status(w, http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "")
		return true
	}
	all := map[string]string{}
	for name, s := range map[string]*censustest.Server{"CLUSTER": story(), "DUE": due, "NOHPA": refuses("/horizontalpodautoscalers"), "NOPODS": refuses("/pods"), "EXPIRED": expired, "EMPTY": {}} {
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		all[name] = server.URL
	}
	return all
}

// kubeconfigs writes a kubeconfig for each of the clusters: $CLUSTER names a file.
func kubeconfigs(e *testscript.Env, clusters map[string]string) error {
	for name, url := range clusters {
		path := filepath.Join(e.WorkDir, strings.ToLower(name)+".kubeconfig")
		text := strings.ReplaceAll(`apiVersion: v1
kind: Config
current-context: here
clusters: [{name: lab, cluster: {server: "URL"}}]
users: [{name: reader, user: {token: top-secret-token}}]
contexts: [{name: here, context: {cluster: lab, user: reader}}]
`, "URL", url)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		e.Setenv(name, path)
	}
	return nil
}
