package kube

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func nodeFrom(n *corev1.Node) node {
	out := node{Name: n.Name, Hostname: n.Labels[corev1.LabelHostname], Cordoned: n.Spec.Unschedulable, Why: "it has no Ready condition"}
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			out.IPs = append(out.IPs, a.Address)
		}
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			out.Ready = c.Status == corev1.ConditionTrue
			out.Why = oneLine(fmt.Sprintf("%s (%s)", c.Message, c.Reason))
		}
	}
	return out
}

func podFrom(p *corev1.Pod) pod {
	out := pod{Namespace: p.Namespace, Name: p.Name, UID: string(p.UID), Labels: p.Labels,
		Finished: p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed}
	restartable := map[string]bool{}
	for _, c := range p.Spec.InitContainers {
		restartable[c.Name] = c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	}
	for _, s := range p.Status.InitContainerStatuses {
		if restartable[s.Name] {
			out.Containers = append(out.Containers, containerFrom(s))
		}
	}
	for _, s := range p.Status.ContainerStatuses {
		out.Containers = append(out.Containers, containerFrom(s))
	}
	return out
}

func containerFrom(s corev1.ContainerStatus) container {
	c := container{Name: s.Name, ID: s.ContainerID, Restarts: s.RestartCount}
	if s.State.Running != nil {
		c.Started = s.State.Running.StartedAt.Time
	}
	for _, state := range []corev1.ContainerState{s.State, s.LastTerminationState} {
		c.OOM = c.OOM || state.Terminated != nil && state.Terminated.Reason == "OOMKilled"
	}
	return c
}

// budgetFrom fails on a selector that no API server would have taken.
func budgetFrom(b *policyv1.PodDisruptionBudget) (budget, error) {
	s, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
	if err != nil {
		return budget{}, fmt.Errorf("selector of %s/%s: %w", b.Namespace, b.Name, err)
	}
	out := budget{Namespace: b.Namespace, Name: b.Name, Selector: s, Allowed: b.Status.DisruptionsAllowed}
	if b.Status.ObservedGeneration < b.Generation {
		out.Allowed = 0
	}
	return out, nil
}
