package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pullway/pullway/internal/kube/workloads"
	"github.com/pullway/pullway/internal/pullpolicy"
)

// policyFlags say which cluster, and which of its workloads.
type policyFlags struct {
	clusterFlags
	namespaces []string
	everywhere bool
	selector   string
}

func (p *policyFlags) register(c *cobra.Command) {
	p.clusterFlags.register(c, "kubeconfig of the cluster")
	f := c.Flags()
	f.StringSliceVar(&p.namespaces, "namespace", nil, "the workloads of these namespaces")
	f.BoolVar(&p.everywhere, "all-namespaces", false, "the workloads of all namespaces")
	f.StringVarP(&p.selector, "selector", "l", "", "only workloads with these labels, such as app=web")
	c.MarkFlagsMutuallyExclusive("namespace", "all-namespaces")
}

// policyNeeds is the hint for a user who may not do something.
const policyNeeds = "pullway policy role prints the rights that are needed"

func (p *policyFlags) open() (policyCluster, error) {
	if p.kubeconfig == "" {
		return policyCluster{}, usage(errors.New("no cluster was named"), "use --kubeconfig FILE")
	}
	if _, err := labels.Parse(p.selector); err != nil {
		return policyCluster{}, usage(fmt.Errorf("--selector %q: %w", p.selector, err), "such as app=web,tier!=db")
	}
	c, err := workloads.Open(p.kubeconfig, p.context, pullpolicy.Manager, policyNeeds)
	if err != nil {
		return policyCluster{}, usage(err, "")
	}
	return policyCluster{c}, nil
}

// named tells that something says which workloads.
func (p *policyFlags) named() bool { return len(p.namespaces) > 0 || p.everywhere || p.selector != "" }

func refsOf(args []string) ([]pullpolicy.Ref, error) {
	var refs []pullpolicy.Ref
	for _, arg := range args {
		r, err := pullpolicy.ParseRef(arg)
		if err != nil {
			return nil, usage(err, "")
		}
		refs = append(refs, r)
	}
	return refs, nil
}

// list reads the workloads of those kinds that the flags name, in their order.
func (p *policyFlags) list(ctx context.Context, c policyCluster, of []pullpolicy.Kind, keep func(pullpolicy.Workload) bool) ([]pullpolicy.Workload, error) {
	namespaces := p.namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	var all []pullpolicy.Workload
	for _, k := range of {
		for _, ns := range namespaces {
			o := workloads.Object{APIVersion: k.APIVersion(), Resource: k.Resource(), Namespace: ns}
			err := c.List(ctx, o, workloads.Selection{Labels: p.selector, Most: mostObjects}, func(got runtime.Object) {
				if w, ok := pullpolicy.From(got); ok && keep(w) {
					all = append(all, w)
				}
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// owned gives the workload itself, or the one that controls it: what a person names
// a pod, or a replica set, to mean is what made it.
func (c policyCluster) owned(ctx context.Context, r pullpolicy.Ref) (pullpolicy.Workload, error) {
	w, err := c.Get(ctx, r)
	for range 3 { // a pod, its replica set or job, and what made that
		if err != nil || w.Owner == nil {
			return w, err
		}
		up := pullpolicy.Ref{Namespace: w.Namespace, Kind: pullpolicy.Kind(w.Owner.Kind), Name: w.Owner.Name}
		if !slices.Contains(append(pullpolicy.Changeable, pullpolicy.Job), up.Kind) || up.Kind.APIVersion() != w.Owner.APIVersion {
			return w, nil
		}
		w, err = c.Get(ctx, up)
	}
	return w, err
}

// wanted are the workloads that a freeze is about: those named, those of an
// assessment that are still there, and those that the flags select.
func (p *policyFlags) wanted(ctx context.Context, c policyCluster, refs, risky []pullpolicy.Ref) ([]pullpolicy.Workload, error) {
	var all []pullpolicy.Workload
	for i, r := range slices.Concat(refs, risky) {
		w, err := c.owned(ctx, r)
		var gone interface{ Gone() bool }
		if i >= len(refs) && errors.As(err, &gone) && gone.Gone() {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	if p.named() {
		// What others of these kinds made is changed where it is made.
		top := []pullpolicy.Kind{pullpolicy.Job, pullpolicy.Pod}
		listed, err := p.list(ctx, c, append(slices.Clone(pullpolicy.Changeable), top...), func(w pullpolicy.Workload) bool {
			return (w.Owner == nil || w.Kind != pullpolicy.ReplicaSet && w.Kind != pullpolicy.Job && w.Kind != pullpolicy.Pod || w.Static) && pullpolicy.Concerned(w)
		})
		if err != nil {
			return nil, err
		}
		all = append(all, listed...)
	}
	return pullpolicy.Distinct(all), nil
}
