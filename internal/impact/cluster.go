// Package impact decides who is hurt when the registries of nodes change: for each
// workload whether it fails now, if it is restarted, if it is moved, or not at all,
// and why. It is pure: what a cluster has (Cluster, read by internal/census), what
// changes (Change) and what registries answered (Answers) go in, an Assessment
// comes out.
//
// Sources: pkg/kubelet/images/image_manager.go of Kubernetes 1.28 to 1.37 for when
// the kubelet pulls; k8s.io/kubernetes/pkg/apis/core/v1/defaults.go for the default
// of a pull policy; KEP-2535 for the check of credentials of present images.
package impact

import (
	"hash/maphash"
	"slices"
	"strings"
)

// Cluster is what was read of a cluster, as little of it as the rules need. Slices
// refer to each other by index. What many pods have in common is in one Template,
// so that 150,000 pods take some megabytes.
type Cluster struct {
	// Version of the API server, such as v1.37.2; empty when it did not tell.
	Version    string
	Nodes      []Node
	Placements []Placement
	Templates  []Template
	Owners     []Owner
	Pods       []Pod
	Budgets    []Budget
	Scalers    []Scaler
	// AlwaysPull is the name of an API server whose arguments turn the admission
	// plugin AlwaysPullImages on; empty when none was seen to. It can be seen only
	// where API servers are static pods.
	AlwaysPull string
	// Gaps are what could not be read, and what that means.
	Gaps []Gap
}

// Gap is something that was not looked at.
type Gap struct {
	// What was not read or not asked: "list horizontalpodautoscalers.autoscaling".
	What string `json:"what"`
	// Why, in one line.
	Why string `json:"why"`
	// Means says what the assessment lacks for it.
	Means string `json:"means"`
	// Hint says what to do about it; may be empty.
	Hint string `json:"hint,omitempty"`
}

// Node is one Kubernetes node.
type Node struct {
	Name, Hostname string
	IPs            []string
	Labels         Labels
	Taints         []Taint
	Ready          bool
	Cordoned       bool
	// Kubelet is its version, such as v1.35.1, and Runtime the container runtime's,
	// such as containerd://1.6.20.
	Kubelet, Runtime string
	Images           ImageSet
}

// Label is one label.
type Label struct{ Key, Value string }

// Labels are sorted by key.
type Labels []Label

// Get is the value of key and whether it is there.
func (l Labels) Get(key string) (string, bool) {
	i, ok := slices.BinarySearchFunc(l, key, func(a Label, k string) int { return strings.Compare(a.Key, k) })
	if !ok {
		return "", false
	}
	return l[i].Value, true
}

// NewLabels sorts a copy of m.
func NewLabels(m map[string]string) Labels {
	l := make(Labels, 0, len(m))
	for k, v := range m {
		l = append(l, Label{k, v})
	}
	slices.SortFunc(l, func(a, b Label) int { return strings.Compare(a.Key, b.Key) })
	return l
}

// Taint is one taint of a node.
type Taint struct{ Key, Value, Effect string }

// Sum stands for an image's name. Nodes have so many names that their text is not
// kept; two names with one sum are one in 2^64.
type Sum uint64

var seed = maphash.MakeSeed()

// SumOf is the sum of a name as containerd's CRI has it. It differs from one run
// of the program to the next.
func SumOf(name []byte) Sum { return Sum(maphash.Bytes(seed, name)) }

// ImageSet is the images that a node is known to have.
type ImageSet struct {
	// Sums of the names, sorted.
	Sums []Sum
	// Complete tells that what is not among them is not on the node. The kubelet
	// reports the 50 biggest images only (nodeStatusMaxImages).
	Complete bool
}

// StatusCap is how many images a kubelet tells of where nothing else is set.
const StatusCap = 50

// ContainerKind is what a Container is of.
type ContainerKind uint8

// The kinds. A sidecar is an init container that is restarted always.
const (
	Main ContainerKind = iota
	Init
	Sidecar
	Ephemeral
	Volume // an image volume
)

func (k ContainerKind) String() string {
	return [...]string{"container", "init container", "sidecar", "ephemeral container", "image volume"}[k]
}

// Container is whatever of a pod has an image.
type Container struct {
	Name string
	Kind ContainerKind
	// Image as it is written in the pod; it may be no reference at all.
	Image string
	// Policy as it is written; see EffectivePolicy.
	Policy string
}

// Template is what pods of one workload have in common.
type Template struct {
	Labels     Labels
	Containers []Container
	// RestartPolicy of the pod: Always, OnFailure or Never.
	RestartPolicy string
	// PullSecrets by name, as the pod has them: those of its service account were
	// put there when it was made.
	PullSecrets    []string
	ServiceAccount string
	PriorityClass  string
	Priority       int32
	// Placement is an index into Cluster.Placements.
	Placement int32
}

// Owner is what a person calls the workload.
type Owner struct {
	Namespace string
	// Kind is Deployment, StatefulSet, DaemonSet, Job, CronJob, ReplicaSet, Pod (of
	// nobody), StaticPod, or what else owns the pods.
	Kind, Name string
	// Replicas that shall be and that are ready; -1 when its object was not read.
	Replicas, Ready int32
	// Updating: a rollout is under way, so new pods come.
	Updating bool
	// Schedule and Zone of a CronJob. Suspended ones are due never.
	Schedule, Zone string
	Suspended      bool
	// Template of the pods to come, an index into Cluster.Templates, for a CronJob;
	// else -1.
	Template int32
}

// State is what of a pod's state matters, as bits.
type State uint16

// The bits.
const (
	// Finished pods run nothing any more.
	Finished State = 1 << iota
	// Pending: it has not been started, or waits for containers.
	Pending
	// Backoff: a container waits with ErrImagePull, ImagePullBackOff or the like.
	Backoff
	// NeverPull: a container waits with ErrImageNeverPull.
	NeverPull
	// BadName: a container waits with InvalidImageName.
	BadName
	// Crashing: a container waits with CrashLoopBackOff.
	Crashing
	// Leaving: it is being deleted.
	Leaving
)

// Pod is one pod. Names are kept only of those whose state is out of the ordinary.
type Pod struct {
	Name  string
	State State
	// Owner and Template are indices into the Cluster's; Node is -1 before it is scheduled.
	Owner, Template, Node int32
	// Held tells by bit i that Template.Containers[i] was made on the node, so that
	// its image was there, and is while the container exists. Of more than 64
	// containers the rest is not told.
	Held uint64
	// Ended tells by bit i that it has run to its end and will not run again.
	Ended uint64
}

// Budget is a PodDisruptionBudget.
type Budget struct {
	Namespace, Name string
	Selector        Selector
	Allowed         int32
}

// Selector is a label selector: all of it has to match. An empty one matches every
// pod, an absent one none.
type Selector struct {
	None        bool
	Labels      Labels
	Expressions []Requirement
}

// Matches reports whether it selects a pod with these labels.
func (s Selector) Matches(l Labels) bool {
	for _, want := range s.Labels {
		if v, ok := l.Get(want.Key); !ok || v != want.Value {
			return false
		}
	}
	for _, r := range s.Expressions {
		if v, ok := l.Get(r.Key); !r.fits(v, ok) {
			return false
		}
	}
	return !s.None
}

// Scaler is a HorizontalPodAutoscaler.
type Scaler struct {
	Namespace, Name, Kind, Target string
	// Current and Desired replicas, and the most that it may make.
	Current, Desired, Max int32
}
