// Package cluster makes and asks for objects of the lab's Kubernetes, through client-go. It can
// speak for kubelets that are not there: such nodes and pods have the status that a test gives them.
package cluster

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pullway/pullway/test/lab"
)

// Cluster is the lab's Kubernetes as one user sees it.
type Cluster struct {
	// Client is for everything that the methods do not do.
	Client kubernetes.Interface
}

// awaitAtMost bounds every wait; the end of the context does too.
const awaitAtMost = 2 * time.Minute

// Connect gives the lab's Kubernetes to the user of that kubeconfig; empty means the admin. It
// asks nothing yet. It works outside of the lab's network.
func Connect(l *lab.Lab, kubeconfig string) (*Cluster, error) {
	if l.Kube() == nil {
		return nil, fmt.Errorf("the lab %s has no Kubernetes", l.Dir())
	}
	if kubeconfig == "" {
		kubeconfig = l.Kube().AdminKubeconfig()
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	cfg.Dial = l.DialContext
	// The client's own limit is for a cluster with other users.
	cfg.QPS, cfg.Burst = -1, 0
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	return &Cluster{Client: client}, nil
}

// await asks again and again until the answer is yes; last says what was wrong with it so far.
func await(ctx context.Context, what string, ask func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, awaitAtMost)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // an answer that the end of the time cut off says less
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last answer: %v)", what, ctx.Err(), last)
		case <-tick.C:
		}
	}
}
