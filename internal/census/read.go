// Package census reads from an API server what internal/impact needs of a cluster:
// nodes, pods, their owners, budgets and autoscalers. It reads and never writes.
//
// Lists come in pages of protobuf, of which only the fields that matter are looked
// at: no page is decoded into objects, nothing is cached, and what pods have in
// common is kept once. 150,000 pods take some 10 MB that way (decision 17).
package census

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/kube"
)

// Options of Read.
type Options struct {
	// PageSize is how many items are asked for at once; 0 means 500.
	PageSize int64
	// Pause before a page is asked for again after a failure; 0 means a second,
	// which is doubled each time.
	Pause time.Duration
}

// Source is what lists are read from; *kube.Cluster is one.
type Source interface {
	Page(ctx context.Context, path string, o metav1.ListOptions, buf []byte) ([]byte, error)
	Version(ctx context.Context) (string, error)
}

// lanes is how many lists are read at once. The pods are the first and by far the
// longest, so that more would save no time and hold more pages in memory.
const lanes = 3

// list is one list to read.
type list struct {
	path string
	// right is the resource as a ClusterRole names it, group its group.
	group, right string
	kind         string
	// means says what the assessment lacks without it.
	means string
	add   func([]byte) error
	// reset forgets what was added, to begin anew; nil when adding twice does no harm.
	reset func()
}

// ErrPods is the error of a cluster whose pods could not be listed.
var ErrPods = errors.New("the pods of the cluster could not be listed, so nobody can say who is hurt")

// Read reads some lists at a time. What cannot be read, for
// want of a right or because there is no such API, is in Gaps; when it is the pods
// the error is ErrPods, and the rest is returned all the same. Another error means
// that there is nothing to assess: the server does not answer, or not as one.
func Read(ctx context.Context, from Source, opt Options) (*impact.Cluster, error) {
	if opt.PageSize <= 0 {
		opt.PageSize = 500
	}
	if opt.Pause <= 0 {
		opt.Pause = time.Second
	}
	s := newStore()
	// First alone, so that a server that does not answer is asked once.
	version, err := from.Version(ctx)
	var refused *kube.Error
	if err != nil && (!errors.As(err, &refused) || !apierrors.IsForbidden(err)) {
		return nil, err
	}
	r := &reader{from: from, opt: opt, store: s}
	lists := s.lists()
	gaps := make([]*impact.Gap, len(lists))
	fatal := make([]error, len(lists))
	var wg sync.WaitGroup
	lane := make(chan struct{}, lanes)
	for i := range lists {
		lane <- struct{}{}
		wg.Go(func() {
			defer func() { <-lane }()
			err := r.list(ctx, &lists[i])
			switch {
			case err == nil:
			case ctx.Err() != nil:
				fatal[i] = err
			default:
				gaps[i] = gapOf(&lists[i], err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(fatal...); err != nil {
		return nil, fatal[0]
	}
	c, err := s.finish()
	if err != nil {
		return nil, err
	}
	c.Version = version
	c.Gaps = append(c.Gaps, r.notes...)
	for _, g := range gaps {
		if g != nil {
			c.Gaps = append(c.Gaps, *g)
		}
	}
	for i, g := range gaps {
		if g != nil && lists[i].right == "pods" {
			return c, fmt.Errorf("%w: %s", ErrPods, g.Why)
		}
	}
	return c, nil
}

func (s *store) lists() []list {
	return []list{
		{path: "/api/v1/pods", right: "pods", kind: "PodList", means: "who is hurt is not known", add: s.addPod, reset: func() { s.c.Pods = s.c.Pods[:0] }},
		{path: "/api/v1/nodes", right: "nodes", kind: "NodeList", means: "where images are and where pods could go is not known", add: s.addNode, reset: func() { s.c.Nodes = s.c.Nodes[:0]; clear(s.nodes) }},
		{path: "/apis/apps/v1/deployments", group: "apps", right: "deployments", kind: "DeploymentList", means: "replicas and rollouts of Deployments are counted by their pods", add: s.replicated("Deployment", 7, 3)},
		{path: "/apis/apps/v1/statefulsets", group: "apps", right: "statefulsets", kind: "StatefulSetList", means: "replicas and rollouts of StatefulSets are counted by their pods", add: s.replicated("StatefulSet", 3, 5)},
		{path: "/apis/apps/v1/daemonsets", group: "apps", right: "daemonsets", kind: "DaemonSetList", means: "rollouts of DaemonSets are not seen", add: s.daemonSet},
		{path: "/apis/batch/v1/jobs", group: "batch", right: "jobs", kind: "JobList", means: "Jobs are shown in place of their CronJobs", add: s.job},
		{path: "/apis/batch/v1/cronjobs", group: "batch", right: "cronjobs", kind: "CronJobList", means: "CronJobs that are due are not seen", add: s.cronJob},
		{path: "/apis/policy/v1/poddisruptionbudgets", group: "policy", right: "poddisruptionbudgets", kind: "PodDisruptionBudgetList", means: "what disruption budgets protect is not known", add: s.budget, reset: func() { s.c.Budgets = s.c.Budgets[:0] }},
		{path: "/apis/autoscaling/v2/horizontalpodautoscalers", group: "autoscaling", right: "horizontalpodautoscalers", kind: "HorizontalPodAutoscalerList", means: "workloads about to be scaled up are not seen", add: s.scaler, reset: func() { s.c.Scalers = s.c.Scalers[:0] }},
	}
}

// gapOf says what was not read and what that means.
func gapOf(l *list, err error) *impact.Gap {
	name := l.right
	if l.group != "" {
		name += "." + l.group
	}
	g := &impact.Gap{What: "list " + name, Why: err.Error(), Means: l.means}
	var e *kube.Error
	if errors.As(err, &e) {
		g.Hint = e.Hint()
	}
	if apierrors.IsForbidden(err) {
		g.Hint = "pullway assess --print-rbac prints the role that is enough"
	}
	return g
}
