//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/cluster"
)

// policyRole are the rights that `pullway policy role` prints.
func policyRole(t *testing.T, o *operator) []rbacv1.PolicyRule {
	t.Helper()
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict([]byte(o.run("policy", "role").out), &role); err != nil || len(role.Rules) == 0 {
		t.Fatalf("no ClusterRole is printed: %v", err)
	}
	return role.Rules
}

// podsOf is a template of two containers of the lab's image, with those policies;
// an empty one is left to the API server.
func podsOf(app string, policies ...corev1.PullPolicy) corev1.PodTemplateSpec {
	second := int64(1)
	t := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}},
		Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &second}}
	for i, p := range policies {
		t.Spec.Containers = append(t.Spec.Containers, corev1.Container{Name: fmt.Sprintf("c%d", i), Image: image, ImagePullPolicy: p})
	}
	return t
}

func labelled(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

// policyStage is a cluster with one real kubelet, wired to its registry, and an
// operator whose user has the rights of the role and no more.
type policyStage struct {
	*operator
	admin *cluster.Cluster
	flags []string
}

func newPolicyStage(t *testing.T) *policyStage {
	t.Helper()
	l := upWith(t, lab.Config{Nodes: lab.Cycle(1, "2.4.2"), Kubernetes: &lab.KubeSpec{Kubelets: []string{"node1"}, Controllers: true, Scheduler: true}})
	admin, err := cluster.Connect(l, "")
	if err != nil {
		t.Fatal(err)
	}
	s := &policyStage{operator: newOperator(t, l), admin: admin}
	s.apply(0, s.file("spec.yaml", spec(harbor, image)))
	config, err := l.Kube().Kubeconfig(lab.KubeUser{Name: "pullway"})
	if err != nil {
		t.Fatal(err)
	}
	s.flags = []string{"--kubeconfig", config}
	return s
}

// policy runs a policy command that has to end with that code.
func (s *policyStage) policy(code int, args ...string) result {
	s.t.Helper()
	r := s.run(append(append([]string{"policy"}, args...), s.flags...)...)
	if r.code != code {
		s.t.Fatalf("want exit code %d: %s", code, r)
	}
	return r
}

// quote is policy for a command whose result the pages quote. With
// PULLWAY_POLICY_PAGES, a folder such as test/docs/testdata, it is kept there as
// policy-NAME.json, or below its command line as policy-NAME.txt.
func (s *policyStage) quote(name string, code int, args ...string) result {
	s.t.Helper()
	r := s.policy(code, args...)
	if dir := os.Getenv("PULLWAY_POLICY_PAGES"); dir != "" {
		text := fmt.Sprintf("$ pullway policy %s --kubeconfig admin.conf\n%s", strings.Join(args, " "), r.out)
		name += ".txt"
		if slices.Contains(args, "json") {
			name, text = strings.TrimSuffix(name, ".txt")+".json", r.out
		}
		s.must(os.WriteFile(filepath.Join(dir, "policy-"+name), []byte(text), 0o644))
	}
	return r
}

func (s *policyStage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *policyStage) deployment(name string) *appsv1.Deployment {
	s.t.Helper()
	d, err := s.admin.Client.AppsV1().Deployments("default").Get(s.t.Context(), name, metav1.GetOptions{})
	s.must(err)
	return d
}

// create makes a Deployment as kubectl create does, and waits until it is available.
func (s *policyStage) create(name string, replicas int32, template corev1.PodTemplateSpec, change func(*appsv1.Deployment)) {
	s.t.Helper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: template.Labels},
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: labelled(template.Labels["app"]), Template: template}}
	if change != nil {
		change(d)
	}
	_, err := s.admin.Client.AppsV1().Deployments("default").Create(s.t.Context(), d, metav1.CreateOptions{FieldManager: "kubectl-create"})
	s.must(err)
	s.until(name+" is available", func() bool { return s.deployment(name).Status.AvailableReplicas == replicas })
}

// part is a part of the test, which may end by itself.
func (s *policyStage) part(name string, f func(*testing.T)) {
	s.t.Helper()
	whole := s.t
	whole.Run(name, func(t *testing.T) {
		s.t = t
		defer func() { s.t = whole }()
		f(t)
	})
}

// tells checks that each text stands somewhere in what a command wrote, and that no
// line of it is too long to read.
func tells(t *testing.T, r result, texts ...string) {
	t.Helper()
	all := r.out + r.err
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("it does not say %q: %s", text, r)
		}
	}
	for line := range strings.Lines(all) {
		if len(line) > 400 {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
}

// until waits for a condition.
func (s *policyStage) until(what string, yes func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("waiting until %s: %v", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// whole is what a restore has to bring back: spec, labels, annotations but the
// controller's own, and who manages which field.
type whole struct {
	Spec        string
	Annotations map[string]string
	Managed     []string
}

func wholeOf(t *testing.T, spec any, m metav1.ObjectMeta) whole {
	t.Helper()
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	w := whole{Spec: string(b), Annotations: map[string]string{}}
	for k, v := range m.Annotations {
		if k != "deployment.kubernetes.io/revision" && k != "deprecated.daemonset.template.generation" { // they go on counting
			w.Annotations[k] = v
		}
	}
	for _, e := range m.ManagedFields {
		if e.Subresource == "" { // the controllers report as they go
			w.Managed = append(w.Managed, fmt.Sprintf("%s %s %s %s %s", e.Manager, e.Operation, e.APIVersion, e.Time, e.FieldsV1.GetRawString()))
		}
	}
	return w
}

func (s *policyStage) whole(name string) whole {
	s.t.Helper()
	d := s.deployment(name)
	return wholeOf(s.t, d.Spec, d.ObjectMeta)
}

// TestPolicy freezes real pods of a real kubelet and gives them back what they had.
func TestPolicy(t *testing.T) {
	t.Parallel()
	s := newPolicyStage(t)
	ctx := t.Context()
	s.create("web", 3, podsOf("web", corev1.PullAlways, "", corev1.PullNever), func(d *appsv1.Deployment) {
		one := intstr.FromInt32(1)
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxUnavailable: &one}
	})
	s.must(s.admin.AddBudget(ctx, "", "web", map[string]string{"app": "web"}, 2))
	s.must(s.admin.AwaitAllowed(ctx, "", "web", 1))
	before := s.whole("web")
	web := "default/deployment/web"

	// A policy that nobody wrote, with the tag latest, is Always in the object.
	if got := s.deployment("web").Spec.Template.Spec.Containers[1].ImagePullPolicy; got != corev1.PullAlways {
		t.Errorf("an absent policy became %q", got)
	}

	s.part("without rights nothing is done", func(t *testing.T) {
		tells(t, s.policy(1, "freeze", web, "--yes"), `get deployments default/web`, "forbidden", "pullway policy role")
		s.must(s.admin.Grant(ctx, "pullway", append(policyRole(t, s.operator)[1:], rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get"}})...))
		tells(t, s.policy(1, "freeze", web, "--yes"), "patch deployments default/web", "forbidden", "pullway policy role")
		if d := cmp.Diff(before, s.whole("web")); d != "" {
			t.Error(d)
		}
	})
	s.must(s.admin.Grant(ctx, "pullway", policyRole(t, s.operator)...))

	s.part("a dry run keeps nothing", func(t *testing.T) {
		tells(t, s.quote("dry", 0, "freeze", web, "--dry-run=server"), "would be frozen", "a dry run")
		if d := cmp.Diff(before, s.whole("web")); d != "" {
			t.Error(d)
		}
	})

	s.part("a freeze that is killed is restored from another machine", func(t *testing.T) {
		var out bytes.Buffer
		cmd := s.prepare(ctx, append([]string{"policy", "freeze", web, "--yes"}, s.flags...)...)
		cmd.Stdout, cmd.Stderr = &out, &out
		s.must(cmd.Start())
		s.until("it is changed", func() bool {
			return s.deployment("web").Spec.Template.Spec.Containers[0].ImagePullPolicy == corev1.PullIfNotPresent
		})
		s.must(cmd.Process.Kill())
		_ = cmd.Wait()
		d := s.deployment("web")
		if got := d.Spec.Template.Spec.Containers; got[0].ImagePullPolicy != "IfNotPresent" || got[1].ImagePullPolicy != "IfNotPresent" || got[2].ImagePullPolicy != "Never" {
			t.Errorf("containers %+v", got)
		}
		if strings.Contains(out.String(), "done") {
			t.Fatalf("it was through before it was killed: %s", out.String())
		}
		s.env["PULLWAY_STATE_DIR"] = filepath.Join(s.dir, "another")
		tells(t, s.quote("frozen", 0, "status"), web+" frozen since", "c0: IfNotPresent, was Always")
		s.policy(3, "status", "--exit-code")
		tells(t, s.quote("restore", 0, "restore", "--yes"), "restored: "+web)
		if d := cmp.Diff(before, s.whole("web")); d != "" {
			t.Errorf("the restore did not bring back what was (-before +after):\n%s", d)
		}
		tells(t, s.policy(0, "status"), "Nothing is frozen")
	})

	s.part("frozen pods start without their registry", func(t *testing.T) {
		tells(t, s.policy(0, "freeze", web, "--yes"), "frozen: "+web, "3 pods restart")
		s.must(s.lab.Registry(lab.Harbor).Stop(ctx))
		pods, err := s.admin.Client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: "app=web"})
		s.must(err)
		s.must(s.admin.Client.CoreV1().Pods("default").Delete(ctx, pods.Items[0].Name, metav1.DeleteOptions{}))
		s.until("a new pod runs", func() bool {
			_, err := s.admin.Client.CoreV1().Pods("default").Get(ctx, pods.Items[0].Name, metav1.GetOptions{})
			return err != nil && s.deployment("web").Status.AvailableReplicas == 3
		})
		// With Always again each pod asks its registry: the rollout gets stuck, and it is told.
		tells(t, s.quote("stuck", 6, "restore", "--yes", "--timeout", "20s"), "STUCK", "ImagePull")
		s.must(s.lab.Registry(lab.Harbor).Start(ctx))
		s.until("the rollout is through", func() bool {
			r := s.deployment("web").Status
			return r.UpdatedReplicas == 3 && r.AvailableReplicas == 3 && r.Replicas == 3
		})
		if d := cmp.Diff(before, s.whole("web")); d != "" {
			t.Error(d)
		}
	})

	s.part("what somebody changed meanwhile is left", func(t *testing.T) {
		run := decode[report.PolicyRun](t, s.quote("run", 0, "freeze", web, "--yes", "-o", "json"))
		if run.Summary.Changed != 1 || run.Summary.Restarts != 3 {
			t.Errorf("summary %+v", run.Summary)
		}
		status := decode[report.PolicyStatus](t, s.quote("status", 0, "status", "-o", "json"))
		if len(status.Workloads) != 1 || status.Workloads[0].Run != run.ID {
			t.Errorf("status %+v", status)
		}
		patch := `{"spec":{"template":{"spec":{"containers":[{"name":"c1","imagePullPolicy":"Never"}]}}}}`
		_, err := s.admin.Client.AppsV1().Deployments("default").Patch(ctx, "web", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl-edit"})
		s.must(err)
		s.until("its rollout is through", func() bool {
			r := s.deployment("web").Status
			return r.ObservedGeneration == s.deployment("web").Generation && r.UpdatedReplicas == 3 && r.AvailableReplicas == 3 && r.Replicas == 3
		})
		tells(t, s.quote("left", 0, "restore", "--yes"), "c1: somebody set it to Never meanwhile", "kubectl-edit", "1 container left")
		got := s.deployment("web").Spec.Template.Spec.Containers
		if got[0].ImagePullPolicy != "Always" || got[1].ImagePullPolicy != "Never" {
			t.Errorf("containers %+v", got)
		}
		for _, e := range s.deployment("web").ManagedFields {
			if e.Manager == "pullway" {
				t.Errorf("our fields are still there: %s", e.FieldsV1.GetRawString())
			}
		}
	})

	s.part("a budget that allows nothing is waited for", func(t *testing.T) {
		s.must(s.admin.AddBudget(ctx, "", "all", map[string]string{"app": "web"}, 3))
		s.must(s.admin.AwaitAllowed(ctx, "", "all", 0))
		tells(t, s.policy(1, "freeze", web, "--yes", "--wait", "1s"), "refused: "+web, "PodDisruptionBudget default/all allows no disruption now")
	})

	s.part("missing images are fetched first", func(t *testing.T) {
		template := podsOf("late", corev1.PullAlways)
		template.Spec.Containers[0].Image = appImage
		s.create("late", 0, template, nil)
		late := "default/deployment/late"
		tells(t, s.policy(1, "freeze", late, "--yes"), appImage+" not on node1")
		tells(t, s.policy(0, append([]string{"freeze", late, "--yes"}, s.nodes...)...), "frozen: "+late, "fetching ahead: "+appImage+" not on node1")
		s.must(s.lab.Registry(lab.Harbor).Stop(ctx))
		_, err := s.admin.Client.AppsV1().Deployments("default").Patch(ctx, "late", types.MergePatchType, []byte(`{"spec":{"replicas":1}}`), metav1.PatchOptions{FieldManager: "kubectl-scale"})
		s.must(err)
		s.until("its pod runs without a registry", func() bool { return s.deployment("late").Status.AvailableReplicas == 1 })
		s.must(s.lab.Registry(lab.Harbor).Start(ctx))
		s.policy(0, "restore", late, "--yes")
	})

	s.part("every kind of workload", func(t *testing.T) { s.kinds(t) })
}

// absentImage is on no node.
const absentImage = "192.168.21.9/team/absent:v1"

// kinds: each kind has its own rules, and a restore brings back each.
func (s *policyStage) kinds(t *testing.T) {
	ctx, apps := t.Context(), s.admin.Client.AppsV1()
	create := metav1.CreateOptions{FieldManager: "kubectl-create"}
	one := int32(1)
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Labels: map[string]string{"set": "kinds", "app": name}}
	}
	_, err := apps.StatefulSets("default").Create(ctx, &appsv1.StatefulSet{ObjectMeta: meta("db"), Spec: appsv1.StatefulSetSpec{Replicas: &one, Selector: labelled("db"), Template: podsOf("db", corev1.PullAlways)}}, create)
	s.must(err)
	_, err = apps.StatefulSets("default").Create(ctx, &appsv1.StatefulSet{ObjectMeta: meta("hands"), Spec: appsv1.StatefulSetSpec{Replicas: &one, Selector: labelled("hands"), Template: podsOf("hands", corev1.PullAlways),
		UpdateStrategy: appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}}}, create)
	s.must(err)
	_, err = apps.DaemonSets("default").Create(ctx, &appsv1.DaemonSet{ObjectMeta: meta("agent"), Spec: appsv1.DaemonSetSpec{Selector: labelled("agent"), Template: podsOf("agent", corev1.PullAlways)}}, create)
	s.must(err)
	_, err = apps.ReplicaSets("default").Create(ctx, &appsv1.ReplicaSet{ObjectMeta: meta("lone"), Spec: appsv1.ReplicaSetSpec{Replicas: &one, Selector: labelled("lone"), Template: podsOf("lone", corev1.PullAlways)}}, create)
	s.must(err)
	nightly := podsOf("nightly", corev1.PullAlways)
	nightly.Spec.RestartPolicy = corev1.RestartPolicyNever
	_, err = s.admin.Client.BatchV1().CronJobs("default").Create(ctx, &batchv1.CronJob{ObjectMeta: meta("nightly"), Spec: batchv1.CronJobSpec{Schedule: "0 3 * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: nightly}}}}, create)
	s.must(err)
	_, err = s.admin.Client.BatchV1().Jobs("default").Create(ctx, &batchv1.Job{ObjectMeta: meta("once"), Spec: batchv1.JobSpec{Template: nightly}}, create)
	s.must(err)
	s.must(s.admin.AddPod(ctx, cluster.Pod{Name: "bare", Node: "node1", Image: image, Policy: corev1.PullAlways, Labels: map[string]string{"set": "kinds"}}))
	shop := func(d *appsv1.Deployment) {
		d.Labels = map[string]string{"set": "kinds"}
		d.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:default/cart"}
	}
	s.create("cart", 1, podsOf("cart", corev1.PullAlways), shop)
	absent := podsOf("absent", corev1.PullAlways)
	absent.Spec.Containers[0].Image = absentImage
	zero := int32(0)
	_, err = apps.Deployments("default").Create(ctx, &appsv1.Deployment{ObjectMeta: meta("absent"), Spec: appsv1.DeploymentSpec{Replicas: &zero, Selector: labelled("absent"), Template: absent}}, create)
	s.must(err)
	for _, name := range []string{"db-0", "hands-0", "bare"} {
		_, err := s.admin.AwaitRunning(ctx, "", name)
		s.must(err)
	}
	s.until("the daemon runs", func() bool {
		d, err := apps.DaemonSets("default").Get(ctx, "agent", metav1.GetOptions{})
		return err == nil && d.Status.NumberAvailable == 1
	})
	all := func() (w []whole) {
		for _, name := range []string{"db", "hands"} {
			o, err := apps.StatefulSets("default").Get(ctx, name, metav1.GetOptions{})
			s.must(err)
			w = append(w, wholeOf(t, o.Spec, o.ObjectMeta))
		}
		d, err := apps.DaemonSets("default").Get(ctx, "agent", metav1.GetOptions{})
		s.must(err)
		r, err := apps.ReplicaSets("default").Get(ctx, "lone", metav1.GetOptions{})
		s.must(err)
		c, err := s.admin.Client.BatchV1().CronJobs("default").Get(ctx, "nightly", metav1.GetOptions{})
		s.must(err)
		return append(w, wholeOf(t, d.Spec, d.ObjectMeta), wholeOf(t, r.Spec, r.ObjectMeta), wholeOf(t, c.Spec, c.ObjectMeta))
	}
	before := all()
	r := s.quote("kinds", 6, "freeze", "-l", "set=kinds", "--yes", "--wait", "5s")
	tells(t, r, "frozen: default/statefulset/db", "frozen: default/statefulset/hands", "OnDelete", "frozen: default/daemonset/agent", "frozen: default/replicaset/lone",
		"frozen: default/cronjob/nightly", "its next job", "refused: default/job/once", "refused: default/pod/bare", "a bare pod",
		`Argo CD application "shop"`, "spec.template.spec.containers[name=c0].imagePullPolicy", "refused: default/deployment/absent", absentImage+" not on node1")
	run := decode[report.PolicyRun](t, s.policy(0, "restore", "--yes", "-o", "json"))
	if run.Summary.Changed != 5 || run.Schema != report.PolicyRunSchema {
		t.Errorf("restored %+v", run.Summary)
	}
	if d := cmp.Diff(before, all()); d != "" {
		t.Errorf("the restore did not bring back what was (-before +after):\n%s", d)
	}
}
