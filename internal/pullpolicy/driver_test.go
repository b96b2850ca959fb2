package pullpolicy

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// stage is a cluster, a record, images and an observer in one; what a case needs is
// changed by its functions.
type stage struct {
	objects map[Ref]*appsv1.Deployment
	// applied is called after an apply was kept.
	applied func(*appsv1.Deployment)
	get     func(Ref) error
	save    func(*Run) error
	allowed func() int
	missing []Absent
	fetch   func([]Absent) ([]Absent, error)
	writes  int
	doing   []string
}

type gone struct{ error }

func (gone) Gone() bool     { return true }
func (gone) Conflict() bool { return false }
func (gone) Final() bool    { return true }

func (s *stage) Get(_ context.Context, r Ref) (Workload, error) {
	if s.get != nil {
		if err := s.get(r); err != nil {
			return Workload{}, err
		}
	}
	d := s.objects[r]
	if d == nil {
		return Workload{}, gone{errors.New("no such deployment")}
	}
	return must(d.DeepCopy()), nil
}

func (s *stage) Apply(_ context.Context, out Write, _ bool) (Workload, error) {
	var body struct {
		Metadata metav1.ObjectMeta
		Spec     struct{ Template corev1.PodTemplateSpec }
	}
	if err := json.Unmarshal(out.Body, &body); err != nil {
		return Workload{}, err
	}
	d := s.objects[out.Ref]
	d.Annotations = body.Metadata.Annotations
	for i := range d.Spec.Template.Spec.Containers {
		for _, c := range body.Spec.Template.Spec.Containers {
			if c.Name == d.Spec.Template.Spec.Containers[i].Name {
				d.Spec.Template.Spec.Containers[i].ImagePullPolicy = c.ImagePullPolicy
			}
		}
	}
	d.ManagedFields = []metav1.ManagedFieldsEntry{applies(Manager, metav1.ManagedFieldsOperationApply)}
	s.writes++
	if s.applied != nil {
		s.applied(d)
	}
	return must(d.DeepCopy()), nil
}

func (s *stage) Patch(ctx context.Context, out Write, _ bool) (Workload, error) {
	s.objects[out.Ref].Annotations, s.objects[out.Ref].ManagedFields = nil, nil
	return s.Get(ctx, out.Ref)
}

func (s *stage) Budgets(context.Context, string) ([]Budget, error) {
	if s.allowed == nil {
		return nil, nil
	}
	return []Budget{{"default", "web", labels.SelectorFromSet(labels.Set{"app": "web"}), s.allowed()}}, nil
}

func (s *stage) Pods(context.Context, string, labels.Selector) ([]corev1.Pod, error) { return nil, nil }

func (s *stage) Missing(context.Context, Workload, []Container, []corev1.Pod) ([]Absent, error) {
	return slices.Clone(s.missing), nil
}

func (s *stage) Save(run *Run) error {
	if s.save != nil {
		return s.save(run)
	}
	return nil
}

func (s *stage) Working(_, text string)      { s.doing = append(s.doing, text) }
func (s *stage) Ended(string, Phase, string) {}

// two Deployments, a and b, of three pods that go one by one.
func twoDeployments() *stage {
	s := &stage{objects: map[Ref]*appsv1.Deployment{}}
	for _, name := range []string{"a", "b"} {
		n, one := int32(3), intstr.FromInt32(1)
		d := &appsv1.Deployment{ObjectMeta: meta(name), Spec: appsv1.DeploymentSpec{Replicas: &n, Template: template(always)},
			Status: appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 3}}
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxUnavailable: &one}
		s.objects[Ref{"default", Deployment, name}] = d
	}
	return s
}

func phases(r *Run) string {
	var all []string
	for _, w := range r.Workloads {
		all = append(all, w.Name+"="+string(w.Phase))
	}
	return strings.Join(all, " ")
}

// TestDriver freezes a and b; every case tells what goes otherwise, in simulated time.
func TestDriver(t *testing.T) {
	for name, tc := range map[string]struct {
		stage   func(*stage, chan struct{})
		want    string
		outcome Outcome
		says    string // in an error, a reason or what was being done
		took    time.Duration
		writes  int
	}{
		"all is well": {want: "a=done b=done", outcome: AllDone, writes: 2},
		"asked to stop": {stage: func(s *stage, stop chan struct{}) { s.applied = func(*appsv1.Deployment) { close(stop) } },
			want: "a=done b=pending", outcome: Partly, says: "stopped as asked", writes: 1},
		"a budget allows it after a while": {stage: func(s *stage, _ chan struct{}) {
			asked := 0
			s.allowed = func() int { asked++; return min(1, asked/4) }
		}, want: "a=done b=done", outcome: AllDone, says: "waiting: PodDisruptionBudget default/web", took: 6 * time.Second, writes: 2},
		"a budget never allows it": {stage: func(s *stage, _ chan struct{}) { s.allowed = func() int { return 0 } },
			want: "a=refused b=refused", outcome: NoneChanged, says: "allows no disruption now", took: 116 * time.Second},
		"asked to stop while a budget is waited for": {stage: func(s *stage, stop chan struct{}) {
			asked := 0
			s.allowed = func() int {
				if asked++; asked == 3 {
					close(stop)
				}
				return 0
			}
		}, want: "a=pending b=pending", outcome: NoneChanged, says: "stopped as asked", took: 6 * time.Second},
		"pods that are not well, then are": {stage: func(s *stage, _ chan struct{}) {
			d := s.objects[Ref{"default", Deployment, "a"}]
			d.Status.AvailableReplicas = 1
			s.get = func(Ref) error { d.Status.AvailableReplicas = min(3, d.Status.AvailableReplicas+1); return nil }
		}, want: "a=done b=done", outcome: AllDone, says: "waiting: it is not well: 2 of 3 pods are available", took: 2 * time.Second, writes: 2},
		"an image is missing": {stage: func(s *stage, _ chan struct{}) { s.missing = []Absent{{Image: "app", Node: "n"}} },
			want: "a=refused b=refused", outcome: NoneChanged, says: "app not on n"},
		"a missing image is brought": {stage: func(s *stage, _ chan struct{}) {
			s.missing = []Absent{{Image: "app", Node: "n", Unknown: true}} // the node tells of it later
			s.fetch = func([]Absent) ([]Absent, error) { return nil, nil }
		}, want: "a=done b=done", outcome: AllDone, says: "fetching ahead: app perhaps not on n", writes: 2},
		"a missing image cannot be brought": {stage: func(s *stage, _ chan struct{}) {
			s.missing = []Absent{{Image: "app", Node: "n"}, {Image: "app", Node: "m"}}
			s.fetch = func([]Absent) ([]Absent, error) { return []Absent{{Image: "app", Node: "m"}}, errors.New("no room") }
		}, want: "a=refused b=refused", outcome: NoneChanged, says: "its images could not be brought: app not on m: no room"},
		"somebody sets it back": {stage: func(s *stage, _ chan struct{}) {
			s.applied = func(d *appsv1.Deployment) {
				*policy(d) = always
				d.ManagedFields = []metav1.ManagedFieldsEntry{applies("tenant-operator", metav1.ManagedFieldsOperationUpdate)}
			}
		}, want: "a=stuck b=pending", outcome: Partly, says: `c0 was set back to Always at once (field manager "tenant-operator")`, writes: 1},
		"a rollout does not end": {stage: func(s *stage, _ chan struct{}) {
			s.applied = func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 1 }
		}, want: "a=stuck b=pending", outcome: Partly, says: "1 of 3 pods are new", took: 598 * time.Second, writes: 1},
		"a rollout fails": {stage: func(s *stage, _ chan struct{}) {
			s.applied = func(d *appsv1.Deployment) {
				d.Status.UpdatedReplicas = 1
				d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Reason: "ProgressDeadlineExceeded"}}
			}
		}, want: "a=stuck b=pending", outcome: Partly, says: "1 of 3 pods are new", writes: 1},
		"it was deleted": {stage: func(s *stage, _ chan struct{}) { delete(s.objects, Ref{"default", Deployment, "a"}) },
			want: "a=unchanged b=done", outcome: AllDone, says: "does not exist any more", writes: 1},
		"the record cannot be written": {stage: func(s *stage, _ chan struct{}) {
			s.save = func(r *Run) error {
				if r.Ended.IsZero() {
					return errors.New("disk full")
				}
				return nil
			}
		}, want: "a=failed b=pending", outcome: NoneChanged, says: "the record could not be written, so it was not changed: disk full", took: 0},
		"the server is silent for a minute": {stage: func(s *stage, _ chan struct{}) {
			begin := time.Now()
			s.get = func(Ref) error {
				if time.Since(begin) < time.Minute {
					return errors.New("no answer")
				}
				return nil
			}
		}, want: "a=done b=done", outcome: AllDone, took: time.Minute, writes: 2},
		"the server stays silent": {stage: func(s *stage, _ chan struct{}) { s.get = func(Ref) error { return errors.New("no answer") } },
			want: "a=failed b=pending", outcome: NoneChanged, says: "no answer", took: 118 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, stop := twoDeployments(), make(chan struct{})
				run := &Run{ID: "20261124T181502Z-4f2a"}
				for _, n := range []string{"a", "b"} {
					run.Workloads = append(run.Workloads, WorkloadRun{Ref: Ref{"default", Deployment, n}, Phase: Pending, Decision: Decision{Action: Change}})
				}
				if tc.stage != nil {
					tc.stage(s, stop)
				}
				begin := time.Now()
				d := Driver{Cluster: s, Recorder: s, Images: s, Observer: s, Patience: Waiting, Now: time.Now, Stop: stop}
				if s.fetch != nil {
					d.Fetch = func(_ context.Context, all []Absent) ([]Absent, error) { return s.fetch(all) }
				}
				if err := d.Freeze(t.Context(), run); err != nil {
					t.Fatal(err)
				}
				var said []string
				for _, w := range run.Workloads {
					said = append(said, w.Error, w.Reason)
				}
				all := strings.Join(append(append(said, run.Reason), s.doing...), "\n")
				if phases(run) != tc.want || run.Outcome != tc.outcome || s.writes != tc.writes || !strings.Contains(all, tc.says) {
					t.Errorf("%s, %s, %d writes, want %s, %s, %d and %q in:\n%s", phases(run), run.Outcome, s.writes, tc.want, tc.outcome, tc.writes, tc.says, all)
				}
				if took := time.Since(begin); took != tc.took {
					t.Errorf("it took %s, want %s", took, tc.took)
				}
			})
		})
	}
}
