package impact

import (
	"time"

	"github.com/pullway/pullway/internal/config"
)

// The registry of the tests, its one endpoint, and images of it and of others.
const (
	harbor   = "192.168.21.9"
	endpoint = "http://192.168.21.9"
	app      = "192.168.21.9/library/app:1"
	other    = "docker.io/library/nginx:1.25"
)

// noon is when everything happens.
var noon = time.Date(2026, 11, 24, 12, 0, 30, 0, time.UTC)

// scene is a cluster with one workload in the making.
type scene struct {
	c  Cluster
	ch Change
	an Answers
}

// newScene has nodes n0 to n(count-1), each known to have these images and no other,
// and an endpoint that is down.
func newScene(count int, images ...string) *scene {
	s := &scene{}
	for i := range count {
		s.c.Nodes = append(s.c.Nodes, Node{Name: "n" + string(rune('0'+i)), Ready: true, Kubelet: "v1.34.1", Images: imageSet(images...)})
	}
	s.c.Placements = []Placement{{}}
	s.ch = Change{Desired: config.Desired{Registries: []config.Registry{{Host: harbor, Endpoints: []config.Endpoint{{URL: endpoint}}, Fallback: "none"}}}, Now: noon, Window: time.Hour}
	s.an = Answers{Endpoints: []Endpoint{{Registry: harbor, URL: endpoint, Asked: true, Fault: "unreachable", Error: "connection refused"}}, Found: map[Question]Found{}}
	return s
}

func imageSet(images ...string) ImageSet {
	set := ImageSet{Complete: true}
	for _, i := range images {
		set.Sums = append(set.Sums, SumOf([]byte(i)))
	}
	return set
}

// up has the endpoint answer and serve these images.
func (s *scene) up(images ...string) *scene {
	s.an.Endpoints[0] = Endpoint{Registry: harbor, URL: endpoint, Asked: true, OK: true}
	for _, i := range images {
		s.an.Found[Question{harbor, endpoint, i}] = Found{Has: true}
	}
	return s
}

// lacks has the endpoint answer that it does not have the image.
func (s *scene) lacks(image string) *scene {
	s.up()
	s.an.Found[Question{harbor, endpoint, image}] = Found{Fault: "missing-image", Error: "has no image"}
	return s
}

// owner adds a workload and returns its number.
func (s *scene) owner(kind, name string) int32 {
	s.c.Owners = append(s.c.Owners, Owner{Namespace: "prod", Kind: kind, Name: name, Replicas: -1, Ready: -1, Template: -1})
	return int32(len(s.c.Owners) - 1)
}

// template adds one with a single container.
func (s *scene) template(image string, policy Policy, change ...func(*Template)) int32 {
	t := Template{RestartPolicy: "Always", Containers: []Container{{Name: "app", Image: image, Policy: string(policy)}}}
	for _, f := range change {
		f(&t)
	}
	s.c.Templates = append(s.c.Templates, t)
	return int32(len(s.c.Templates) - 1)
}

// runs adds a pod whose containers all run on the node.
func (s *scene) runs(owner, template, node int32) *Pod {
	s.c.Pods = append(s.c.Pods, Pod{Owner: owner, Template: template, Node: node, Held: 1<<len(s.c.Templates[template].Containers) - 1})
	return &s.c.Pods[len(s.c.Pods)-1]
}

// waits adds a pod that waits for its image.
func (s *scene) waits(owner, template, node int32, state State) {
	s.c.Pods = append(s.c.Pods, Pod{Name: "p", Owner: owner, Template: template, Node: node, State: Pending | state})
}

func (s *scene) assess() *Assessment { return Assess(&s.c, s.ch, s.an) }

// one is a scene with one running pod on n0.
func one(s *scene, kind, image string, policy Policy, change ...func(*Template)) *scene {
	s.runs(s.owner(kind, "web"), s.template(image, policy, change...), 0)
	return s
}
