package census

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/randfill"

	"github.com/pullway/pullway/internal/impact"
)

// The oracle of these tests is the decoder of k8s.io/api: what our reader makes of a
// message has to be what can be read of the object that it decodes.

// templateOf is what store.template shall make of a pod.
func templateOf(m *metav1.ObjectMeta, p *corev1.PodSpec) impact.Template {
	t := impact.Template{RestartPolicy: string(p.RestartPolicy), ServiceAccount: p.ServiceAccountName, PriorityClass: p.PriorityClassName, Labels: labelsOf(m.Labels, perPod)}
	if p.Priority != nil {
		t.Priority = *p.Priority
	}
	for _, s := range p.ImagePullSecrets {
		t.PullSecrets = append(t.PullSecrets, s.Name)
	}
	t.Containers = containersOf(p)
	return t
}

// containersOf are the containers of a pod in a fixed order, which is not the wire's.
func containersOf(p *corev1.PodSpec) (all []impact.Container) {
	for _, c := range p.Containers {
		all = append(all, impact.Container{Name: c.Name, Image: c.Image, Policy: string(c.ImagePullPolicy)})
	}
	for _, c := range p.InitContainers {
		kind := impact.Init
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			kind = impact.Sidecar
		}
		all = append(all, impact.Container{Name: c.Name, Image: c.Image, Policy: string(c.ImagePullPolicy), Kind: kind})
	}
	for _, c := range p.EphemeralContainers {
		all = append(all, impact.Container{Name: c.Name, Image: c.Image, Policy: string(c.ImagePullPolicy), Kind: impact.Ephemeral})
	}
	for _, v := range p.Volumes {
		if v.Image != nil {
			all = append(all, impact.Container{Name: v.Name, Image: v.Image.Reference, Policy: string(v.Image.PullPolicy), Kind: impact.Volume})
		}
	}
	return all
}

func labelsOf(m map[string]string, without map[string]bool) impact.Labels {
	kept := map[string]string{}
	for k, v := range m {
		if !without[k] {
			kept[k] = v
		}
	}
	return impact.NewLabels(kept)
}

func placementOf(p *corev1.PodSpec) impact.Placement {
	out := impact.Placement{NodeSelector: labelsOf(p.NodeSelector, nil)}
	requirements := func(all []corev1.NodeSelectorRequirement) (out []impact.Requirement) {
		for _, r := range all {
			out = append(out, impact.Requirement{Key: r.Key, Operator: string(r.Operator), Values: r.Values})
		}
		return out
	}
	if a := p.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		for _, t := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			out.Terms = append(out.Terms, impact.Term{Labels: requirements(t.MatchExpressions), Fields: requirements(t.MatchFields)})
		}
	}
	for _, t := range p.Tolerations {
		out.Tolerations = append(out.Tolerations, impact.Toleration{Key: t.Key, Operator: string(t.Operator), Value: t.Value, Effect: string(t.Effect)})
	}
	return out
}

// readOne reads one pod by our reader.
func readOne(b []byte) (*store, error) {
	s := newStore()
	return s, s.addPod(b)
}

// compare checks what our reader made of a pod against the object.
func compare(s *store, p *corev1.Pod) error {
	pod, t := s.c.Pods[0], s.c.Templates[0]
	byKind := func(a, b impact.Container) int { return order(a.Kind) - order(b.Kind) }
	slices.SortStableFunc(t.Containers, byKind)
	want := templateOf(&p.ObjectMeta, &p.Spec)
	slices.SortStableFunc(want.Containers, byKind)
	want.Placement = t.Placement
	if d := cmp.Diff(want, t, equateEmpty); d != "" {
		return fmt.Errorf("template: %s", d)
	}
	if d := cmp.Diff(placementOf(&p.Spec), s.c.Placements[t.Placement], equateEmpty); d != "" {
		return fmt.Errorf("placement: %s", d)
	}
	if (pod.State&impact.Leaving != 0) != (p.DeletionTimestamp != nil) || (pod.State&impact.Finished != 0) != (p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed") {
		return fmt.Errorf("state %b of %+v", pod.State, p.Status)
	}
	if (pod.Node >= 0) != (p.Spec.NodeName != "") || pod.Node >= 0 && s.nodeNames[pod.Node] != p.Spec.NodeName {
		return fmt.Errorf("node %d, want %q", pod.Node, p.Spec.NodeName)
	}
	if s.c.Owners[0].Namespace != p.Namespace {
		return fmt.Errorf("namespace %q, want %q", s.c.Owners[0].Namespace, p.Namespace)
	}
	return nil
}

func order(k impact.ContainerKind) int {
	if k == impact.Sidecar {
		return int(impact.Init)
	}
	return int(k)
}

// equateEmpty takes nil and empty lists for the same.
var equateEmpty = cmp.FilterValues(func(x, y any) bool {
	a, b := reflect.ValueOf(x), reflect.ValueOf(y)
	return a.IsValid() && b.IsValid() && a.Type() == b.Type() && a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0
}, cmp.Comparer(func(_, _ any) bool { return true }))

func filler(seed uint64) *randfill.Filler {
	return randfill.NewWithSeed(int64(seed)).NilChance(0.4).NumElements(0, 3).MaxDepth(12).Funcs(func(t *metav1.Time, _ randfill.Continue) { *t = metav1.Unix(1700000000, 0) })
}

// TestPodsAsTheyAreDecoded fills pods with everything that a pod can have.
func TestPodsAsTheyAreDecoded(t *testing.T) {
	for seed := range uint64(300) {
		var p corev1.Pod
		filler(seed).Fill(&p)
		b, err := p.Marshal()
		if err != nil {
			continue // a filling that cannot be written
		}
		s, err := readOne(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := compare(s, &p); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func TestNodesAsTheyAreDecoded(t *testing.T) {
	for seed := range uint64(200) {
		var n corev1.Node
		filler(seed).Fill(&n)
		b, err := n.Marshal()
		if err != nil {
			continue
		}
		s := newStore()
		if err := s.addNode(b); err != nil {
			t.Fatal(err)
		}
		got := s.c.Nodes[0]
		want := impact.Node{Name: n.Name, Hostname: n.Labels[corev1.LabelHostname], Labels: labelsOf(n.Labels, nil), Cordoned: n.Spec.Unschedulable,
			Kubelet: n.Status.NodeInfo.KubeletVersion, Runtime: n.Status.NodeInfo.ContainerRuntimeVersion}
		for _, x := range n.Spec.Taints {
			want.Taints = append(want.Taints, impact.Taint{Key: x.Key, Value: x.Value, Effect: string(x.Effect)})
		}
		for _, im := range n.Status.Images {
			for _, name := range im.Names {
				want.Images.Sums = append(want.Images.Sums, impact.SumOf([]byte(name)))
			}
		}
		slices.Sort(want.Images.Sums)
		want.Images.Sums = slices.Compact(want.Images.Sums)
		want.Images.Complete = len(n.Status.Images) > 0 && len(n.Status.Images) != impact.StatusCap
		if d := cmp.Diff(want, got, equateEmpty); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
	}
}

// TestOwnersAsTheyAreDecoded: numbers, schedules, selectors and targets.
func TestOwnersAsTheyAreDecoded(t *testing.T) {
	type message interface{ Marshal() ([]byte, error) }
	read := func(add func([]byte) error, m message) bool {
		b, err := m.Marshal()
		if err != nil {
			return false
		}
		if err := add(b); err != nil {
			t.Fatal(err)
		}
		return true
	}
	for seed := range uint64(200) {
		s := newStore()
		var d appsv1.Deployment
		filler(seed).Fill(&d)
		want := int32(1)
		if d.Spec.Replicas != nil {
			want = *d.Spec.Replicas
		}
		if read(s.replicated("Deployment", 7, 3), &d) {
			got := s.details[string(ownerKey(nil, []byte(d.Namespace), "Deployment", []byte(d.Name)))]
			if got.replicas != want || got.ready != d.Status.ReadyReplicas {
				t.Fatalf("seed %d: %+v of %+v", seed, got, d.Spec.Replicas)
			}
		}
		var c batchv1.CronJob
		filler(seed).Fill(&c)
		if read(s.cronJob, &c) {
			o := s.c.Owners[0]
			zone := ""
			if c.Spec.TimeZone != nil {
				zone = *c.Spec.TimeZone
			}
			if o.Schedule != c.Spec.Schedule || o.Zone != zone || o.Suspended != (c.Spec.Suspend != nil && *c.Spec.Suspend) {
				t.Fatalf("seed %d: %+v", seed, o)
			}
			if want := containersOf(&c.Spec.JobTemplate.Spec.Template.Spec); len(s.c.Templates[o.Template].Containers) != len(want) {
				t.Fatalf("seed %d: %d containers of %d", seed, len(s.c.Templates[o.Template].Containers), len(want))
			}
		}
		var h autoscalingv2.HorizontalPodAutoscaler
		filler(seed).Fill(&h)
		if read(s.scaler, &h) {
			want := impact.Scaler{Namespace: h.Namespace, Name: h.Name, Kind: h.Spec.ScaleTargetRef.Kind, Target: h.Spec.ScaleTargetRef.Name, Max: h.Spec.MaxReplicas, Current: h.Status.CurrentReplicas, Desired: h.Status.DesiredReplicas}
			if s.c.Scalers[0] != want {
				t.Fatalf("seed %d: %+v, want %+v", seed, s.c.Scalers[0], want)
			}
		}
		var b policyv1.PodDisruptionBudget
		filler(seed).Fill(&b)
		if read(s.budget, &b) {
			got := s.c.Budgets[0]
			allowed := b.Status.DisruptionsAllowed
			if b.Status.ObservedGeneration < b.Generation {
				allowed = 0
			}
			if got.Allowed != allowed || got.Selector.None != (b.Spec.Selector == nil) || b.Spec.Selector != nil && len(got.Selector.Expressions) != len(b.Spec.Selector.MatchExpressions) {
				t.Fatalf("seed %d: %+v of %+v", seed, got, b)
			}
		}
	}
}

// FuzzPod gives the reader anything, with k8s.io/api's decoder as the oracle: where
// that one reads a pod, ours reads the same.
func FuzzPod(f *testing.F) {
	for seed := range uint64(20) {
		var p corev1.Pod
		filler(seed).Fill(&p)
		if b, err := p.Marshal(); err == nil {
			f.Add(b)
		}
	}
	f.Add([]byte{0x0a, 0x80, 0x80, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = readOne(b) // whatever it is, it ends
		var p corev1.Pod
		if p.Unmarshal(b) != nil {
			return
		}
		clean, err := p.Marshal()
		if err != nil {
			return
		}
		s, err := readOne(clean)
		if err != nil {
			t.Fatal(err)
		}
		if err := compare(s, &p); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzList gives the list reader anything: it ends, and never reads beyond.
func FuzzList(f *testing.F) {
	l := corev1.PodList{ListMeta: metav1.ListMeta{Continue: "next"}, Items: []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}}
	b, err := l.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(append([]byte("k8s\x00"), b...))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, _ = unwrap(b)
		token, err := tokenOf(b)
		if err != nil {
			return
		}
		n := 0
		if err := itemsOf(b, func([]byte) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		var l corev1.PodList
		if l.Unmarshal(b) == nil && (l.Continue != token || len(l.Items) != n) {
			t.Errorf("token %q, want %q; %d items, want %d", token, l.Continue, n, len(l.Items))
		}
	})
}

// BenchmarkPod compares our reader with the decoder of k8s.io/api on one pod of 3 kB.
func BenchmarkPod(b *testing.B) {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "web-6d4c-x7k2p", Labels: map[string]string{"app": "web", "pod-template-hash": "6d4c"},
		OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web-6d4c", Controller: new(true)}},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(strings.Repeat("x", 1500))}}}}
	p.Spec.NodeName = "n1"
	for _, name := range []string{"app", "sidecar"} {
		c := corev1.Container{Name: name, Image: "registry.example.com/" + name + ":1", ImagePullPolicy: "IfNotPresent"}
		for i := range 10 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("VARIABLE_%d", i), Value: "some value of it"})
		}
		p.Spec.Containers = append(p.Spec.Containers, c)
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: name, ContainerID: "containerd://1", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
	}
	wire, err := p.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("fields", func(b *testing.B) {
		s := newStore()
		b.ReportAllocs()
		for b.Loop() {
			s.c.Pods = s.c.Pods[:0]
			if err := s.addPod(wire); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("object", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var p corev1.Pod
			if err := p.Unmarshal(wire); err != nil {
				b.Fatal(err)
			}
		}
	})
}
