package pullpolicy

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestRollout(t *testing.T) {
	three := int32(3)
	partition := func(n int32, status appsv1.StatefulSetStatus) Workload {
		return must(&appsv1.StatefulSet{ObjectMeta: meta("db"), Status: status, Spec: appsv1.StatefulSetSpec{Replicas: &three, Template: template(always),
			UpdateStrategy: appsv1.StatefulSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &n}}}})
	}
	half := intstr.FromString("50%")
	daemon := func(s appsv1.DaemonSetUpdateStrategy, status appsv1.DaemonSetStatus) Workload {
		return must(&appsv1.DaemonSet{ObjectMeta: meta("agent"), Status: status, Spec: appsv1.DaemonSetSpec{UpdateStrategy: s, Template: template(always)}})
	}
	for name, tc := range map[string]struct {
		w        Workload
		restarts bool
		down     int
		waiting  string
		note     string
	}{
		"a deployment at rest": {w: deployment(nil, always), restarts: true, down: 1},
		"not seen yet":         {w: deployment(func(d *appsv1.Deployment) { d.Generation = 2 }, always), restarts: true, down: 1, waiting: "not seen"},
		"some are new":         {w: deployment(func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 1 }, always), restarts: true, down: 1, waiting: "1 of 3 pods are new"},
		"old ones end":         {w: deployment(func(d *appsv1.Deployment) { d.Status.Replicas = 4 }, always), restarts: true, down: 1, waiting: "1 old pods"},
		"no replicas": {w: deployment(func(d *appsv1.Deployment) {
			*d.Spec.Replicas = 0
			d.Status = appsv1.DeploymentStatus{ObservedGeneration: 1}
		}, always), down: 1},
		"a stateful set":        {w: partition(0, appsv1.StatefulSetStatus{ObservedGeneration: 1, ReadyReplicas: 3, UpdatedReplicas: 3, CurrentRevision: "a", UpdateRevision: "a"}), restarts: true, down: 1},
		"one of it is new":      {w: partition(0, appsv1.StatefulSetStatus{ObservedGeneration: 1, ReadyReplicas: 3, UpdatedReplicas: 1, CurrentRevision: "a", UpdateRevision: "b"}), restarts: true, down: 1, waiting: "1 of 3"},
		"one of it is away":     {w: partition(0, appsv1.StatefulSetStatus{ObservedGeneration: 1, ReadyReplicas: 2}), restarts: true, down: 1, waiting: "2 of 3 pods are ready"},
		"a partition, through":  {w: partition(2, appsv1.StatefulSetStatus{ObservedGeneration: 1, ReadyReplicas: 3, UpdatedReplicas: 1, CurrentRevision: "a", UpdateRevision: "b"}), restarts: true, down: 1, note: "partition is 2"},
		"a partition above all": {w: partition(9, appsv1.StatefulSetStatus{ObservedGeneration: 1, ReadyReplicas: 3, CurrentRevision: "a", UpdateRevision: "b"}), down: 1, note: "partition is 9"},
		"a daemon set": {w: daemon(appsv1.DaemonSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &half}},
			appsv1.DaemonSetStatus{ObservedGeneration: 1, DesiredNumberScheduled: 5, UpdatedNumberScheduled: 5, NumberAvailable: 5}), restarts: true, down: 3},
		"a daemon that adds first": {w: daemon(appsv1.DaemonSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxSurge: &half}},
			appsv1.DaemonSetStatus{ObservedGeneration: 1, DesiredNumberScheduled: 5, UpdatedNumberScheduled: 5, NumberAvailable: 4}), restarts: true, waiting: "4 of 5 pods are available"},
		"one daemon is new": {w: daemon(appsv1.DaemonSetUpdateStrategy{}, appsv1.DaemonSetStatus{ObservedGeneration: 1, DesiredNumberScheduled: 5, UpdatedNumberScheduled: 1, NumberAvailable: 5}), restarts: true, down: 1, waiting: "1 of 5 pods are new"},
		"by hand": {w: daemon(appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType},
			appsv1.DaemonSetStatus{ObservedGeneration: 1, DesiredNumberScheduled: 5, NumberAvailable: 5}), down: 1, note: "OnDelete"},
	} {
		r := tc.w.Rollout
		if r.Restarts != tc.restarts || r.Down != tc.down || (r.Waiting == "") != (tc.waiting == "") || !strings.Contains(r.Waiting, tc.waiting) || !strings.Contains(r.Note, tc.note) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestMissing(t *testing.T) {
	const app = "192.168.21.9/library/app:latest"
	node := func(name string, f func(*corev1.Node)) corev1.Node {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"disk": "ssd"}}}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		if f != nil {
			f(&n)
		}
		return n
	}
	has := func(images ...string) func(*corev1.Node) {
		return func(n *corev1.Node) { n.Status.Images = []corev1.ContainerImage{{Names: images}} }
	}
	taint := func(key string, effect corev1.TaintEffect) func(*corev1.Node) {
		return func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: key, Effect: effect}} }
	}
	with := func(f func(*corev1.PodSpec)) Workload {
		return deployment(func(d *appsv1.Deployment) { f(&d.Spec.Template.Spec) }, always)
	}
	affinity := func(op corev1.NodeSelectorOperator, values ...string) Workload {
		return with(func(s *corev1.PodSpec) {
			s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "disk", Operator: op, Values: values}}}}}}}
		})
	}
	plain, daemon := deployment(nil, always), must(&appsv1.DaemonSet{ObjectMeta: meta("x"), Spec: appsv1.DaemonSetSpec{Template: template(always)}})
	running := corev1.Pod{Spec: template(always).Spec, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "c0", ImageID: "sha256:1"}}}}
	running.Spec.NodeName = "n"
	for name, tc := range map[string]struct {
		w    Workload
		node corev1.Node
		pods []corev1.Pod
		want string
	}{
		"it has it":                      {w: plain, node: node("n", has(app))},
		"by another spelling":            {w: with(func(s *corev1.PodSpec) { s.Containers[0].Image = "nginx" }), node: node("n", has("docker.io/library/nginx:latest"))},
		"it has another":                 {w: plain, node: node("n", has("192.168.21.9/library/app:1")), want: "192.168.21.9/library/app not on n"},
		"a pod of it runs there":         {w: plain, node: node("n", nil), pods: []corev1.Pod{running}},
		"it tells of 50 only":            {w: plain, node: node("n", func(n *corev1.Node) { n.Status.Images = make([]corev1.ContainerImage, 50) }), want: "perhaps not on n"},
		"it is not Ready":                {w: plain, node: node("n", func(n *corev1.Node) { n.Status.Conditions = nil })},
		"it is cordoned":                 {w: plain, node: node("n", func(n *corev1.Node) { n.Spec.Unschedulable = true })},
		"cordoned, for a daemon":         {w: daemon, node: node("n", func(n *corev1.Node) { n.Spec.Unschedulable = true }), want: "not on n"},
		"a selector that it has":         {w: with(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"disk": "ssd"} }), node: node("n", nil), want: "not on n"},
		"a selector of others":           {w: with(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"disk": "hdd"} }), node: node("n", nil)},
		"another node by name":           {w: with(func(s *corev1.PodSpec) { s.NodeName = "m" }), node: node("n", nil)},
		"a taint":                        {w: plain, node: node("n", taint("gpu", corev1.TaintEffectNoSchedule))},
		"a taint that it rather has not": {w: plain, node: node("n", taint("gpu", corev1.TaintEffectPreferNoSchedule)), want: "not on n"},
		"a taint that it bears":          {w: with(func(s *corev1.PodSpec) { s.Tolerations = []corev1.Toleration{{Key: "gpu", Operator: "Exists"}} }), node: node("n", taint("gpu", "NoSchedule")), want: "not on n"},
		"any taint that it bears":        {w: with(func(s *corev1.PodSpec) { s.Tolerations = []corev1.Toleration{{Operator: "Exists"}} }), node: node("n", taint("gpu", "NoExecute")), want: "not on n"},
		"another value":                  {w: with(func(s *corev1.PodSpec) { s.Tolerations = []corev1.Toleration{{Key: "gpu", Value: "a"}} }), node: node("n", taint("gpu", "NoSchedule"))},
		"a taint of the node's state":    {w: daemon, node: node("n", taint("node.kubernetes.io/unschedulable", "NoSchedule")), want: "not on n"},
		"affinity":                       {w: affinity("In", "ssd"), node: node("n", nil), want: "not on n"},
		"affinity to others":             {w: affinity("NotIn", "ssd"), node: node("n", nil)},
	} {
		got := images(Missing(tc.w, tc.w.Containers, []corev1.Node{tc.node}, tc.pods))
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
