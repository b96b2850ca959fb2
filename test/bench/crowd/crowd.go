// Package crowd fills a real etcd and kube-apiserver with the nodes, workloads and pods of a large cluster.
//
// Of each kind of object the API server makes one, which it validates, completes and writes down
// whose field is whose; that one is copied, under other names, straight to where the API
// server keeps it. So 150,000 pods take a minute, and each is one that the API server has made.
package crowd

import (
	"fmt"
	"slices"
)

// PodsPerNode are on each node.
const PodsPerNode = 30

// ImagesPerNode are in the status of each node: the most that a kubelet tells of by default.
const ImagesPerNode = 50

// kind is what owns a pod.
type kind string

const (
	deployment  kind = "deployment"
	single      kind = "single" // a Deployment of one replica
	statefulSet kind = "statefulset"
	daemonSet   kind = "daemonset"
	job         kind = "job"
	bare        kind = "bare"
	static      kind = "static"
)

func kinds() []kind {
	return []kind{deployment, single, statefulSet, daemonSet, job, bare, static}
}

// block is how many neighbours share their workloads: a Deployment has a pod on each of them.
const block = 12

// place is one pod's place in the crowd.
type place struct {
	node, slot int
	kind       kind
	// workload names the owner among those of its kind; copy is the pod's number in it.
	workload, copy int
}

// at says what is in a slot of a node: 5 of DaemonSets, 16 of Deployments, 1 of a Deployment of one
// replica, 4 of StatefulSets, 3 of Jobs, and a bare or, on each 250th node, a static one.
func at(node, slot int) place {
	p := place{node: node, slot: slot, copy: node % block}
	shared := node / block // the block's number
	switch {
	case slot < 5:
		p.kind, p.workload, p.copy = daemonSet, slot, node
	case slot < 21:
		p.kind, p.workload = deployment, shared*16+slot-5
	case slot < 22:
		p.kind, p.workload, p.copy = single, node, 0
	case slot < 26:
		p.kind, p.workload = statefulSet, shared*4+slot-22
	case slot < 29:
		p.kind, p.workload, p.copy = job, node*3+slot-26, 0
	case node%250 == 0:
		p.kind, p.workload, p.copy = static, 0, node
	default:
		p.kind, p.workload, p.copy = bare, node, 0
	}
	return p
}

// owner is the workload's name. It decides namespace and image, so that all pods of a workload agree.
func (p place) owner() string { return fmt.Sprintf("%s-%d", p.kind, p.workload) }

func (p place) namespace() string {
	switch p.kind {
	case daemonSet, static:
		return "kube-system"
	}
	return namespaceOf(p.number())
}

const namespaces = 200

func namespaceOf(n int) string { return fmt.Sprintf("team-%d", n%namespaces) }

// number differs between the workloads of all kinds.
func (p place) number() int { return p.workload*7 + slices.Index(kinds(), p.kind) }

func (p place) name() string {
	switch p.kind {
	case statefulSet:
		return fmt.Sprintf("%s-%d", p.owner(), p.copy)
	case static:
		return "static-" + nodeName(p.node)
	case bare:
		return p.owner()
	case deployment, single:
		return fmt.Sprintf("%s-%s", replicaSetName(p.owner()), letters(p.copy, 5))
	}
	return fmt.Sprintf("%s-%s", p.owner(), letters(p.copy, 5))
}

func replicaSetName(deployment string) string { return deployment + "-7d4b9c6f58" }

// letters writes a number as Kubernetes' name generator writes its random ones.
func letters(n, width int) string {
	const alphabet = "bcdfghjklmnpqrstvwxz2456789"
	b := make([]byte, width)
	for i := range b {
		b[width-1-i] = alphabet[n%len(alphabet)]
		n /= len(alphabet)
	}
	return string(b)
}

func nodeName(n int) string { return fmt.Sprintf("worker-%05d.example.com", n) }

// image of the workload with that number: a few hundred in all, of four registries, by tag, latest, no
// tag and digest.
func image(number int) string {
	n := number % 397
	repo := [...]string{"192.168.21.9/team/", "192.168.21.9/library/", "docker.io/bitnami/", "quay.io/prometheus/", "registry.k8s.io/sig/", "library/"}[n%6]
	name := fmt.Sprintf("%sservice-%d", repo, n)
	switch n % 10 {
	case 0:
		return name
	case 1:
		return name + ":latest"
	case 2:
		return name + "@" + digest(n)
	}
	return fmt.Sprintf("%s:v1.%d.%d", name, n%30, n%7)
}

func digest(n int) string { return fmt.Sprintf("sha256:%064x", uint64(n)*0x9E3779B97F4A7C15) }

// policy as a team wrote it: a third Always, a few Never, the rest IfNotPresent.
func policy(number int) string {
	switch n := number % 20; {
	case n < 7:
		return "Always"
	case n == 7:
		return "Never"
	}
	return "IfNotPresent"
}

// images on a node: those of its pods but one in 25, then others up to the most.
func images(node int) []string {
	var all []string
	seen := map[string]bool{}
	add := func(number int) {
		if img := image(number); !seen[img] && len(all) < ImagesPerNode {
			seen[img] = true
			all = append(all, img)
		}
	}
	for slot := range PodsPerNode {
		if (node+slot)%25 != 0 {
			number := at(node, slot).number()
			if add(number); number%3 == 0 {
				add(number + 1) // its agent's
			}
		}
	}
	for n := node; len(all) < ImagesPerNode; n++ {
		add(n)
	}
	return all
}
