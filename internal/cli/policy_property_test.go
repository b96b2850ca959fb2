package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/kube/workloads"
	"github.com/pullway/pullway/internal/pullpolicy"
	"github.com/pullway/pullway/test/kubeapi"
)

// drawWorkload is any workload that may be frozen, made by one manager and perhaps
// applied or edited by others.
func drawWorkload(t *rapid.T, name string) runtime.Object {
	policy := rapid.SampledFrom([]corev1.PullPolicy{corev1.PullAlways, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever})
	template := podTemplate(rapid.SliceOfN(policy, 1, 4).Draw(t, "policies")...)
	template.Labels["app"] = name
	s := &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	n := int32(rapid.IntRange(0, 3).Draw(t, "replicas"))
	meta := object(name)
	if rapid.Bool().Draw(t, "annotated") {
		meta.Annotations = map[string]string{"example.com/team": "a"}
	}
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		o := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &n, Selector: s, Template: template}}
		o.Generation = 1
		rollOut(o)
		return o
	case 1:
		o := &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: &n, Selector: s, Template: template}}
		o.Generation = 1
		rollOut(o)
		return o
	case 2:
		o := &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: s, Template: template}}
		o.Generation = 1
		rollOut(o)
		return o
	}
	o := cronJob(name)
	o.ObjectMeta, o.Spec.JobTemplate.Spec.Template = meta, template
	return o
}

func find(api *kubeapi.Server, name string) (string, runtime.Object) {
	for _, resource := range []string{"deployments", "statefulsets", "daemonsets", "cronjobs"} {
		if o := api.Get(resource, "default", name); o != nil {
			return resource, o
		}
	}
	return "", nil
}

// crash ends a command at one of its calls, as kill -9 does: before the call has an
// effect, or after that and before anybody hears of it. left below 0: never.
type crash struct {
	left  int
	after bool
}

var errKilled = killed{errors.New("killed")}

type killed struct{ error }

func (killed) Gone() bool     { return false }
func (killed) Conflict() bool { return false }
func (killed) Final() bool    { return true }

// at makes one call.
func (c *crash) at(call func() error) error {
	switch {
	case c.left < 0:
		return call()
	case c.left == 0:
		return errKilled
	}
	if c.left--; c.left > 0 {
		return call()
	}
	if c.after {
		_ = call()
	}
	return errKilled
}

type crashingCluster struct {
	policyCluster
	*crash
}

func (c crashingCluster) Get(ctx context.Context, r pullpolicy.Ref) (w pullpolicy.Workload, err error) {
	err = c.at(func() (err error) { w, err = c.policyCluster.Get(ctx, r); return err })
	return w, err
}

func (c crashingCluster) Apply(ctx context.Context, out pullpolicy.Write, dryRun bool) (w pullpolicy.Workload, err error) {
	err = c.at(func() (err error) { w, err = c.policyCluster.Apply(ctx, out, dryRun); return err })
	return w, err
}

func (c crashingCluster) Patch(ctx context.Context, out pullpolicy.Write, dryRun bool) (w pullpolicy.Workload, err error) {
	err = c.at(func() (err error) { w, err = c.policyCluster.Patch(ctx, out, dryRun); return err })
	return w, err
}

type crashingRecorder struct {
	record.Policies
	*crash
}

func (c crashingRecorder) Save(run *pullpolicy.Run) error {
	return c.at(func() error { return c.Policies.Save(run) })
}

type haveAll struct{}

func (haveAll) Missing(context.Context, pullpolicy.Workload, []pullpolicy.Container, []corev1.Pod) ([]pullpolicy.Absent, error) {
	return nil, nil
}

type quiet struct{}

func (quiet) Working(string, string)                 {}
func (quiet) Ended(string, pullpolicy.Phase, string) {}

// commands runs freezes and restores on one cluster and one machine's records.
type commands struct {
	t       *rapid.T
	cluster policyCluster
	records record.Policies
	crash   crash
}

func (c *commands) run(command string, left int) error {
	c.crash = crash{left: left, after: rapid.Bool().Draw(c.t, "after the call")}
	ctx := context.Background()
	now := time.Now()
	run := &pullpolicy.Run{Schema: pullpolicy.RunSchema, ID: record.NewID(now), Command: command, Operator: "ann@desk", Started: now}
	d := &pullpolicy.Driver{Cluster: crashingCluster{c.cluster, &c.crash}, Recorder: crashingRecorder{c.records, &c.crash}, Images: haveAll{}, Observer: quiet{}, Now: time.Now}
	if command == pullpolicy.FreezeCommand {
		all, err := (&policyFlags{}).list(ctx, c.cluster, pullpolicy.Changeable, pullpolicy.Concerned)
		if err != nil {
			return err
		}
		plan := pullpolicy.Driver{Cluster: c.cluster, Images: haveAll{}}
		if run.Workloads, err = plan.Plan(ctx, all); err != nil {
			return err
		}
		return d.Freeze(ctx, run)
	}
	frozen, err := (&app{}).frozen(ctx, c.cluster, &policyFlags{}, c.records, nil, "", false)
	if err != nil {
		return err
	}
	for _, f := range frozen {
		run.Workloads = append(run.Workloads, f.Planned(false))
	}
	return d.Restore(ctx, run)
}

// TestFreezeThenRestoreIsIdentity: whatever the workloads, and whatever request or
// record was the last before a crash, a later restore brings back every spec, every
// annotation and every manager's fields.
func TestFreezeThenRestoreIsIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		api := kubeapi.New()
		api.Controller = rollOut
		server := httptest.NewServer(api)
		defer server.Close()
		dir, err := os.MkdirTemp("", "policy")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
		c := &commands{t: t, records: record.Policies{Store: record.Store{Dir: dir}}}
		cluster, err := workloads.Open(kubeconfigIn(dir, server.URL), "", pullpolicy.Manager, policyNeeds)
		if err != nil {
			t.Fatal(err)
		}
		c.cluster = policyCluster{cluster}
		var before []string
		n := rapid.IntRange(1, 3).Draw(t, "workloads")
		for i := range n {
			name := fmt.Sprintf("w%d", i)
			o := drawWorkload(t, name)
			if err := api.Create(o, rapid.SampledFrom([]string{"kubectl-create", "kubectl-client-side-apply", "curl"}).Draw(t, "maker")); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "applied") { // by server-side apply, as kubectl does
				if err := api.Apply(o, "kubectl"); err != nil {
					t.Fatal(err)
				}
			}
			_, o = find(api, name)
			before = append(before, shape(o))
		}
		for range rapid.IntRange(1, 2).Draw(t, "freezes") {
			_ = c.run(pullpolicy.FreezeCommand, rapid.IntRange(-1, 14).Draw(t, "a freeze is killed at call"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "restores") {
			_ = c.run(pullpolicy.RestoreCommand, rapid.IntRange(0, 14).Draw(t, "a restore is killed at call"))
		}
		if err := c.run(pullpolicy.RestoreCommand, -1); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			_, o := find(api, fmt.Sprintf("w%d", i))
			if got := shape(o); got != before[i] {
				t.Fatalf("before\n%s\nafter\n%s", before[i], got)
			}
		}
	})
}
