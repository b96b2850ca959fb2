package crowd

import (
	"strings"
	"testing"
)

// TestNoTwoAreTheSame: a key that is written twice would be one object too few, and etcd refuses it
// within one transaction.
func TestNoTwoAreTheSame(t *testing.T) {
	s := shapesForTest()
	seen := map[string]bool{}
	pods := 0
	for n := range 300 {
		puts, err := s.withNode(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range puts {
			key := string(p.Key)
			if seen[key] {
				t.Fatalf("node %d: %s is written twice", n, key)
			}
			seen[key] = true
			if strings.HasPrefix(key, "/registry/pods/") {
				pods++
			}
		}
	}
	if pods != 300*PodsPerNode {
		t.Errorf("%d pods on 300 nodes", pods)
	}
}

// TestEveryPodHasItsOwner: what a pod says that it is of is there, and its image is one of the node's
// in most cases, as it is in a cluster that runs.
func TestEveryPodHasItsOwner(t *testing.T) {
	s := shapesForTest()
	keys, kinds := map[string]bool{}, map[kind]int{}
	const nodes = 240
	for n := range nodes {
		puts, err := s.withNode(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range puts {
			keys[string(p.Key)] = true
		}
	}
	folders := map[string]string{"ReplicaSet": "replicasets", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets", "Job": "jobs"}
	present := 0
	for n := range nodes {
		has := map[string]bool{}
		for _, img := range images(n) {
			has[img] = true
		}
		if len(has) != ImagesPerNode {
			t.Fatalf("node %d lists %d images", n, len(has))
		}
		for slot := range PodsPerNode {
			p := s.podAt(at(n, slot))
			kinds[at(n, slot).kind]++
			if has[p.Spec.Containers[0].Image] {
				present++
			}
			for _, o := range p.OwnerReferences {
				if folder, ok := folders[o.Kind]; ok && !keys["/registry/"+folder+"/"+p.Namespace+"/"+o.Name] {
					t.Fatalf("%s/%s: no %s %s", p.Namespace, p.Name, o.Kind, o.Name)
				}
			}
			if len(p.Spec.Containers) != len(p.Status.ContainerStatuses) {
				t.Fatalf("%s: %d containers, %d statuses", p.Name, len(p.Spec.Containers), len(p.Status.ContainerStatuses))
			}
		}
	}
	if share := present * 100 / (nodes * PodsPerNode); share < 90 || share == 100 {
		t.Errorf("%d %% of the pods have their image listed by their node", share)
	}
	for k, n := range map[kind]int{daemonSet: 5, deployment: 16, single: 1, statefulSet: 4, job: 3} {
		if kinds[k] != n*nodes {
			t.Errorf("%d pods of %s, want %d", kinds[k], k, n*nodes)
		}
	}
	if kinds[static] != 1 {
		t.Errorf("%d static pods", kinds[static])
	}
}

func shapesForTest() shapes {
	s := plainShapes()
	nodeStatus(s.node)
	podStatus(s.pod)
	return s
}
