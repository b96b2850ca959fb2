package crowd

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// shapes are what is copied: one object of each kind as the API server made it.
type shapes struct {
	node        *corev1.Node
	pod         *corev1.Pod
	deployment  *appsv1.Deployment
	replicaSet  *appsv1.ReplicaSet
	statefulSet *appsv1.StatefulSet
	daemonSet   *appsv1.DaemonSet
	job         *batchv1.Job
	cronJob     *batchv1.CronJob
	budget      *policyv1.PodDisruptionBudget
	autoscaler  *autoscalingv2.HorizontalPodAutoscaler
}

// objects is what the typed clients of one kind have in common.
type objects[T any] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	UpdateStatus(context.Context, T, metav1.UpdateOptions) (T, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}

// made gives what the API server makes of an object and its status, and leaves none behind. A status of
// nil says that there is nothing to tell.
func made[T metav1.Object](ctx context.Context, c objects[T], obj T, status func(T)) (T, error) {
	out, err := c.Create(ctx, obj, metav1.CreateOptions{})
	if err != nil {
		return out, err
	}
	if status != nil {
		status(out)
		if out, err = c.UpdateStatus(ctx, out, metav1.UpdateOptions{}); err != nil {
			return out, err
		}
	}
	// Nobody has to clean up after it: without this, what a Job or a pod leaves is waited for.
	none, at := int64(0), metav1.DeletePropagationBackground
	err = c.Delete(ctx, out.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &none, PropagationPolicy: &at})
	out.SetResourceVersion("")
	return out, err
}

// plainShapes are they as a person would write them.
func plainShapes() shapes {
	many, again := ptr(int32(block)), template(corev1.RestartPolicyAlways)
	once := batchv1.JobSpec{Template: template(corev1.RestartPolicyNever)}
	return shapes{
		node: plainNode(), pod: plainPod(),
		deployment:  &appsv1.Deployment{ObjectMeta: meta("shape"), Spec: appsv1.DeploymentSpec{Replicas: many, Selector: selector(), Template: again}},
		replicaSet:  &appsv1.ReplicaSet{ObjectMeta: meta("shape"), Spec: appsv1.ReplicaSetSpec{Replicas: many, Selector: selector(), Template: again}},
		statefulSet: &appsv1.StatefulSet{ObjectMeta: meta("shape"), Spec: appsv1.StatefulSetSpec{Replicas: many, ServiceName: "shape", Selector: selector(), Template: again}},
		daemonSet:   &appsv1.DaemonSet{ObjectMeta: meta("shape"), Spec: appsv1.DaemonSetSpec{Selector: selector(), Template: again}},
		job:         &batchv1.Job{ObjectMeta: meta("shape"), Spec: once},
		cronJob:     &batchv1.CronJob{ObjectMeta: meta("shape"), Spec: batchv1.CronJobSpec{Schedule: "*/20 * * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: once}}},
		budget: &policyv1.PodDisruptionBudget{ObjectMeta: meta("shape"),
			Spec: policyv1.PodDisruptionBudgetSpec{MaxUnavailable: ptr(intstr(1)), Selector: selector()}},
		autoscaler: &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta("shape"), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: many, MaxReplicas: 2 * block,
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "shape"}}},
	}
}

// makeShapes has the API server make each of them, with the status of one that is well.
func makeShapes(ctx context.Context, c kubernetes.Interface) (shapes, error) {
	const ns = metav1.NamespaceDefault
	s := plainShapes()
	var errs [10]error
	s.node, errs[0] = made(ctx, c.CoreV1().Nodes(), s.node, nodeStatus)
	s.pod, errs[1] = made(ctx, c.CoreV1().Pods(ns), s.pod, podStatus)
	s.deployment, errs[2] = made(ctx, c.AppsV1().Deployments(ns), s.deployment, func(d *appsv1.Deployment) {
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: block, ReadyReplicas: block, AvailableReplicas: block, UpdatedReplicas: block}
	})
	s.replicaSet, errs[3] = made(ctx, c.AppsV1().ReplicaSets(ns), s.replicaSet, func(r *appsv1.ReplicaSet) {
		r.Status = appsv1.ReplicaSetStatus{ObservedGeneration: 1, Replicas: block, ReadyReplicas: block, AvailableReplicas: block}
	})
	s.statefulSet, errs[4] = made(ctx, c.AppsV1().StatefulSets(ns), s.statefulSet, func(x *appsv1.StatefulSet) {
		x.Status = appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: block, ReadyReplicas: block, AvailableReplicas: block, CurrentReplicas: block, UpdatedReplicas: block}
	})
	s.daemonSet, errs[5] = made(ctx, c.AppsV1().DaemonSets(ns), s.daemonSet, nil)
	s.job, errs[6] = made(ctx, c.BatchV1().Jobs(ns), s.job, nil)
	s.cronJob, errs[7] = made(ctx, c.BatchV1().CronJobs(ns), s.cronJob, nil)
	s.budget, errs[8] = made(ctx, c.PolicyV1().PodDisruptionBudgets(ns), s.budget, func(b *policyv1.PodDisruptionBudget) {
		b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: 1, DisruptionsAllowed: 1, CurrentHealthy: block, DesiredHealthy: block - 1, ExpectedPods: block}
	})
	s.autoscaler, errs[9] = made(ctx, c.AutoscalingV2().HorizontalPodAutoscalers(ns), s.autoscaler, func(h *autoscalingv2.HorizontalPodAutoscaler) {
		h.Status = autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: block, DesiredReplicas: block,
			Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue, Reason: "ValidMetricFound"}}}
	})
	if err := errors.Join(errs[:]...); err != nil {
		return s, fmt.Errorf("the object to be copied: %w", err)
	}
	return s, nil
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:   name,
		Labels: map[string]string{"app.kubernetes.io/name": "shape", "app.kubernetes.io/part-of": "shop", "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "shape-1.14.2"},
		Annotations: map[string]string{
			"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "shop",
			"checksum/config": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
		},
	}
}

func selector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "shape"}}
}

func template(restart corev1.RestartPolicy) corev1.PodTemplateSpec {
	p := plainPod()
	p.Name, p.Spec.NodeName, p.Spec.RestartPolicy = "", "", restart
	p.Spec.Containers, p.Spec.InitContainers = p.Spec.Containers[:1], nil
	return corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec}
}

func ptr[T any](v T) *T { return &v }
