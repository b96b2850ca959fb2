package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AddNode makes a Node that no kubelet speaks for, and makes it Ready.
func (c *Cluster) AddNode(ctx context.Context, name string, labels map[string]string) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	for k, v := range labels {
		node.Labels[k] = v
	}
	if _, err := c.Client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		return err
	}
	return c.SetReady(ctx, name, corev1.ConditionTrue)
}

// SetReady gives the Node's Ready condition that status. A real kubelet would soon take it back.
func (c *Cluster) SetReady(ctx context.Context, name string, status corev1.ConditionStatus) error {
	node, err := c.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	now := metav1.Now()
	ready := corev1.NodeCondition{
		Type: corev1.NodeReady, Status: status, LastHeartbeatTime: now, LastTransitionTime: now,
		Reason: "Lab", Message: fmt.Sprintf("the lab says that this node is ready: %s", status),
	}
	conditions := []corev1.NodeCondition{ready}
	for _, c := range node.Status.Conditions {
		if c.Type != corev1.NodeReady {
			conditions = append(conditions, c)
		}
	}
	node.Status.Conditions = conditions
	_, err = c.Client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
	return err
}

// Ready tells what the Node's Ready condition says, and Unknown while it has none.
func (c *Cluster) Ready(ctx context.Context, name string) (corev1.ConditionStatus, error) {
	node, err := c.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status, nil
		}
	}
	return corev1.ConditionUnknown, nil
}

// AwaitReady returns when the Node's Ready condition has that status.
func (c *Cluster) AwaitReady(ctx context.Context, name string, status corev1.ConditionStatus) error {
	return await(ctx, fmt.Sprintf("node %s with Ready=%s", name, status), func(ctx context.Context) error {
		now, err := c.Ready(ctx, name)
		if err == nil && now != status {
			err = fmt.Errorf("ready is %s", now)
		}
		return err
	})
}
