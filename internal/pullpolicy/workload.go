// Package pullpolicy decides what of imagePullPolicy is changed in a cluster's
// workloads, what must not be, and how each of them gets back what it had; and it
// drives such a change, one workload after the other.
//
// The decisions are pure. What they work on is Workload, made of the API's own
// types; what they make is a request's body. The driver reaches the cluster, the
// record and the images on the nodes through its own interfaces.
package pullpolicy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Kind of a workload, as the API writes it.
type Kind string

// The kinds whose template can be changed, and those that are only looked at.
const (
	Deployment  Kind = "Deployment"
	StatefulSet Kind = "StatefulSet"
	DaemonSet   Kind = "DaemonSet"
	CronJob     Kind = "CronJob"
	ReplicaSet  Kind = "ReplicaSet"
	Job         Kind = "Job"
	Pod         Kind = "Pod"
)

// Changeable are the kinds whose pod template may be changed, in the order in
// which they are listed and worked on.
var Changeable = []Kind{Deployment, StatefulSet, DaemonSet, CronJob, ReplicaSet}

// kinds are all that a person may name, with what kubectl also calls them.
var kinds = []struct {
	kind  Kind
	names []string
}{
	{Deployment, []string{"deployment", "deployments", "deploy"}},
	{StatefulSet, []string{"statefulset", "statefulsets", "sts"}},
	{DaemonSet, []string{"daemonset", "daemonsets", "ds"}},
	{CronJob, []string{"cronjob", "cronjobs", "cj"}},
	{ReplicaSet, []string{"replicaset", "replicasets", "rs"}},
	{Job, []string{"job", "jobs"}},
	{Pod, []string{"pod", "pods", "po"}},
}

// APIVersion that a kind is read and written in.
func (k Kind) APIVersion() string {
	switch k {
	case Pod:
		return "v1"
	case CronJob, Job:
		return "batch/v1"
	}
	return "apps/v1"
}

// Resource is the kind as it stands in a URL.
func (k Kind) Resource() string { return strings.ToLower(string(k)) + "s" }

// Ref names one workload.
type Ref struct {
	Namespace string `json:"namespace"`
	Kind      Kind   `json:"kind"`
	Name      string `json:"name"`
}

// String is the form that ParseRef reads: default/deployment/web.
func (r Ref) String() string {
	return r.Namespace + "/" + strings.ToLower(string(r.Kind)) + "/" + r.Name
}

// ParseRef reads NAMESPACE/KIND/NAME; kinds as kubectl names them.
func ParseRef(s string) (Ref, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return Ref{}, fmt.Errorf("workload %q is not NAMESPACE/KIND/NAME, such as default/deployment/web", s)
	}
	for _, part := range []string{parts[0], parts[2]} {
		if !plainName(part) {
			return Ref{}, fmt.Errorf("workload %q: %q is no name of a Kubernetes object", s, part)
		}
	}
	kind := kindOf(parts[1])
	if kind == "" {
		return Ref{}, fmt.Errorf("workload %q: the kind is none of deployment, statefulset, daemonset, cronjob, replicaset, job, pod", s)
	}
	return Ref{Namespace: parts[0], Kind: kind, Name: parts[2]}, nil
}

// kindOf is the kind that goes by a name; empty for none.
func kindOf(name string) Kind {
	for _, k := range kinds {
		if slices.Contains(k.names, strings.ToLower(name)) {
			return k.kind
		}
	}
	return ""
}

// plainName: lower-case letters, digits, "-" and ".", as DNS has them; it becomes
// a part of a URL.
func plainName(s string) bool {
	return len(s) <= 253 && strings.Trim(s, ".") != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

func (r Ref) compare(o Ref) int {
	order := func(k Kind) int {
		return slices.IndexFunc(kinds, func(e struct {
			kind  Kind
			names []string
		}) bool {
			return e.kind == k
		})
	}
	return cmp.Or(cmp.Compare(r.Namespace, o.Namespace), cmp.Compare(order(r.Kind), order(o.Kind)), cmp.Compare(r.Name, o.Name))
}

// Container is one container of a pod template.
type Container struct {
	Name  string `json:"name"`
	Image string `json:"image"`
	// Init containers stand in another list; sidecars are among them.
	Init bool `json:"init,omitempty"`
	// Policy is always explicit in what an API server gives: an absent one was made
	// Always (tag latest or none) or IfNotPresent when the object was written.
	Policy corev1.PullPolicy `json:"policy"`
}

// Workload is what is looked at of an object with a pod template, or of a pod.
type Workload struct {
	Ref
	UID, ResourceVersion string
	Labels, Annotations  map[string]string
	// Owner controls it; nil for none.
	Owner      *metav1.OwnerReference
	Containers []Container
	Managed    []metav1.ManagedFieldsEntry
	// Template is nil for a Pod.
	Template *corev1.PodTemplateSpec
	// Selector of its pods; nil for a CronJob.
	Selector *metav1.LabelSelector
	Rollout  Rollout
	// Static pods are run by a kubelet from a file.
	Static bool
}

func of(kind Kind, m *metav1.ObjectMeta, spec *corev1.PodSpec) Workload {
	w := Workload{Ref: Ref{m.Namespace, kind, m.Name}, UID: string(m.UID), ResourceVersion: m.ResourceVersion,
		Labels: m.Labels, Annotations: m.Annotations, Owner: metav1.GetControllerOfNoCopy(m), Managed: m.ManagedFields}
	for _, c := range spec.InitContainers {
		w.Containers = append(w.Containers, Container{c.Name, c.Image, true, c.ImagePullPolicy})
	}
	for _, c := range spec.Containers {
		w.Containers = append(w.Containers, Container{c.Name, c.Image, false, c.ImagePullPolicy})
	}
	return w
}

// container finds one by name: names are unique among both lists.
func (w Workload) container(name string, init bool) (Container, bool) {
	i := slices.IndexFunc(w.Containers, func(c Container) bool { return c.Name == name && c.Init == init })
	if i < 0 {
		return Container{}, false
	}
	return w.Containers[i], true
}

// path of the pod spec below the object.
func (k Kind) specPath() []string {
	switch k {
	case Pod:
		return []string{"spec"}
	case CronJob:
		return []string{"spec", "jobTemplate", "spec", "template", "spec"}
	}
	return []string{"spec", "template", "spec"}
}

// Place is where a container's policy stands, for a person.
func (w Workload) place(c Container) string {
	return strings.Join(append(w.Kind.specPath(), c.list()+"[name="+c.Name+"]", "imagePullPolicy"), ".")
}

func (c Container) list() string {
	if c.Init {
		return "initContainers"
	}
	return "containers"
}
