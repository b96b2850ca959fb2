package census

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullway/pullway/internal/impact"
)

// TestStates: what a pod's statuses say of it.
func TestStates(t *testing.T) {
	waiting := func(reason string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}
	}
	ended := func(code int32) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "app", ContainerID: "containerd://1", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}}
	}
	running := corev1.ContainerStatus{Name: "app", ContainerID: "containerd://1", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	cases := map[string]struct {
		phase   corev1.PodPhase
		restart corev1.RestartPolicy
		status  corev1.ContainerStatus
		want    impact.Pod
	}{
		"runs":          {corev1.PodRunning, "Always", running, impact.Pod{Held: 1}},
		"back-off":      {corev1.PodPending, "Always", waiting("ImagePullBackOff"), impact.Pod{State: impact.Pending | impact.Backoff}},
		"first failure": {corev1.PodPending, "Always", waiting("ErrImagePull"), impact.Pod{State: impact.Pending | impact.Backoff}},
		"never":         {corev1.PodPending, "Always", waiting("ErrImageNeverPull"), impact.Pod{State: impact.Pending | impact.NeverPull}},
		"bad name":      {corev1.PodPending, "Always", waiting("InvalidImageName"), impact.Pod{State: impact.Pending | impact.BadName}},
		"crashes": {corev1.PodRunning, "Always", func() corev1.ContainerStatus {
			s := waiting("CrashLoopBackOff")
			s.ContainerID = "containerd://1"
			return s
		}(), impact.Pod{State: impact.Crashing, Held: 1}},
		"is made":            {corev1.PodPending, "Always", waiting("ContainerCreating"), impact.Pod{State: impact.Pending}},
		"ended, again":       {corev1.PodRunning, "Always", ended(0), impact.Pod{Held: 1}},
		"ended, for good":    {corev1.PodRunning, "OnFailure", ended(0), impact.Pod{Held: 1, Ended: 1}},
		"failed, again":      {corev1.PodRunning, "OnFailure", ended(1), impact.Pod{Held: 1}},
		"failed, for good":   {corev1.PodRunning, "Never", ended(1), impact.Pod{Held: 1, Ended: 1}},
		"finished":           {corev1.PodSucceeded, "Never", ended(0), impact.Pod{State: impact.Finished, Held: 1, Ended: 1}},
		"of another name":    {corev1.PodRunning, "Always", corev1.ContainerStatus{Name: "x", ContainerID: "containerd://1"}, impact.Pod{}},
		"no status to speak": {"", "Always", corev1.ContainerStatus{}, impact.Pod{State: impact.Pending}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "p"}}
			p.Spec.NodeName, p.Spec.RestartPolicy = "n1", tc.restart
			p.Spec.Containers = []corev1.Container{{Name: "app", Image: "a"}}
			p.Status = corev1.PodStatus{Phase: tc.phase, ContainerStatuses: []corev1.ContainerStatus{tc.status}}
			b, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			s, err := readOne(b)
			if err != nil {
				t.Fatal(err)
			}
			got := s.c.Pods[0]
			got.Name = ""
			if got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

// TestWorkloadOf: who owns a pod.
func TestWorkloadOf(t *testing.T) {
	own := func(kind, name string) *metav1.OwnerReference {
		return &metav1.OwnerReference{Kind: kind, Name: name, Controller: new(true)}
	}
	cases := map[string]struct {
		owner       *metav1.OwnerReference
		labels      map[string]string
		annotations map[string]string
		want        string
	}{
		"a Deployment":              {own("ReplicaSet", "web-6d4c"), map[string]string{"pod-template-hash": "6d4c"}, nil, "Deployment web"},
		"a ReplicaSet of nobody":    {own("ReplicaSet", "web-6d4c"), nil, nil, "ReplicaSet web-6d4c"},
		"named after another hash":  {own("ReplicaSet", "web-6d4c"), map[string]string{"pod-template-hash": "ffff"}, nil, "ReplicaSet web-6d4c"},
		"a StatefulSet":             {own("StatefulSet", "db"), nil, nil, "StatefulSet db"},
		"a Job":                     {own("Job", "once"), nil, nil, "Job once"},
		"something else":            {own("Rollout", "r"), nil, nil, "Rollout r"},
		"nobody":                    {nil, nil, nil, "Pod p-n1"},
		"a static pod":              {own("Node", "n1"), nil, nil, "StaticPod p"},
		"a static pod by its mark":  {nil, nil, map[string]string{"kubernetes.io/config.mirror": "1"}, "StaticPod p"},
		"a reference of no control": {&metav1.OwnerReference{Kind: "ReplicaSet", Name: "x"}, nil, nil, "Pod p-n1"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p-n1", Labels: tc.labels, Annotations: tc.annotations}}
			p.Spec.NodeName = "n1"
			if tc.owner != nil {
				p.OwnerReferences = []metav1.OwnerReference{*tc.owner}
			}
			b, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			s, err := readOne(b)
			if err != nil {
				t.Fatal(err)
			}
			if o := s.c.Owners[0]; o.Kind+" "+o.Name != tc.want {
				t.Errorf("%s %s, want %s", o.Kind, o.Name, tc.want)
			}
		})
	}
}

// TestOneTemplateForAll: pods that differ in what is theirs alone have one template.
func TestOneTemplateForAll(t *testing.T) {
	s := newStore()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 100 {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("db-%d", i), Labels: map[string]string{"app": "db", "apps.kubernetes.io/pod-index": fmt.Sprint(i), "statefulset.kubernetes.io/pod-name": fmt.Sprintf("db-%d", i)}}}
		p.Spec.NodeName = fmt.Sprintf("n%d", r.IntN(9))
		p.Spec.Hostname = p.Name
		p.Spec.Containers = []corev1.Container{{Name: "db", Image: "db:1", VolumeMounts: []corev1.VolumeMount{{Name: fmt.Sprintf("kube-api-access-%d", i)}}}}
		p.Spec.Volumes = []corev1.Volume{{Name: fmt.Sprintf("kube-api-access-%d", i)}}
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.addPod(b); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.c.Templates) != 1 || len(s.c.Placements) != 1 {
		t.Errorf("%d templates, %d placements", len(s.c.Templates), len(s.c.Placements))
	}
}

// TestAlwaysPullImages is seen in the arguments of a static API server only.
func TestAlwaysPullImages(t *testing.T) {
	for namespace, want := range map[string]string{"kube-system": "kube-apiserver-cp1", "default": ""} {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "kube-apiserver-cp1", Annotations: map[string]string{"kubernetes.io/config.mirror": "1"}}}
		p.Spec.Containers = []corev1.Container{{Name: "kube-apiserver", Command: []string{"kube-apiserver", "--enable-admission-plugins=NodeRestriction,AlwaysPullImages"}}}
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		s, err := readOne(b)
		if err != nil || s.c.AlwaysPull != want {
			t.Errorf("%s: %q, %v", namespace, s.c.AlwaysPull, err)
		}
	}
}

// TestNothingIsKeptOfAPage: what a store keeps is its own, for a page's memory is
// used again.
func TestNothingIsKeptOfAPage(t *testing.T) {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "web", Labels: map[string]string{"app": "web"}}}
	p.Spec.NodeName, p.Spec.Containers = "n1", []corev1.Container{{Name: "app", Image: "nginx"}}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s, err := readOne(b)
	if err != nil {
		t.Fatal(err)
	}
	copy(b, bytes.Repeat([]byte("!"), len(b)))
	if text := fmt.Sprintf("%+v %+v %+v %v", s.c.Templates, s.c.Owners, s.c.Pods, s.nodeNames); strings.Contains(text, "!") {
		t.Error(text)
	}
}
