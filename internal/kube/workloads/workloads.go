// Package workloads reads the objects that run pods and writes to them what a
// caller has made: a server-side apply or a JSON patch, nothing else. It is the
// only part that writes to a cluster, and decides nothing.
package workloads

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"

	"github.com/pullway/pullway/internal/kube"
)

var (
	known  = runtime.NewScheme()
	params = runtime.NewParameterCodec(known)
)

func init() {
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, policyv1.AddToScheme} {
		utilruntime.Must(add(known))
	}
}

// Object names one object by its API.
type Object struct {
	// APIVersion such as "apps/v1", and Resource such as "deployments".
	APIVersion, Resource string
	Namespace, Name      string
}

func (o Object) String() string {
	switch {
	case o.Name == "" && o.Namespace == "":
		return o.Resource
	case o.Name == "":
		return fmt.Sprintf("%s of namespace %q", o.Resource, o.Namespace)
	}
	return fmt.Sprintf("%s %s/%s", o.Resource, o.Namespace, o.Name)
}

// Cluster is one API server as its user may see and change it.
type Cluster struct {
	base    *kube.Cluster
	needs   string
	manager string
	clients map[string]rest.Interface
}

// Open takes the cluster of a kubeconfig, as kube.Open does. manager is the field
// manager of what is written; needs is told to a user who may not do something.
func Open(file, contextName, manager, needs string) (*Cluster, error) {
	base, err := kube.Open(file, contextName)
	if err != nil {
		return nil, err
	}
	c := &Cluster{base: base, needs: needs, manager: manager, clients: map[string]rest.Interface{}}
	codecs := serializer.NewCodecFactory(known).WithoutConversion()
	for _, gv := range []schema.GroupVersion{corev1.SchemeGroupVersion, appsv1.SchemeGroupVersion, batchv1.SchemeGroupVersion, policyv1.SchemeGroupVersion} {
		if c.clients[gv.String()], err = base.Client(gv, codecs); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Server is the API server's URL.
func (c *Cluster) Server() string { return c.base.Server() }

// Get reads one object.
func (c *Cluster) Get(ctx context.Context, o Object) (runtime.Object, error) {
	var got runtime.Object
	err := c.base.Ask(ctx, "get "+o.String(), c.needs, func(ctx context.Context) (err error) {
		got, err = c.clients[o.APIVersion].Get().Namespace(o.Namespace).Resource(o.Resource).Name(o.Name).Do(ctx).Get()
		return err
	})
	return got, err
}

// Apply makes a server-side apply by the manager, with force, and gives the object
// that came of it. dryRun has the server do everything but keep it.
func (c *Cluster) Apply(ctx context.Context, o Object, body []byte, dryRun bool) (runtime.Object, error) {
	return c.patch(ctx, o, types.ApplyPatchType, body, dryRun)
}

// Patch makes a JSON patch by the manager.
func (c *Cluster) Patch(ctx context.Context, o Object, body []byte, dryRun bool) (runtime.Object, error) {
	return c.patch(ctx, o, types.JSONPatchType, body, dryRun)
}

func (c *Cluster) patch(ctx context.Context, o Object, kind types.PatchType, body []byte, dryRun bool) (runtime.Object, error) {
	opts := metav1.PatchOptions{FieldManager: c.manager}
	if kind == types.ApplyPatchType {
		force := true
		opts.Force = &force
	}
	if dryRun {
		opts.DryRun = []string{metav1.DryRunAll}
	}
	var got runtime.Object
	err := c.base.Ask(ctx, "patch "+o.String(), c.needs, func(ctx context.Context) (err error) {
		got, err = c.clients[o.APIVersion].Patch(kind).Namespace(o.Namespace).Resource(o.Resource).Name(o.Name).
			VersionedParams(&opts, params).Body(body).Do(ctx).Get()
		return err
	})
	return got, err
}

// pageSize is how many objects are read at once.
const pageSize = 500

// Selection says which objects of a resource: Namespace empty means all of them.
type Selection struct {
	Labels string
	// Most is how many are read before it is an error.
	Most int
}

// List gives the objects of a resource, o without a name, to each, one page after
// the other.
func (c *Cluster) List(ctx context.Context, o Object, s Selection, each func(runtime.Object)) error {
	opts := metav1.ListOptions{Limit: pageSize, LabelSelector: s.Labels}
	for read := 0; ; {
		var items []runtime.Object
		err := c.base.Ask(ctx, "list "+o.String(), c.needs, func(ctx context.Context) error {
			list, err := c.clients[o.APIVersion].Get().Namespace(o.Namespace).Resource(o.Resource).VersionedParams(&opts, params).Do(ctx).Get()
			if err != nil {
				return err
			}
			items, opts.Continue, err = itemsOf(list)
			return err
		})
		if err != nil {
			return err
		}
		if read += len(items); read > s.Most {
			return fmt.Errorf("list %s: more than %d", o, s.Most)
		}
		for _, item := range items {
			each(item)
		}
		if opts.Continue == "" {
			return nil
		}
	}
}

// itemsOf takes a list apart, and gives where it goes on.
func itemsOf(list runtime.Object) (items []runtime.Object, next string, err error) {
	l, err := meta.ListAccessor(list)
	if err != nil {
		return nil, "", errors.New("the answer is no list")
	}
	items, err = meta.ExtractList(list)
	return items, l.GetContinue(), err
}
