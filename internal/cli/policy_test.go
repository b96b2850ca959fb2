package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pullway/pullway/test/kubeapi"
)

// kubeconfigIn writes the kubeconfig of a server, with a token that must appear
// nowhere.
func kubeconfigIn(dir, url string) string {
	path := filepath.Join(dir, "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: %q}}]\nusers: [{name: a, user: {token: top-secret-token}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n", url)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}
	return path
}

// rollOut is what the controllers do: at once, and well.
func rollOut(object runtime.Object) {
	switch o := object.(type) {
	case *appsv1.Deployment:
		n := *o.Spec.Replicas
		o.Status = appsv1.DeploymentStatus{ObservedGeneration: o.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
	case *appsv1.StatefulSet:
		n := *o.Spec.Replicas
		o.Status = appsv1.StatefulSetStatus{ObservedGeneration: o.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
	case *appsv1.DaemonSet:
		o.Status = appsv1.DaemonSetStatus{ObservedGeneration: o.Generation, DesiredNumberScheduled: 1, UpdatedNumberScheduled: 1, NumberAvailable: 1}
	}
}

func readyNode(name string, images ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	n.Status.Images = []corev1.ContainerImage{{Names: images}}
	return n
}

func podTemplate(policies ...corev1.PullPolicy) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}}
	for i, p := range policies {
		c := corev1.Container{Name: fmt.Sprintf("c%d", i), Image: "192.168.21.9/library/app", ImagePullPolicy: p}
		if i == 1 {
			t.Spec.InitContainers = append(t.Spec.InitContainers, c)
		} else {
			t.Spec.Containers = append(t.Spec.Containers, c)
		}
	}
	return t
}

func object(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{"app": "web"}}
}

func selector(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func deployment(name string, policies ...corev1.PullPolicy) *appsv1.Deployment {
	n := int32(2)
	d := &appsv1.Deployment{ObjectMeta: object(name), Spec: appsv1.DeploymentSpec{Replicas: &n, Selector: selector(name), Template: podTemplate(policies...)}}
	d.Spec.Template.Labels["app"] = name
	d.Generation = 1
	rollOut(d)
	return d
}

func cronJob(name string, policies ...corev1.PullPolicy) *batchv1.CronJob {
	return &batchv1.CronJob{ObjectMeta: object(name), Spec: batchv1.CronJobSpec{Schedule: "@daily", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: podTemplate(policies...)}}}}
}

// shape is all that must be as it was, and all that should.
func shape(o runtime.Object) string {
	b, _ := json.MarshalIndent(o, "", " ")
	var all map[string]any
	_ = json.Unmarshal(b, &all)
	meta := all["metadata"].(map[string]any)
	delete(meta, "resourceVersion")
	delete(meta, "generation")
	delete(all, "status")
	b, _ = json.MarshalIndent(all, "", " ")
	return string(b)
}

// shopCluster is a cluster with one node and a workload for each thing that there
// is to say: web can be frozen, cart is Argo CD's, far has an image that is not on
// the node, bare and once cannot be changed, calm has nothing to change.
func shopCluster(t *testing.T) *kubeapi.Server {
	t.Helper()
	api := kubeapi.New()
	api.Controller = rollOut
	cart, far := deployment("cart", "Always"), deployment("far", "Always")
	cart.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:default/cart"}
	far.Spec.Template.Spec.Containers[0].Image = "192.168.21.9/library/other:1"
	bare := &corev1.Pod{ObjectMeta: object("bare"), Spec: podTemplate("Always").Spec}
	set := &appsv1.ReplicaSet{ObjectMeta: object("web-1"), Spec: appsv1.ReplicaSetSpec{Selector: selector("web-1"), Template: podTemplate("Always")}}
	set.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(deployment("web"), appsv1.SchemeGroupVersion.WithKind("Deployment"))}
	made := &corev1.Pod{ObjectMeta: object("web-1-a"), Spec: podTemplate("Always").Spec}
	made.Labels["app"] = "web-1"
	made.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
	once := &batchv1.Job{ObjectMeta: object("once"), Spec: batchv1.JobSpec{Template: podTemplate("Always")}}
	for _, o := range []runtime.Object{readyNode("node1", "192.168.21.9/library/app:latest"), deployment("web", "Always", "Always", "IfNotPresent"), set, made,
		cart, far, bare, once, cronJob("report", "Always"), deployment("calm", "IfNotPresent")} {
		if err := api.Create(o, "kubectl-create"); err != nil {
			t.Fatal(err)
		}
	}
	return api
}

// shopKubeconfig gives a script a cluster of its own.
func shopKubeconfig(t *testing.T, e *testscript.Env) error {
	shop := httptest.NewServer(shopCluster(t))
	e.Defer(shop.Close)
	dir := filepath.Join(e.WorkDir, "shop")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	e.Setenv("KUBECONFIG_FILE", kubeconfigIn(dir, shop.URL))
	return nil
}

// policyLab is an operator before the cluster of shopCluster.
type policyLab struct {
	t          *testing.T
	api        *kubeapi.Server
	config     string
	interrupts chan os.Signal
}

func newPolicyLab(t *testing.T) *policyLab {
	t.Helper()
	l := &policyLab{t: t, api: shopCluster(t), interrupts: make(chan os.Signal)}
	server := httptest.NewServer(l.api)
	t.Cleanup(server.Close)
	t.Setenv("PULLWAY_STATE_DIR", filepath.Join(t.TempDir(), "state"))
	l.config = kubeconfigIn(t.TempDir(), server.URL)
	return l
}

// run runs one policy command, which has to end with that code, and gives what it
// wrote.
func (l *policyLab) run(code int, args ...string) string {
	l.t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	a := &app{streams: Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, interrupts: l.interrupts, now: time.Now, limits: limits{every: time.Millisecond}}
	got := a.main(ctx, append(append([]string{"policy"}, args...), "--kubeconfig", l.config))
	if strings.Contains(out.String()+errs.String(), "top-secret") {
		l.t.Error("the token was shown")
	}
	if got != code {
		l.t.Fatalf("policy %v: exit code %d, want %d\n%s%s", args, got, code, out.String(), errs.String())
	}
	return out.String() + errs.String()
}

func (l *policyLab) web() *appsv1.Deployment {
	return l.api.Get("deployments", "default", "web").(*appsv1.Deployment)
}

// TestPolicyIsKept: what was is in the object and in the record, and either is
// enough.
func TestPolicyIsKept(t *testing.T) {
	for name, lose := range map[string]func(*policyLab){
		"both are there":  func(*policyLab) {},
		"another machine": func(l *policyLab) { l.t.Setenv("PULLWAY_STATE_DIR", filepath.Join(l.t.TempDir(), "other")) },
		"annotation removed": func(l *policyLab) {
			l.api.Touch("deployments", "default", "web", func(o runtime.Object) { o.(*appsv1.Deployment).Annotations = nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPolicyLab(t)
			before := shape(l.web())
			l.run(0, "freeze", "default/deployment/web", "--yes")
			c := l.web().Spec.Template.Spec
			if c.Containers[0].ImagePullPolicy != "IfNotPresent" || c.InitContainers[0].ImagePullPolicy != "IfNotPresent" {
				t.Errorf("not frozen: %s", shape(l.web()))
			}
			lose(l)
			l.run(0, "restore", "--yes")
			if got := shape(l.web()); got != before {
				t.Errorf("(-before +after):\n%s", cmp.Diff(before, got))
			}
			if text := l.run(0, "restore", "--yes"); !strings.Contains(text, "Nothing to do") {
				t.Error(text)
			}
		})
	}
}

// TestPolicyAnswersAreLost: a request whose answer is lost was made once.
func TestPolicyAnswersAreLost(t *testing.T) {
	l := newPolicyLab(t)
	before := shape(l.web())
	lost := 0
	l.api.After = func(*http.Request) bool { lost++; return lost%2 == 1 }
	l.run(0, "freeze", "default/deployment/web", "--yes")
	l.run(0, "restore", "--yes")
	if got := shape(l.web()); got != before || lost < 3 {
		t.Errorf("%d answers (-before +after):\n%s", lost, cmp.Diff(before, got))
	}
}

// TestPolicyObjectChangesAllTheTime: a status that is reported between a look and a
// write is no reason to fail, nor to write over it.
func TestPolicyObjectChangesAllTheTime(t *testing.T) {
	l := newPolicyLab(t)
	touched := 0
	l.api.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		if touched++; touched%3 != 0 {
			l.api.Touch("deployments", "default", "web", func(o runtime.Object) { o.(*appsv1.Deployment).Status.Replicas = 2 })
		}
		return false
	}
	l.run(0, "freeze", "default/deployment/web", "--yes")
	l.run(0, "restore", "--yes")
	if touched < 9 {
		t.Errorf("%d requests", touched)
	}
}

// TestPolicyRolloutIsStuck: the run ends there, tells why, and the next workload is
// not touched.
func TestPolicyRolloutIsStuck(t *testing.T) {
	l := newPolicyLab(t)
	l.api.Controller = func(o runtime.Object) {
		if d, ok := o.(*appsv1.Deployment); ok {
			d.Status.ObservedGeneration, d.Status.UpdatedReplicas = d.Generation, 1
		}
	}
	p := &corev1.Pod{ObjectMeta: object("web-2-b"), Spec: podTemplate("IfNotPresent").Spec}
	p.Spec.NodeName = "node1"
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c0", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "connection refused"}}}}
	if err := l.api.Create(p, "kubelet"); err != nil {
		t.Fatal(err)
	}
	text := l.run(6, "freeze", "default/deployment/web", "default/cronjob/report", "--yes", "--timeout", "1ms")
	for _, want := range []string{"STUCK", "1 of 2 pods are new", "web-2-b on node node1: container c0: ImagePullBackOff: connection refused", "not reached: default/cronjob/report"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// TestPolicyAlwaysPullImages: where an API server is seen to have the plugin, nothing
// is begun.
func TestPolicyAlwaysPullImages(t *testing.T) {
	l := newPolicyLab(t)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-apiserver-node1", Labels: map[string]string{"component": "kube-apiserver"}}}
	p.Spec.Containers = []corev1.Container{{Name: "kube-apiserver", Command: []string{"kube-apiserver", "--enable-admission-plugins=AlwaysPullImages"}}}
	if err := l.api.Create(p, "kubelet"); err != nil {
		t.Fatal(err)
	}
	before := shape(l.web())
	text := l.run(1, "freeze", "default/deployment/web", "--yes")
	if !strings.Contains(text, "API server kube-apiserver-node1 has the admission plugin AlwaysPullImages") || shape(l.web()) != before {
		t.Error(text)
	}
}

// TestPolicyInterrupted: Ctrl-C ends the run after the workload in flight, and the
// same command goes on with the rest.
func TestPolicyInterrupted(t *testing.T) {
	l := newPolicyLab(t)
	once := sync.OnceFunc(func() {
		l.interrupts <- os.Interrupt
		l.interrupts <- syscall.SIGTERM // it is taken when the first one is dealt with
	})
	l.api.After = func(*http.Request) bool { once(); return false }
	text := l.run(6, "freeze", "default/deployment/web", "default/cronjob/report", "--yes")
	for _, want := range []string{"stopping after the workload in flight", "frozen: default/deployment/web", "not reached: default/cronjob/report", "the same command goes on"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	text = l.run(0, "freeze", "default/deployment/web", "default/cronjob/report", "--yes")
	if !strings.Contains(text, "frozen: default/cronjob/report") {
		t.Error(text)
	}
}

// TestPolicyIsForced: an admission plugin that sets Always again is told after the
// first workload, and no other is restarted for nothing.
func TestPolicyIsForced(t *testing.T) {
	l := newPolicyLab(t)
	made := l.api.Get("pods", "default", "web-1-a").(*corev1.Pod)
	made.Labels["app"] = "web"
	if err := l.api.Update(made, "controller"); err != nil {
		t.Fatal(err)
	}
	text := l.run(6, "freeze", "default/deployment/web", "default/cronjob/report", "--yes")
	for _, want := range []string{"has Always for c0, where its template says IfNotPresent", "AlwaysPullImages", "not reached: default/cronjob/report"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
