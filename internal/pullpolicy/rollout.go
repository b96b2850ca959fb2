package pullpolicy

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Rollout is what a change of the template does to the pods, and how far the last
// one is.
type Rollout struct {
	// Restarts is true when the controller replaces the pods by itself.
	Restarts bool
	// Pods that it has or wants, and how many of them may be away at once while they
	// are replaced.
	Pods, Down int
	// Paused: nothing is replaced before somebody resumes it.
	Paused bool
	// AllAtOnce: all old pods end before the first new one starts (Recreate).
	AllAtOnce bool
	// Waiting says what the present rollout waits for; empty when it is through and
	// every pod is available. Failed: it will not get any further.
	Waiting string
	Failed  bool
	// Note is what a person should know of it; may be empty.
	Note string
}

// deploymentRollout reads what `kubectl rollout status` does.
func deploymentRollout(d *appsv1.Deployment) Rollout {
	want := or1(d.Spec.Replicas)
	r := Rollout{Restarts: want > 0 || d.Status.Replicas > 0, Pods: want, Paused: d.Spec.Paused, Down: want}
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		r.AllAtOnce = true
		r.Note = "its strategy is Recreate: all its pods are away at once"
	} else if u := d.Spec.Strategy.RollingUpdate; u != nil {
		r.Down = resolved(u.MaxUnavailable, want, false)
		if r.Down == 0 && resolved(u.MaxSurge, want, true) == 0 {
			r.Down = 1 // as the controller has it
		}
	}
	s := d.Status
	for _, c := range s.Conditions {
		r.Failed = r.Failed || c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded" && s.ObservedGeneration >= d.Generation
	}
	switch {
	case s.ObservedGeneration < d.Generation:
		r.Waiting, r.Failed = "its controller has not seen it yet", false
	case int(s.UpdatedReplicas) < want:
		r.Waiting = fmt.Sprintf("%d of %d pods are new", s.UpdatedReplicas, want)
	case s.Replicas > s.UpdatedReplicas:
		r.Waiting = fmt.Sprintf("%d old pods are still there", s.Replicas-s.UpdatedReplicas)
	case s.AvailableReplicas < s.UpdatedReplicas:
		r.Waiting = fmt.Sprintf("%d of %d pods are available", s.AvailableReplicas, s.UpdatedReplicas)
	default:
		r.Failed = false
	}
	return r
}

func statefulSetRollout(d *appsv1.StatefulSet) Rollout {
	want := or1(d.Spec.Replicas)
	r := Rollout{Restarts: want > 0 || d.Status.Replicas > 0, Pods: want, Down: 1}
	s := d.Status
	if s.ObservedGeneration < d.Generation {
		r.Waiting = "its controller has not seen it yet"
	} else if int(s.ReadyReplicas) < want {
		r.Waiting = fmt.Sprintf("%d of %d pods are ready", s.ReadyReplicas, want)
	}
	if d.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		r.Restarts, r.Note = false, onDelete
		return r
	}
	replaced := want
	if u := d.Spec.UpdateStrategy.RollingUpdate; u != nil {
		if u.MaxUnavailable != nil {
			r.Down = max(1, resolved(u.MaxUnavailable, want, false))
		}
		if u.Partition != nil && *u.Partition > 0 {
			replaced = max(0, want-int(*u.Partition))
			r.Restarts = replaced > 0
			r.Note = fmt.Sprintf("its partition is %d: pods below that number keep what they have until they are deleted", *u.Partition)
		}
	}
	if r.Waiting == "" && s.UpdateRevision != s.CurrentRevision && int(s.UpdatedReplicas) < replaced {
		r.Waiting = fmt.Sprintf("%d of %d pods are new", s.UpdatedReplicas, replaced)
	}
	return r
}

const onDelete = "its update strategy is OnDelete: nothing restarts now; each pod keeps what it has until it is deleted"

func daemonSetRollout(d *appsv1.DaemonSet) Rollout {
	s := d.Status
	want := int(s.DesiredNumberScheduled)
	r := Rollout{Restarts: want > 0 || s.ObservedGeneration < d.Generation, Pods: want, Down: 1}
	if s.ObservedGeneration < d.Generation {
		r.Waiting = "its controller has not seen it yet"
	}
	if d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		r.Restarts, r.Note = false, onDelete
	} else {
		if u := d.Spec.UpdateStrategy.RollingUpdate; u != nil {
			r.Down = max(1, resolved(u.MaxUnavailable, want, true))
			if resolved(u.MaxSurge, want, true) > 0 {
				r.Down = 0
			}
		}
		if r.Waiting == "" && int(s.UpdatedNumberScheduled) < want {
			r.Waiting = fmt.Sprintf("%d of %d pods are new", s.UpdatedNumberScheduled, want)
		}
	}
	if r.Waiting == "" && int(s.NumberAvailable) < want {
		r.Waiting = fmt.Sprintf("%d of %d pods are available", s.NumberAvailable, want)
	}
	return r
}

func or1(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// resolved is a number or a percentage of n; nonsense counts as everything.
func resolved(v *intstr.IntOrString, n int, up bool) int {
	if v == nil {
		return 0
	}
	got, err := intstr.GetScaledValueFromIntOrPercent(v, n, up)
	if err != nil {
		return n
	}
	return max(0, got)
}

// stuckPod tells what keeps a pod from running, or is empty.
func stuckPod(p *corev1.Pod) string {
	for _, all := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, s := range all {
			if w := s.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
				return fmt.Sprintf("pod %s on node %s: container %s: %s: %s", p.Name, p.Spec.NodeName, s.Name, w.Reason, short(w.Message))
			}
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return fmt.Sprintf("pod %s is not scheduled: %s", p.Name, short(c.Message))
		}
	}
	return ""
}

// short cuts what a kubelet says to a part of a line.
func short(s string) string {
	const most = 120
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + " ..."
	}
	return s
}
