// Package kube asks a cluster's API server about the nodes that are changed: is
// the node Ready, which containers run on it, and does a disruption budget forbid
// to disturb them. It reads and never writes.
//
// What is read (Cluster) is apart from what is made of it (before, after, match),
// which is pure.
package kube

import (
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// Answer is what Kubernetes says of one node.
type Answer struct {
	// Denied: the node must not be started, or is not well after its change.
	// Silent: nobody could be asked. Neither: it may go on.
	Denied, Silent bool
	// Reason is one line, and Hint what a person can do about it.
	Reason, Hint string
	// Notes are worth knowing and decide nothing.
	Notes []string
	// Unready is true when the node's Ready condition is not True.
	Unready bool
}

// node is what is looked at of a Node.
type node struct {
	Name     string
	Hostname string   // the label kubernetes.io/hostname
	IPs      []string // its InternalIP addresses
	Ready    bool
	// Why the node is not Ready, in the kubelet's or the control plane's words.
	Why      string
	Cordoned bool
}

// pod is what is looked at of a Pod.
type pod struct {
	Namespace, Name, UID string
	Labels               labels.Set
	// Finished pods run nothing any more.
	Finished   bool
	Containers []container
}

func (p pod) name() string { return p.Namespace + "/" + p.Name }

// container is one container of a pod; restartable init containers are among them.
type container struct {
	Name     string
	ID       string
	Restarts int32
	// Running since Started; the zero time when it does not run.
	Started time.Time
	// OOM tells that its last end was the kernel's doing.
	OOM bool
}

// budget is what is looked at of a PodDisruptionBudget.
type budget struct {
	Namespace, Name string
	Selector        labels.Selector
	// Allowed disruptions right now; 0 as well while its controller has not looked
	// at its present form, as the eviction API has it.
	Allowed int32
}

func (b budget) covers(p pod) bool {
	return !p.Finished && b.Namespace == p.Namespace && b.Selector.Matches(p.Labels)
}
