package census

import (
	"slices"

	"github.com/pullway/pullway/internal/impact"
)

// addNode takes one node of a page.
func (s *store) addNode(b []byte) error {
	var n impact.Node
	var m meta
	var images int
	r := scanner{rest: b}
	for r.next() {
		var err error
		switch r.num {
		case 1:
			err = m.read(r.bytes)
		case 2:
			err = s.nodeSpec(&n, r.bytes)
		case 3:
			images, err = s.nodeStatus(&n, r.bytes, images)
		}
		if err != nil {
			return err
		}
	}
	if r.err != nil {
		return r.err
	}
	n.Name = s.text(m.name)
	n.Labels = s.labels(m.labels, nil)
	n.Hostname, _ = n.Labels.Get("kubernetes.io/hostname")
	slices.Sort(n.Images.Sums)
	n.Images.Sums = slices.Clip(slices.Compact(n.Images.Sums))
	// One with none at all is of a kubelet that does not tell, or has not yet.
	n.Images.Complete = images != impact.StatusCap && images > 0
	s.nodes[n.Name] = int32(len(s.c.Nodes))
	s.c.Nodes = append(s.c.Nodes, n)
	return nil
}

func (s *store) nodeSpec(n *impact.Node, b []byte) error {
	r := scanner{rest: b}
	for r.next() {
		switch r.num {
		case 4:
			n.Cordoned = r.n != 0
		case 5:
			var key, value, effect []byte
			if err := texts(r.bytes, &key, &value, &effect); err != nil {
				return err
			}
			n.Taints = append(n.Taints, impact.Taint{Key: s.text(key), Value: s.text(value), Effect: s.text(effect)})
		}
	}
	return r.err
}

// nodeStatus returns how many images there are.
func (s *store) nodeStatus(n *impact.Node, b []byte, images int) (int, error) {
	r := scanner{rest: b}
	for r.next() {
		var one, two []byte
		var err error
		switch r.num {
		case 4: // conditions: type and status
			if err = texts(r.bytes, &one, &two); string(one) == "Ready" {
				n.Ready = string(two) == "True"
			}
		case 5: // addresses: type and address
			if err = texts(r.bytes, &one, &two); string(one) == "InternalIP" {
				n.IPs = append(n.IPs, s.text(two))
			}
		case 7: // nodeInfo
			err = texts(r.bytes, nil, nil, nil, nil, nil, &one, &two)
			n.Runtime, n.Kubelet = s.text(one), s.text(two)
		case 8: // images
			images++
			m := scanner{rest: r.bytes}
			for m.next() {
				if m.num == 1 {
					n.Images.Sums = append(n.Images.Sums, impact.SumOf(m.bytes))
				}
			}
			err = m.err
		}
		if err != nil {
			return images, err
		}
	}
	return images, r.err
}
