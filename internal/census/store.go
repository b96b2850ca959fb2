package census

import (
	"encoding/binary"
	"fmt"

	"github.com/pullway/pullway/internal/impact"
)

// store makes an impact.Cluster of what is read, each text and each template once.
// Its caller lets one goroutine at a time use it.
type store struct {
	c          *impact.Cluster
	texts      map[string]string
	templates  map[string]int32
	placements map[string]int32
	owners     map[string]int32
	nodes      map[string]int32
	// podNodes are the names of the nodes of pods, for the nodes may come later.
	podNodes   map[string]int32
	nodeNames  []string
	key        []byte
	pod        rawPod
	details    map[string]detail
	jobOwners  map[string]string // NAMESPACE\0JOB to the CronJob's name
	readOwners map[string]bool   // kinds whose list was read whole
}

// detail is what an owner's own object says.
type detail struct {
	replicas, ready int32
	updating        bool
}

func newStore() *store {
	return &store{c: &impact.Cluster{}, texts: map[string]string{}, templates: map[string]int32{}, placements: map[string]int32{},
		owners: map[string]int32{}, nodes: map[string]int32{}, podNodes: map[string]int32{}, details: map[string]detail{},
		jobOwners: map[string]string{}, readOwners: map[string]bool{}}
}

// text keeps one copy of each.
func (s *store) text(b []byte) string {
	if t, ok := s.texts[string(b)]; ok {
		return t
	}
	t := string(b)
	s.texts[t] = t
	return t
}

// perPod are labels that differ between the pods of one workload. No budget goes by
// them.
var perPod = map[string]bool{
	"statefulset.kubernetes.io/pod-name": true, "apps.kubernetes.io/pod-index": true, "batch.kubernetes.io/job-completion-index": true,
	"batch.kubernetes.io/controller-uid": true, "controller-uid": true, "batch.kubernetes.io/job-name": true, "job-name": true,
}

// add appends a text to the key under which a template is known.
func (s *store) add(b []byte) {
	s.key = binary.AppendUvarint(s.key, uint64(len(b)))
	s.key = append(s.key, b...)
}

func (s *store) mark(n int) { s.key = binary.AppendUvarint(s.key, uint64(n)) }

// template is the number of the template of a pod.
func (s *store) template(m *meta, r *rawSpec) (int32, error) {
	place, err := s.placement(r)
	if err != nil {
		return 0, err
	}
	s.key = s.key[:0]
	s.mark(int(place))
	s.mark(len(r.containers))
	for _, c := range r.containers {
		s.mark(int(c.kind))
		s.add(c.name)
		s.add(c.image)
		s.add(c.policy)
	}
	s.add(r.restart)
	s.add(r.account)
	s.add(r.class)
	s.mark(int(uint32(r.priority)))
	s.mark(len(r.secrets))
	for _, n := range r.secrets {
		s.add(n)
	}
	for _, l := range m.labels {
		if !perPod[string(l.key)] {
			s.add(l.key)
			s.add(l.value)
		}
	}
	if n, ok := s.templates[string(s.key)]; ok {
		return n, nil
	}
	t := impact.Template{RestartPolicy: s.text(r.restart), ServiceAccount: s.text(r.account), PriorityClass: s.text(r.class), Priority: r.priority, Placement: place}
	for _, c := range r.containers {
		t.Containers = append(t.Containers, impact.Container{Name: s.text(c.name), Kind: c.kind, Image: s.text(c.image), Policy: s.text(c.policy)})
	}
	for _, n := range r.secrets {
		t.PullSecrets = append(t.PullSecrets, s.text(n))
	}
	t.Labels = s.labels(m.labels, perPod)
	n := int32(len(s.c.Templates))
	s.c.Templates = append(s.c.Templates, t)
	s.templates[string(s.key)] = n
	return n, nil
}

// labels sorts the entries; of one key the last is kept.
func (s *store) labels(all []pair, without map[string]bool) impact.Labels {
	m := make(map[string]string, len(all))
	for _, l := range all {
		if !without[string(l.key)] {
			m[s.text(l.key)] = s.text(l.value)
		}
	}
	return impact.NewLabels(m)
}

// placement is the number of a placement.
func (s *store) placement(r *rawSpec) (int32, error) {
	s.key = s.key[:0]
	s.mark(len(r.selector))
	for _, p := range r.selector {
		s.add(p.key)
		s.add(p.value)
	}
	s.mark(len(r.affinities))
	for _, b := range r.affinities {
		s.add(b)
	}
	for _, b := range r.tolerations {
		s.add(b)
	}
	if n, ok := s.placements[string(s.key)]; ok {
		return n, nil
	}
	p := impact.Placement{NodeSelector: s.labels(r.selector, nil)}
	var affinity []byte
	for _, b := range r.affinities { // given twice it is one
		affinity = append(affinity, b...)
	}
	var err error
	if p.Terms, err = s.terms(affinity); err != nil {
		return 0, err
	}
	for _, b := range r.tolerations {
		t, err := s.toleration(b)
		if err != nil {
			return 0, err
		}
		p.Tolerations = append(p.Tolerations, t)
	}
	n := int32(len(s.c.Placements))
	s.c.Placements = append(s.c.Placements, p)
	s.placements[string(s.key)] = n
	return n, nil
}

// owner is the number of a workload.
func (s *store) owner(namespace []byte, kind string, name []byte) int32 {
	s.key = ownerKey(s.key[:0], namespace, kind, name)
	if n, ok := s.owners[string(s.key)]; ok {
		return n
	}
	n := int32(len(s.c.Owners))
	s.c.Owners = append(s.c.Owners, impact.Owner{Namespace: s.text(namespace), Kind: kind, Name: s.text(name), Replicas: -1, Ready: -1, Template: -1})
	s.owners[string(s.key)] = n
	return n
}

func ownerKey(to, namespace []byte, kind string, name []byte) []byte {
	to = append(append(to, namespace...), 0)
	return append(append(append(to, kind...), 0), name...)
}

// finish joins what was read apart.
func (s *store) finish() (*impact.Cluster, error) {
	c := s.c
	for key, d := range s.details {
		if n, ok := s.owners[key]; ok {
			c.Owners[n].Replicas, c.Owners[n].Ready, c.Owners[n].Updating = d.replicas, d.ready, d.updating
		}
	}
	moved := map[int32]int32{}
	for i := range len(c.Owners) {
		o := c.Owners[i]
		if o.Kind != "Job" {
			continue
		}
		if cron, ok := s.jobOwners[o.Namespace+"\x00"+o.Name]; ok {
			moved[int32(i)] = s.owner([]byte(o.Namespace), "CronJob", []byte(cron))
		}
	}
	node := make([]int32, len(s.nodeNames))
	for i, name := range s.nodeNames {
		n, ok := s.nodes[name]
		if !ok {
			n = -1
		}
		node[i] = n
	}
	for i := range c.Pods {
		p := &c.Pods[i]
		if to, ok := moved[p.Owner]; ok {
			p.Owner = to
		}
		if p.Node >= 0 {
			if int(p.Node) >= len(node) {
				return nil, fmt.Errorf("pod %d of node %d of %d", i, p.Node, len(node))
			}
			p.Node = node[p.Node]
		}
	}
	return c, nil
}
