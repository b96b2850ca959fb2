package pullpolicy

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// From makes a Workload of an object of the API; ok is false for any other kind.
func From(object runtime.Object) (w Workload, ok bool) {
	switch o := object.(type) {
	case *appsv1.Deployment:
		w = of(Deployment, &o.ObjectMeta, &o.Spec.Template.Spec)
		w.Template, w.Selector, w.Rollout = &o.Spec.Template, o.Spec.Selector, deploymentRollout(o)
	case *appsv1.StatefulSet:
		w = of(StatefulSet, &o.ObjectMeta, &o.Spec.Template.Spec)
		w.Template, w.Selector, w.Rollout = &o.Spec.Template, o.Spec.Selector, statefulSetRollout(o)
	case *appsv1.DaemonSet:
		w = of(DaemonSet, &o.ObjectMeta, &o.Spec.Template.Spec)
		w.Template, w.Selector, w.Rollout = &o.Spec.Template, o.Spec.Selector, daemonSetRollout(o)
	case *appsv1.ReplicaSet:
		w = of(ReplicaSet, &o.ObjectMeta, &o.Spec.Template.Spec)
		w.Template, w.Selector = &o.Spec.Template, o.Spec.Selector
		w.Rollout = Rollout{Note: "its pods keep Always; those made from now on have IfNotPresent"}
	case *batchv1.CronJob:
		w = of(CronJob, &o.ObjectMeta, &o.Spec.JobTemplate.Spec.Template.Spec)
		w.Template = &o.Spec.JobTemplate.Spec.Template
		w.Rollout = Rollout{Note: "no pod restarts; its next job has IfNotPresent, jobs that run now keep Always"}
	case *batchv1.Job:
		w = of(Job, &o.ObjectMeta, &o.Spec.Template.Spec)
		w.Template, w.Selector = &o.Spec.Template, o.Spec.Selector
	case *corev1.Pod:
		w = of(Pod, &o.ObjectMeta, &o.Spec)
		for _, owner := range o.OwnerReferences {
			w.Static = w.Static || owner.Kind == "Node"
		}
		if _, mirror := o.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
			w.Static = true
		}
		for _, c := range o.Spec.EphemeralContainers {
			w.Containers = append(w.Containers, Container{Name: c.Name, Image: c.Image, Policy: c.ImagePullPolicy})
		}
	default:
		return Workload{}, false
	}
	return w, true
}
