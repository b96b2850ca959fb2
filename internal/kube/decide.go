package kube

import (
	"fmt"
	"strings"
	"time"
)

// before decides whether a node may be started. force turns what denies it into
// notes. Budgets count where containerd restarts: nothing else can disturb a pod.
func before(n node, pods []pod, budgets []budget, restart, force bool) Answer {
	a := Answer{Unready: !n.Ready}
	if n.Cordoned {
		a.Notes = append(a.Notes, fmt.Sprintf("Kubernetes node %q is cordoned: no new pods are placed on it", n.Name))
	}
	deny := func(reason, hint string) {
		switch {
		case force:
			a.Notes = append(a.Notes, "passed over by --force: "+reason)
		case !a.Denied:
			a.Denied, a.Reason, a.Hint = true, reason, hint
		}
	}
	if !n.Ready {
		deny(fmt.Sprintf("Kubernetes node %q is not Ready: %s", n.Name, n.Why),
			"repair it first, or pass over it by --force: whether it is well afterwards could not be told")
	}
	if !restart {
		return a
	}
	for _, b := range budgets {
		var covered []string
		for _, p := range pods {
			if b.Allowed <= 0 && b.covers(p) {
				covered = append(covered, p.name())
			}
		}
		if len(covered) > 0 {
			deny(fmt.Sprintf("containerd restarts, and PodDisruptionBudget %s/%s allows no disruption now; it covers %s on this node", b.Namespace, b.Name, some(covered)),
				"wait until its pods are Ready or add a replica; pass over it by --force")
		}
	}
	return a
}

// recently is how long ago a container that has restarted before must have
// started to count as running well: the kubelet forgets its back-off after that.
const recently = 10 * time.Minute

// after decides whether a node is as well as it was. was is nil when nobody looked
// before. A container counts as restarted by the change when containerd restarted,
// it ran well before, and it neither ran out of memory nor left with its pod.
func after(was *snapshot, n node, pods []pod) Answer {
	a := Answer{Unready: !n.Ready}
	switch {
	case !n.Ready && (was == nil || was.ready):
		a.Denied, a.Reason = true, fmt.Sprintf("Kubernetes node %q is not Ready after the change: %s", n.Name, n.Why)
		a.Hint = "kubectl describe node, and the kubelet's journal on the node, tell more"
		return a
	case !n.Ready:
		a.Notes = append(a.Notes, fmt.Sprintf("Kubernetes node %q is still not Ready: %s", n.Name, n.Why))
	}
	if was == nil {
		a.Notes = append(a.Notes, "nobody looked at the containers before the change, so whether it restarted one is not known")
		return a
	}
	var blamed, others []string
	for _, p := range pods {
		for _, c := range p.Containers {
			old, ok := was.containers[containerKey{p.UID, c.Name}]
			if !ok || old.ID == "" || c.Restarts <= old.Restarts && c.ID == old.ID {
				continue
			}
			text := fmt.Sprintf("%s of pod %s (restarts %d, before %d)", c.Name, p.name(), c.Restarts, old.Restarts)
			wellBefore := !old.Started.IsZero() && (old.Restarts == 0 || was.at.Sub(old.Started) > recently)
			if was.restart && wellBefore && !c.OOM {
				blamed = append(blamed, text)
			} else {
				others = append(others, text)
			}
		}
	}
	if len(others) > 0 {
		a.Notes = append(a.Notes, "restarted meanwhile, not by the change: "+some(others))
	}
	if len(blamed) > 0 {
		a.Denied, a.Reason = true, "the restart of containerd took containers with it: "+some(blamed)
		a.Hint = "containerd 1.6.9 to 1.6.12 recreate pods, and so does a unit whose KillMode is not process"
	}
	return a
}

// snapshot is what a node was like before its change.
type snapshot struct {
	at      time.Time
	ready   bool
	restart bool // of containerd, as planned
	// containers by pod and name.
	containers map[containerKey]container
}

type containerKey struct{ uid, name string }

func snapshotOf(at time.Time, n node, pods []pod, restart bool) *snapshot {
	s := &snapshot{at: at, ready: n.Ready, restart: restart, containers: map[containerKey]container{}}
	for _, p := range pods {
		for _, c := range p.Containers {
			s.containers[containerKey{p.UID, c.Name}] = c
		}
	}
	return s
}

// some names a few of many.
func some(all []string) string {
	const few = 3
	if len(all) <= few {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:few], ", "), len(all)-few)
}
