package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Pod is a pod of one container.
type Pod struct {
	// Namespace; empty means default. It must exist.
	Namespace, Name string
	// Node that it is bound to, past any scheduler; empty leaves it to one.
	Node   string
	Image  string
	Labels map[string]string
	// Policy of pulling; empty is Kubernetes' own default for that image.
	Policy corev1.PullPolicy
	// PullSecrets name secrets of the namespace.
	PullSecrets []string
}

// AddPod makes the pod. On a node with a kubelet it is started; elsewhere it is Pending until
// SetRunning.
func (c *Cluster) AddPod(ctx context.Context, p Pod) error {
	second := int64(1) // the lab's image ends at the first signal
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Labels: p.Labels},
		Spec: corev1.PodSpec{
			NodeName: p.Node, TerminationGracePeriodSeconds: &second,
			Containers: []corev1.Container{{Name: "app", Image: p.Image, ImagePullPolicy: p.Policy}},
		},
	}
	for _, s := range p.PullSecrets {
		pod.Spec.ImagePullSecrets = append(pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: s})
	}
	_, err := c.Client.CoreV1().Pods(namespace(p.Namespace)).Create(ctx, pod, metav1.CreateOptions{})
	return err
}

func namespace(name string) string {
	if name == "" {
		return metav1.NamespaceDefault
	}
	return name
}

// SetRunning gives a pod, of a node without a kubelet, the status of one that runs and is ready.
func (c *Cluster) SetRunning(ctx context.Context, ns, name string) error {
	pods := c.Client.CoreV1().Pods(namespace(ns))
	pod, err := pods.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	now := metav1.Now()
	pod.Status.Phase, pod.Status.StartTime = corev1.PodRunning, &now
	pod.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: corev1.ContainersReady, Status: corev1.ConditionTrue, LastTransitionTime: now},
	}
	pod.Status.ContainerStatuses = nil
	for _, ctr := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: ctr.Name, Image: ctr.Image, Ready: true, ContainerID: "containerd://lab-" + name + "-" + ctr.Name,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		})
	}
	_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}

// AwaitRunning returns the pod when it runs and is ready, and an error that tells what it waits
// for when that takes too long.
func (c *Cluster) AwaitRunning(ctx context.Context, ns, name string) (*corev1.Pod, error) {
	var pod *corev1.Pod
	err := await(ctx, "pod "+name, func(ctx context.Context) (err error) {
		pod, err = c.Client.CoreV1().Pods(namespace(ns)).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return running(pod)
	})
	return pod, err
}

// running says why a pod does not run and is not ready; nil when it does and is.
func running(pod *corev1.Pod) error {
	for _, s := range pod.Status.ContainerStatuses {
		if s.State.Waiting != nil {
			return fmt.Errorf("container %s waits: %s: %s", s.Name, s.State.Waiting.Reason, s.State.Waiting.Message)
		}
	}
	if pod.Status.Phase != corev1.PodRunning {
		return fmt.Errorf("it is %s %s", pod.Status.Phase, pod.Status.Message)
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("it runs and is not ready")
}
