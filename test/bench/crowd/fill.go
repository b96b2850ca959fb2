package crowd

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/cluster"
)

// Filler fills one lab's Kubernetes.
type Filler struct {
	client kubernetes.Interface
	etcd   etcd
	shapes shapes
	nodes  int
}

// New makes the one object of each kind that is copied, and the namespaces. The lab must have no controllers,
// which would make pods of their own or remove ours; nodes are those that an earlier Filler has left in it.
func New(ctx context.Context, l *lab.Lab, nodes int) (*Filler, error) {
	c, err := cluster.Connect(l, "")
	if err != nil {
		return nil, err
	}
	f := &Filler{client: c.Client, nodes: nodes, etcd: etcd{
		http: &http.Client{Transport: &http.Transport{DialContext: l.DialContext, MaxIdleConnsPerHost: writers}},
		url:  "http://127.0.0.1:2379",
	}}
	for n := range namespaces {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespaceOf(n)}}
		if _, err := f.client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, err
		}
	}
	f.shapes, err = makeShapes(ctx, f.client)
	return f, err
}

const writers = 4

// GrowTo adds nodes, with their pods and what owns these, until there are so many, and returns when
// the API server lists them all. It never takes away.
func (f *Filler) GrowTo(ctx context.Context, nodes int) error {
	puts := make(chan put, 2*mostPuts)
	g, gctx := errgroup.WithContext(ctx)
	for range writers {
		g.Go(func() error { return f.etcd.writeAll(gctx, puts) })
	}
	g.Go(func() error {
		defer close(puts)
		for n := f.nodes; n < nodes; n++ {
			all, err := f.shapes.withNode(n)
			if err != nil {
				return err
			}
			for _, p := range all {
				select {
				case puts <- p:
				case <-gctx.Done():
					return gctx.Err()
				}
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	f.nodes = nodes
	return f.await(ctx)
}

// await returns when the API server, which learns of it from etcd, lists as much as was written.
func (f *Filler) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		pods, err := f.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			return err
		}
		have := int64(len(pods.Items))
		if rest := pods.RemainingItemCount; rest != nil {
			have += *rest
		}
		if want := int64(f.nodes * PodsPerNode); have == want {
			return nil
		} else if have > want {
			return fmt.Errorf("the API server lists %d pods where %d were made", have, want)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d pods, of which the API server lists %d: %w", f.nodes*PodsPerNode, have, ctx.Err())
		case <-tick.C:
		}
	}
}
