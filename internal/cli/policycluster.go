package cli

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pullway/pullway/internal/kube/workloads"
	"github.com/pullway/pullway/internal/pullpolicy"
)

// policyCluster is a pullpolicy.Cluster and a pullpolicy.Images over an API server.
type policyCluster struct{ *workloads.Cluster }

// mostObjects is how many objects of a kind are read, at most.
const mostObjects = 200000

func objectOf(r pullpolicy.Ref) workloads.Object {
	return workloads.Object{APIVersion: r.Kind.APIVersion(), Resource: r.Kind.Resource(), Namespace: r.Namespace, Name: r.Name}
}

func workloadOf(r pullpolicy.Ref, got runtime.Object, err error) (pullpolicy.Workload, error) {
	if err != nil {
		return pullpolicy.Workload{}, err
	}
	w, ok := pullpolicy.From(got)
	if !ok || w.Ref != r {
		return pullpolicy.Workload{}, fmt.Errorf("%s: the answer is about something else", r)
	}
	return w, nil
}

func (c policyCluster) Get(ctx context.Context, r pullpolicy.Ref) (pullpolicy.Workload, error) {
	got, err := c.Cluster.Get(ctx, objectOf(r))
	return workloadOf(r, got, err)
}

func (c policyCluster) Apply(ctx context.Context, w pullpolicy.Write, dryRun bool) (pullpolicy.Workload, error) {
	got, err := c.Cluster.Apply(ctx, objectOf(w.Ref), w.Body, dryRun)
	return workloadOf(w.Ref, got, err)
}

func (c policyCluster) Patch(ctx context.Context, w pullpolicy.Write, dryRun bool) (pullpolicy.Workload, error) {
	got, err := c.Cluster.Patch(ctx, objectOf(w.Ref), w.Body, dryRun)
	return workloadOf(w.Ref, got, err)
}

func (c policyCluster) Budgets(ctx context.Context, namespace string) ([]pullpolicy.Budget, error) {
	var all []pullpolicy.Budget
	var bad error
	err := c.List(ctx, workloads.Object{APIVersion: "policy/v1", Resource: "poddisruptionbudgets", Namespace: namespace}, workloads.Selection{Most: mostObjects}, func(o runtime.Object) {
		b, ok := o.(*policyv1.PodDisruptionBudget)
		if !ok {
			return
		}
		s, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil {
			bad = fmt.Errorf("selector of PodDisruptionBudget %s/%s: %w", b.Namespace, b.Name, err)
			return
		}
		allowed := int(b.Status.DisruptionsAllowed)
		if b.Status.ObservedGeneration < b.Generation {
			allowed = 0
		}
		all = append(all, pullpolicy.Budget{Namespace: b.Namespace, Name: b.Name, Selector: s, Allowed: allowed})
	})
	if err == nil {
		err = bad
	}
	return all, err
}

func (c policyCluster) Pods(ctx context.Context, namespace string, s labels.Selector) ([]corev1.Pod, error) {
	var all []corev1.Pod
	err := c.List(ctx, workloads.Object{APIVersion: "v1", Resource: "pods", Namespace: namespace}, workloads.Selection{Labels: s.String(), Most: mostObjects}, func(o runtime.Object) {
		if p, ok := o.(*corev1.Pod); ok {
			all = append(all, *p)
		}
	})
	return all, err
}

func (c policyCluster) nodes(ctx context.Context) ([]corev1.Node, error) {
	var all []corev1.Node
	err := c.List(ctx, workloads.Object{APIVersion: "v1", Resource: "nodes"}, workloads.Selection{Most: mostObjects}, func(o runtime.Object) {
		if n, ok := o.(*corev1.Node); ok {
			all = append(all, *n)
		}
	})
	return all, err
}

// nodesFor is how long one reading of the nodes serves: they are many and large.
const nodesFor = time.Minute

// nodeImages is a pullpolicy.Images that looks at what nodes and pods tell.
type nodeImages struct {
	cluster policyCluster
	now     func() time.Time
	at      time.Time
	known   []corev1.Node
}

func (n *nodeImages) nodes(ctx context.Context) ([]corev1.Node, error) {
	if !n.at.IsZero() && n.now().Sub(n.at) < nodesFor {
		return n.known, nil
	}
	all, err := n.cluster.nodes(ctx)
	if err == nil {
		n.known, n.at = all, n.now()
	}
	return all, err
}

// Missing implements pullpolicy.Images.
func (n *nodeImages) Missing(ctx context.Context, w pullpolicy.Workload, containers []pullpolicy.Container, pods []corev1.Pod) ([]pullpolicy.Absent, error) {
	nodes, err := n.nodes(ctx)
	if err != nil {
		return nil, err
	}
	return pullpolicy.Missing(w, containers, nodes, pods), nil
}
