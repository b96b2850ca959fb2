package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// The bounds of what is asked of an API server.
const (
	mostInFlight  = 4
	requestWithin = 10 * time.Second
	pageSize      = 500
	maxNodes      = 20000 // Kubernetes itself is made for 5,000
	maxPods       = 5000  // on one node
	maxBudgets    = 50000
)

// Cluster reads from one API server. At most mostInFlight requests are under way
// at once, and each takes at most requestWithin.
type Cluster struct {
	core, policy rest.Interface
	slots        chan struct{}
	within       time.Duration // for one request
	server       string
	client       func(schema.GroupVersion, runtime.NegotiatedSerializer) (rest.Interface, error)
}

// Ask makes one request in a slot and within its time, for those who have a Client.
// What went wrong is an *Error, which names what was asked for; needs says which
// rights that takes.
func (c *Cluster) Ask(ctx context.Context, what, needs string, do func(context.Context) error) error {
	err := c.ask(ctx, what, do)
	var e *Error
	if errors.As(err, &e) && e.forbidden {
		e.hint = needs
	}
	return err
}

// ask makes one request in a slot and within its time.
func (c *Cluster) ask(ctx context.Context, what string, do func(context.Context) error) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return toError(what, ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, c.within)
	defer cancel()
	if err := do(ctx); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // client-go tells of it in many ways
		}
		return toError(what, err)
	}
	return nil
}

// pages asks for page after page, at most most things in all.
func (c *Cluster) pages(ctx context.Context, what string, most int, page func(context.Context, metav1.ListOptions) (read int, next string, err error)) error {
	opts := metav1.ListOptions{Limit: pageSize}
	total := 0
	for {
		var read int
		var next string
		err := c.ask(ctx, what, func(ctx context.Context) (err error) {
			read, next, err = page(ctx, opts)
			return err
		})
		if err != nil {
			return err
		}
		if total += read; total > most {
			return &Error{Text: fmt.Sprintf("Kubernetes: %s: more than %d", what, most), final: true}
		}
		if next == "" {
			return nil
		}
		opts.Continue = next
	}
}

// nodes lists all nodes.
func (c *Cluster) nodes(ctx context.Context) ([]node, error) {
	var all []node
	err := c.pages(ctx, "list nodes", maxNodes, func(ctx context.Context, o metav1.ListOptions) (int, string, error) {
		var l corev1.NodeList
		if err := list(ctx, c.core, "nodes", o, &l); err != nil {
			return 0, "", err
		}
		for i := range l.Items {
			all = append(all, nodeFrom(&l.Items[i]))
		}
		return len(l.Items), l.Continue, nil
	})
	return all, err
}

// node reads one node.
func (c *Cluster) node(ctx context.Context, name string) (node, error) {
	var n node
	err := c.ask(ctx, fmt.Sprintf("get node %q", name), func(ctx context.Context) error {
		var got corev1.Node
		err := c.core.Get().Resource("nodes").Name(name).Do(ctx).Into(&got)
		if err == nil && got.Name != name {
			err = fmt.Errorf("the answer is about %q", got.Name)
		}
		n = nodeFrom(&got)
		return err
	})
	return n, err
}

// pods lists the pods of one node.
func (c *Cluster) pods(ctx context.Context, node string) ([]pod, error) {
	var all []pod
	err := c.pages(ctx, fmt.Sprintf("list pods of node %q", node), maxPods, func(ctx context.Context, o metav1.ListOptions) (int, string, error) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", node).String()
		var l corev1.PodList
		if err := list(ctx, c.core, "pods", o, &l); err != nil {
			return 0, "", err
		}
		for i := range l.Items {
			all = append(all, podFrom(&l.Items[i]))
		}
		return len(l.Items), l.Continue, nil
	})
	return all, err
}

// budgets lists the disruption budgets of all namespaces.
func (c *Cluster) budgets(ctx context.Context) ([]budget, error) {
	var all []budget
	err := c.pages(ctx, "list poddisruptionbudgets", maxBudgets, func(ctx context.Context, o metav1.ListOptions) (int, string, error) {
		var l policyv1.PodDisruptionBudgetList
		if err := list(ctx, c.policy, "poddisruptionbudgets", o, &l); err != nil {
			return 0, "", err
		}
		for i := range l.Items {
			b, err := budgetFrom(&l.Items[i])
			if err != nil {
				return 0, "", err
			}
			all = append(all, b)
		}
		return len(l.Items), l.Continue, nil
	})
	return all, err
}
