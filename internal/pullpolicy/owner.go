package pullpolicy

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Writer is who would write over a change made here, and what to change at the
// source in its place.
type Writer struct {
	// Name such as `Argo CD application "shop"`.
	Name string
	// Instead says where the same change belongs.
	Instead string
}

// mark is a label or an annotation by which a writer says that an object is its own.
// The keys are those that each project documents for this purpose.
type mark struct {
	key string
	// value must be equal, when not empty.
	value string
	// writer and instead take the mark's value for %s.
	writer, instead string
}

var marks = []mark{
	{"argocd.argoproj.io/tracking-id", "", "Argo CD application %s", "in the application's source repository"},
	{"argocd.argoproj.io/instance", "", "Argo CD application %s", "in the application's source repository"},
	{"helm.toolkit.fluxcd.io/name", "", "Flux HelmRelease %s", "in spec.values of the HelmRelease"},
	{"kustomize.toolkit.fluxcd.io/name", "", "Flux Kustomization %s", "in the source that the Kustomization reads"},
	{"meta.helm.sh/release-name", "", "Helm release %s", "by the chart's value for the pull policy and helm upgrade"},
	{"app.kubernetes.io/managed-by", "Helm", "%s", "by the chart's value for the pull policy and helm upgrade"},
	{"objectset.rio.cattle.io/owner-name", "", "Rancher Fleet or a k3s add-on (%s)", "in the bundle or manifest that it is made from"},
	{"objectset.rio.cattle.io/id", "", "Rancher Fleet or a k3s add-on (%s)", "in the bundle or manifest that it is made from"},
	{"configmanagement.gke.io/managed", "enabled", "Config Sync (%s)", "in the repository that it reads"},
	{"kapp.k14s.io/app", "", "kapp application %s", "in the files that kapp deploys"},
	{"olm.owner", "", "Operator Lifecycle Manager (%s)", "in the operator's ClusterServiceVersion or Subscription"},
	{"addonmanager.kubernetes.io/mode", "Reconcile", "the addon manager (%s)", "in the add-on's manifest on the control plane"},
}

// managers are field managers of the same writers, for objects without a mark.
var managers = map[string]mark{
	"argocd-controller":    {writer: "Argo CD", instead: "in the application's source repository"},
	"kustomize-controller": {writer: "Flux", instead: "in the source that its Kustomization reads"},
	"helm-controller":      {writer: "Flux", instead: "in spec.values of its HelmRelease"},
	"helm":                 {writer: "Helm", instead: "by the chart's value for the pull policy and helm upgrade"},
	"fleetagent":           {writer: "Rancher Fleet", instead: "in the bundle that it is made from"},
	"kapp-controller":      {writer: "kapp", instead: "in the files that kapp deploys"},
}

// WriterOf says who owns the object's content; nil when nothing tells of one. Only
// the writer of the object itself counts, not who made its namespace or scaled it.
func WriterOf(w Workload) *Writer {
	if o := w.Owner; o != nil {
		return &Writer{Name: fmt.Sprintf("%s %q", o.Kind, o.Name), Instead: "in that " + o.Kind}
	}
	for _, m := range marks {
		for _, all := range []map[string]string{w.Annotations, w.Labels} {
			if value, ok := all[m.key]; ok && (m.value == "" || m.value == value) {
				return &Writer{Name: fmt.Sprintf(m.writer, quoted(value, m)), Instead: m.instead}
			}
		}
	}
	for _, e := range w.Managed {
		if m, ok := managers[e.Manager]; ok && e.Subresource == "" {
			return &Writer{Name: m.writer + " (field manager " + e.Manager + ")", Instead: m.instead}
		}
	}
	return nil
}

func quoted(value string, m mark) string {
	if m.value != "" {
		return value
	}
	if m.key == "argocd.argoproj.io/tracking-id" { // APPLICATION:GROUP/KIND:NAMESPACE/NAME
		value, _, _ = strings.Cut(value, ":")
	}
	return fmt.Sprintf("%q", value)
}

// applier names a program that applies the policy of one of the containers by
// server-side apply and is no person's kubectl: it would apply it again.
func applier(w Workload, containers []Container) string {
	for _, e := range w.Managed {
		if e.Operation != metav1.ManagedFieldsOperationApply || e.Manager == Manager || strings.HasPrefix(e.Manager, "kubectl") {
			continue
		}
		set, err := fieldsOf(e)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(containers, func(c Container) bool { return set.Has(w.path(c)) }) {
			return e.Manager
		}
	}
	return ""
}
