package pullpolicy

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func template(policies ...corev1.PullPolicy) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}}
	for i, p := range policies {
		t.Spec.Containers = append(t.Spec.Containers, corev1.Container{Name: fmt.Sprintf("c%d", i), Image: "192.168.21.9/library/app", ImagePullPolicy: p})
	}
	return t
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "default", Name: name, UID: "uid-1", ResourceVersion: "7", Generation: 1}
}

// deployment of three available pods.
func deployment(change func(*appsv1.Deployment), policies ...corev1.PullPolicy) Workload {
	n := int32(3)
	d := &appsv1.Deployment{ObjectMeta: meta("web"), Spec: appsv1.DeploymentSpec{Replicas: &n, Template: template(policies...)},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 3}}
	d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{}
	if change != nil {
		change(d)
	}
	return must(d)
}

func must(o runtime.Object) Workload {
	w, ok := From(o)
	if !ok {
		panic("no workload")
	}
	return w
}

func TestParseRef(t *testing.T) {
	for in, want := range map[string]string{
		"default/deployment/web": "default/deployment/web", "default/Deploy/web": "default/deployment/web", "a/sts/db": "a/statefulset/db",
		"a/ds/x": "a/daemonset/x", "a/cj/x": "a/cronjob/x", "a/rs/x": "a/replicaset/x", "a/job/x": "a/job/x", "a/po/x.y": "a/pod/x.y",
		"web": "", "a/web": "", "a/b/c/d": "", "a//web": "", "/deploy/web": "", "a/service/x": "", "a/deploy/../x": "", "a/deploy/W": "", "a/deploy/..": "", "a/deploy/%2e": "",
	} {
		r, err := ParseRef(in)
		if (err == nil) != (want != "") || err == nil && r.String() != want {
			t.Errorf("%q: %v, %v; want %q", in, r, err, want)
		}
	}
}

// FuzzParseRef: what a person types for a workload is a path of three plain names
// or nothing.
func FuzzParseRef(f *testing.F) {
	f.Add("default/deployment/web")
	f.Add("../../x")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		again, err := ParseRef(r.String())
		if err != nil || again != r || r.Name == ".." || r.Namespace == "." {
			t.Errorf("%q: %v, then %v, %v", s, r, again, err)
		}
	})
}

func TestFrom(t *testing.T) {
	for _, tc := range []struct {
		object runtime.Object
		kind   Kind
		path   string
	}{
		{&appsv1.StatefulSet{ObjectMeta: meta("x"), Spec: appsv1.StatefulSetSpec{Template: template("Always")}}, StatefulSet, "spec.template.spec.containers[name=c0].imagePullPolicy"},
		{&appsv1.DaemonSet{ObjectMeta: meta("x"), Spec: appsv1.DaemonSetSpec{Template: template("Always")}}, DaemonSet, "spec.template.spec.containers[name=c0].imagePullPolicy"},
		{&appsv1.ReplicaSet{ObjectMeta: meta("x"), Spec: appsv1.ReplicaSetSpec{Template: template("Always")}}, ReplicaSet, "spec.template.spec.containers[name=c0].imagePullPolicy"},
		{&batchv1.CronJob{ObjectMeta: meta("x"), Spec: batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: template("Always")}}}}, CronJob,
			"spec.jobTemplate.spec.template.spec.containers[name=c0].imagePullPolicy"},
		{&batchv1.Job{ObjectMeta: meta("x"), Spec: batchv1.JobSpec{Template: template("Always")}}, Job, "spec.template.spec.containers[name=c0].imagePullPolicy"},
		{&corev1.Pod{ObjectMeta: meta("x"), Spec: template("Always").Spec}, Pod, "spec.containers[name=c0].imagePullPolicy"},
	} {
		w := must(tc.object)
		if w.Kind != tc.kind || len(w.Containers) != 1 || w.place(w.Containers[0]) != tc.path {
			t.Errorf("%s: %+v", tc.kind, w)
		}
	}
	if _, ok := From(&corev1.Node{}); ok {
		t.Error("a node is a workload")
	}
}
