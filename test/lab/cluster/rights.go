package cluster

import (
	"context"
	"fmt"

	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Grant lets a user (lab.KubeUser) do that and nothing more, in every namespace, by a ClusterRole
// and its binding, both named after the user. A second Grant replaces the first.
func (c *Cluster) Grant(ctx context.Context, user string, rules ...rbacv1.PolicyRule) error {
	rbac := c.Client.RbacV1()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "lab:" + user}, Rules: rules}
	if err := c.Revoke(ctx, user); err != nil {
		return err
	}
	if _, err := rbac.ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err := rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: role.ObjectMeta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	return err
}

// Revoke undoes Grant; there need not have been one.
func (c *Cluster) Revoke(ctx context.Context, user string) error {
	name := "lab:" + user
	if err := c.Client.RbacV1().ClusterRoleBindings().Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if err := c.Client.RbacV1().ClusterRoles().Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return nil
}

// AddBudget makes a PodDisruptionBudget for the pods with those labels. Its status is counted by
// the controllers of the lab (lab.KubeSpec); without them it is empty, which forbids every
// disruption, until SetAllowed.
func (c *Cluster) AddBudget(ctx context.Context, ns, name string, labels map[string]string, minAvailable int) error {
	min := intstr.FromInt(minAvailable)
	_, err := c.Client.PolicyV1().PodDisruptionBudgets(namespace(ns)).Create(ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &min, Selector: &metav1.LabelSelector{MatchLabels: labels}},
	}, metav1.CreateOptions{})
	return err
}

// SetAllowed gives the budget the status of one that allows so many disruptions, where no
// controllers count them.
func (c *Cluster) SetAllowed(ctx context.Context, ns, name string, disruptions int32) error {
	budgets := c.Client.PolicyV1().PodDisruptionBudgets(namespace(ns))
	b, err := budgets.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	b.Status.ObservedGeneration, b.Status.DisruptionsAllowed = b.Generation, disruptions
	b.Status.CurrentHealthy, b.Status.DesiredHealthy, b.Status.ExpectedPods = disruptions+1, 1, disruptions+1
	_, err = budgets.UpdateStatus(ctx, b, metav1.UpdateOptions{})
	return err
}

// AwaitAllowed returns when the controllers count so many allowed disruptions.
func (c *Cluster) AwaitAllowed(ctx context.Context, ns, name string, disruptions int32) error {
	return await(ctx, fmt.Sprintf("budget %s with %d disruptions allowed", name, disruptions), func(ctx context.Context) error {
		b, err := c.Client.PolicyV1().PodDisruptionBudgets(namespace(ns)).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if s := b.Status; s.ObservedGeneration != b.Generation || s.DisruptionsAllowed != disruptions {
			return fmt.Errorf("its status is %+v", s)
		}
		return nil
	})
}
