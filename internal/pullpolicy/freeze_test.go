package pullpolicy

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const always, ifNotPresent, never = corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever

func ownedBy(kind, name string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: "x/v1", Kind: kind, Name: name, Controller: &yes}}
}

// applies is a managedFields entry of a server-side apply of c0's policy.
func applies(manager string, op metav1.ManagedFieldsOperationType) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: op, APIVersion: "apps/v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(
		`{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c0\"}":{".":{},"f:imagePullPolicy":{},"f:name":{}}}}}}}`)}
}

func TestFreeze(t *testing.T) {
	with := func(f func(*appsv1.Deployment)) Workload { return deployment(f, always) }
	marked := func(key, value string) Workload {
		return with(func(d *appsv1.Deployment) { d.Annotations = map[string]string{key: value} })
	}
	pod := func(f func(*corev1.Pod)) Workload {
		p := &corev1.Pod{ObjectMeta: meta("x"), Spec: template(always).Spec}
		f(p)
		return must(p)
	}
	for name, tc := range map[string]struct {
		w        Workload
		force    bool
		action   Action
		says     string // in reason, hint or a note
		restarts int
	}{
		"Always":            {w: deployment(nil, always, ifNotPresent), action: Change, restarts: 3},
		"nothing to do":     {w: deployment(nil, ifNotPresent, never), action: Nothing, says: "no container has Always"},
		"an operator's":     {w: with(func(d *appsv1.Deployment) { d.OwnerReferences = ownedBy("Tenant", "shop") }), action: Refuse, says: `Tenant "shop" owns it`},
		"a mere reference":  {w: with(func(d *appsv1.Deployment) { d.OwnerReferences = []metav1.OwnerReference{{Kind: "App", Name: "shop"}} }), action: Change, restarts: 3},
		"Argo CD":           {w: marked("argocd.argoproj.io/tracking-id", "shop:apps/Deployment:default/web"), action: Refuse, says: `Argo CD application "shop"`},
		"Argo CD, by label": {w: with(func(d *appsv1.Deployment) { d.Labels = map[string]string{"argocd.argoproj.io/instance": "shop"} }), action: Refuse, says: `Argo CD application "shop"`},
		"Flux":              {w: with(func(d *appsv1.Deployment) { d.Labels = map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps"} }), action: Refuse, says: `Flux Kustomization "apps"`},
		"Flux's Helm": {w: with(func(d *appsv1.Deployment) {
			d.Labels = map[string]string{"helm.toolkit.fluxcd.io/name": "web", "app.kubernetes.io/managed-by": "Helm"}
		}), action: Refuse, says: "spec.values of the HelmRelease"},
		"Helm":                      {w: marked("meta.helm.sh/release-name", "web"), action: Refuse, says: "helm upgrade: spec.template.spec.containers[name=c0].imagePullPolicy to IfNotPresent"},
		"a label that says nothing": {w: with(func(d *appsv1.Deployment) { d.Labels = map[string]string{"app.kubernetes.io/managed-by": "people"} }), action: Change, restarts: 3},
		"a manager without a mark": {w: with(func(d *appsv1.Deployment) {
			d.ManagedFields = []metav1.ManagedFieldsEntry{applies("helm", metav1.ManagedFieldsOperationUpdate)}
		}), action: Refuse, says: "field manager helm"},
		"a program's apply": {w: with(func(d *appsv1.Deployment) {
			d.ManagedFields = []metav1.ManagedFieldsEntry{applies("tenant-operator", metav1.ManagedFieldsOperationApply)}
		}), action: Refuse, says: `"tenant-operator" applies this policy`},
		"a person's apply": {w: with(func(d *appsv1.Deployment) {
			d.ManagedFields = []metav1.ManagedFieldsEntry{applies("kubectl", metav1.ManagedFieldsOperationApply)}
		}), action: Change, says: "will report a conflict", restarts: 3},
		"a person's old apply": {w: marked(corev1.LastAppliedConfigAnnotation, "{}"), action: Change, says: "kubectl apply of a manifest that says Always undoes the freeze", restarts: 3},
		"a bare pod":           {w: pod(func(*corev1.Pod) {}), action: Refuse, says: "a bare pod"},
		"a static pod":         {w: pod(func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }), action: Refuse, says: "a static pod"},
		"a node's pod":         {w: pod(func(p *corev1.Pod) { p.OwnerReferences = ownedBy("Node", "n1") }), action: Refuse, says: "a static pod"},
		"an ephemeral container": {w: must(&corev1.Pod{ObjectMeta: meta("x"), Spec: corev1.PodSpec{EphemeralContainers: []corev1.EphemeralContainer{
			{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", ImagePullPolicy: always}}}}}), action: Refuse, says: "a bare pod"},
		"a job":        {w: must(&batchv1.Job{ObjectMeta: meta("x"), Spec: batchv1.JobSpec{Template: template(always)}}), action: Refuse, says: "pod template of a job"},
		"a cron job":   {w: must(&batchv1.CronJob{ObjectMeta: meta("x"), Spec: batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: template(always)}}}}), action: Change, says: "its next job"},
		"a replicaset": {w: must(&appsv1.ReplicaSet{ObjectMeta: meta("x"), Spec: appsv1.ReplicaSetSpec{Template: template(always)}}), action: Change, says: "its pods keep Always"},
		"paused":       {w: with(func(d *appsv1.Deployment) { d.Spec.Paused = true }), force: true, action: Refuse, says: "rollout resume -n default deployment web"},
		"not well":     {w: with(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 1 }), action: Refuse, says: "1 of 3 pods are available"},
		"not well, forced": {w: with(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 1 }), force: true, action: Change,
			says: "it is not well now", restarts: 3},
		"a failed rollout": {w: with(func(d *appsv1.Deployment) {
			d.Status.UpdatedReplicas = 1
			d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Reason: "ProgressDeadlineExceeded"}}
		}), force: true, action: Refuse, says: "its last rollout failed"},
		"Recreate":              {w: with(func(d *appsv1.Deployment) { d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType }), action: Change, says: "all its pods are away at once", restarts: 3},
		"somebody's annotation": {w: marked(NoteKey, "x"), action: Refuse, says: "kubectl annotate -n default deployment web pullway.dev/pull-policy-"},
	} {
		d := Freeze(tc.w, tc.force)
		text := strings.Join(append(d.Notes, d.Reason, d.Hint), "\n")
		if d.Action != tc.action || !strings.Contains(text, tc.says) || d.Restarts != tc.restarts {
			t.Errorf("%s: %+v, want %s that says %q", name, d, tc.action, tc.says)
		}
		if d.Action == Change && len(d.Containers) != 1 {
			t.Errorf("%s: containers %+v", name, d.Containers)
		}
	}
}

func TestHeld(t *testing.T) {
	web := labels.SelectorFromSet(labels.Set{"app": "web"})
	one, none := intstr.FromInt32(1), intstr.FromString("0%")
	rolling := func(down, surge *intstr.IntOrString) Workload {
		return deployment(func(d *appsv1.Deployment) {
			d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxUnavailable: down, MaxSurge: surge}
		}, always)
	}
	recreate := deployment(func(d *appsv1.Deployment) { d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType }, always)
	for name, tc := range map[string]struct {
		w      Workload
		budget Budget
		want   string
	}{
		"it allows one":             {rolling(&one, nil), Budget{"default", "b", web, 1}, ""},
		"it allows none":            {rolling(&one, nil), Budget{"default", "b", web, 0}, "PodDisruptionBudget default/b allows no disruption now, and the rollout takes up to 1 away"},
		"the rollout adds first":    {rolling(&none, &one), Budget{"default", "b", web, 0}, ""},
		"nonsense of both":          {rolling(&none, &none), Budget{"default", "b", web, 0}, "up to 1"},
		"all at once":               {recreate, Budget{"default", "b", web, 2}, "2 disruptions now, and the rollout takes up to 3"},
		"of another namespace":      {rolling(&one, nil), Budget{"other", "b", web, 0}, ""},
		"of other pods":             {rolling(&one, nil), Budget{"default", "b", labels.SelectorFromSet(labels.Set{"app": "db"}), 0}, ""},
		"of pods that nobody moves": {must(&appsv1.ReplicaSet{ObjectMeta: meta("x"), Spec: appsv1.ReplicaSetSpec{Template: template(always)}}), Budget{"default", "b", web, 0}, ""},
	} {
		if got := Held(tc.w, []Budget{tc.budget}); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestForced(t *testing.T) {
	pod := func(policy corev1.PullPolicy) []corev1.Pod {
		p := corev1.Pod{ObjectMeta: meta("web-1"), Spec: template(policy).Spec}
		p.OwnerReferences = ownedBy("ReplicaSet", "web-1")
		return []corev1.Pod{p}
	}
	busy := deployment(func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 1 }, ifNotPresent)
	for name, tc := range map[string]struct {
		w      Workload
		pods   []corev1.Pod
		forced bool
	}{
		"as written":           {deployment(nil, ifNotPresent), pod(ifNotPresent), false},
		"made Always":          {deployment(nil, ifNotPresent), pod(always), true},
		"wanted Always":        {deployment(nil, always), pod(always), false},
		"pods of the old form": {busy, pod(always), false},
		"no pods":              {deployment(nil, ifNotPresent), nil, false},
	} {
		if got := Forced(tc.w, tc.pods); (got != "") != tc.forced {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestAlwaysPulls(t *testing.T) {
	server := func(args ...string) []corev1.Pod {
		return []corev1.Pod{{ObjectMeta: meta("kube-apiserver-cp1"), Spec: corev1.PodSpec{Containers: []corev1.Container{{Command: args}}}}}
	}
	for name, tc := range map[string]struct {
		pods []corev1.Pod
		want bool
	}{
		"on":            {server("kube-apiserver", "--enable-admission-plugins=NodeRestriction,AlwaysPullImages"), true},
		"off":           {server("kube-apiserver", "--enable-admission-plugins=NodeRestriction"), false},
		"switched off":  {server("kube-apiserver", "--disable-admission-plugins=AlwaysPullImages"), false},
		"no API server": {nil, false},
	} {
		if got := AlwaysPulls(tc.pods) != ""; got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRecheck(t *testing.T) {
	for want, versions := range map[bool][]string{false: {"v1.34.9", "", "nonsense"}, true: {"v1.34.9", "v1.35.0"}} {
		if got := Recheck(versions) != ""; got != want {
			t.Errorf("%v: %v", versions, got)
		}
	}
	if Recheck([]string{"v2.0.1"}) == "" {
		t.Error("v2.0.1")
	}
}

func TestAtRisk(t *testing.T) {
	refs, others, err := AtRisk([]byte(`{"schema":"pullway.dev/assess/v1","workloads":[
 {"namespace":"a","kind":"Deployment","name":"hurt","verdict":"fails-if-restarted","images":[{"policy":"Always","verdict":"fails-if-restarted"}]},
 {"namespace":"a","kind":"StaticPod","name":"file","verdict":"fails-now","images":[{"policy":"Always","verdict":"fails-now"}]},
 {"namespace":"a","kind":"CloneSet","name":"odd","verdict":"fails-now","images":[{"policy":"Always","verdict":"fails-now"}]},
 {"namespace":"a","kind":"Deployment","name":"another-way","verdict":"fails-if-moved","images":[{"policy":"IfNotPresent","verdict":"fails-if-moved"},{"policy":"Always","verdict":"safe"}]},
 {"namespace":"a","kind":"Deployment","name":"fine","verdict":"safe","images":[{"policy":"Always","verdict":"safe"}]}]}`))
	if err != nil || len(refs) != 2 || refs[0].String() != "a/deployment/hurt" || refs[1].String() != "a/pod/file" || len(others) != 1 || others[0] != "a/cloneset/odd" {
		t.Errorf("%v, %v, %v", refs, others, err)
	}
	for _, bad := range []string{"", "[]", `{"schema":"pullway.dev/plan/v1"}`, `{"schema":"pullway.dev/assess/v1","workloads":[{"namespace":"..","kind":"Deployment","name":"x","verdict":"fails-now","images":[{"policy":"Always","verdict":"fails-now"}]}]}`} {
		if _, _, err := AtRisk([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
