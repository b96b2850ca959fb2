package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
)

const (
	// pageWithin is how long one page of a long list may take.
	pageWithin = time.Minute
	// maxPage is the biggest page that is taken, in bytes.
	maxPage = 64 << 20
)

// ErrPageTooBig is the error of a page of more than 64 MiB; ask for fewer items.
var ErrPageTooBig = errors.New("the page is too big")

const protobuf = "application/vnd.kubernetes.protobuf"

// Page asks for one page of a list, such as that at /api/v1/pods, as protobuf, and
// reads it whole into buf, which it makes bigger when need be. What is returned
// begins with Kubernetes' own envelope. An error is an *Error or ErrPageTooBig.
func (c *Cluster) Page(ctx context.Context, path string, o metav1.ListOptions, buf []byte) ([]byte, error) {
	what := "list " + path
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return buf, toError(what, ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, pageWithin)
	defer cancel()
	body, err := c.core.Get().AbsPath(path).SetHeader("Accept", protobuf).VersionedParams(&o, params).Stream(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return buf, toError(what, err)
	}
	defer func() { _ = body.Close() }()
	buf, err = readInto(buf[:0], body)
	switch {
	case errors.Is(err, ErrPageTooBig):
		return buf, fmt.Errorf("%s of Kubernetes: %w", what, ErrPageTooBig)
	case err != nil:
		return buf, toError(what, err)
	}
	return buf, nil
}

// readInto reads r to its end, at most maxPage.
func readInto(buf []byte, r io.Reader) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):min(cap(buf), maxPage+1)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > maxPage:
			return buf, ErrPageTooBig
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return buf, err
		}
	}
}

// Version asks for the API server's version, such as v1.37.2.
func (c *Cluster) Version(ctx context.Context) (string, error) {
	var v version.Info
	err := c.ask(ctx, "get /version", func(ctx context.Context) error {
		b, err := c.core.Get().AbsPath("/version").SetHeader("Accept", "application/json").DoRaw(ctx)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, &v)
	})
	return oneLine(v.GitVersion), err
}

// InCluster is the cluster that this program runs in, by the service account of its
// pod. ok is false outside of a cluster.
func InCluster() (c *Cluster, ok bool, err error) {
	cfg, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, false, nil
	}
	if err != nil {
		return nil, true, fmt.Errorf("service account of this pod: %s", oneLine(err.Error()))
	}
	c, err = connectTo(cfg)
	return c, true, err
}

// Names are what a Kubernetes node goes by.
type Names struct {
	Name string
	// Hostname is the label kubernetes.io/hostname, IPs the InternalIP addresses.
	Hostname string
	IPs      []string
}

// Find tells for each machine by its name which of the nodes it is; see match for
// the rule. A machine that is none, or could be several, is not in found; why then
// says so.
func Find(machines []Machine, all []Names) (found map[string]string, why map[string]string, err error) {
	nodes := make([]node, len(all))
	for i, n := range all {
		nodes[i] = node{Name: n.Name, Hostname: n.Hostname, IPs: n.IPs}
	}
	matches, err := match(machines, nodes)
	if err != nil {
		return nil, nil, &Error{Text: "Kubernetes: " + err.Error(), hint: "is this the kubeconfig of another cluster? --context names another one of its contexts", final: true}
	}
	found, why = map[string]string{}, map[string]string{}
	for name, m := range matches {
		if a, ok := unmatched(m); ok {
			found[name] = m.node
		} else if why[name] = a.Reason; a.Reason == "" {
			why[name] = a.Notes[0]
		}
	}
	return found, why, nil
}
