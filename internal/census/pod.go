package census

import (
	"bytes"

	"github.com/pullway/pullway/internal/impact"
)

// rawPod is one pod as it stands in a page: nothing is copied, and the same rawPod
// serves pod after pod.
type rawPod struct {
	meta
	spec     rawSpec
	node     []byte
	phase    []byte
	statuses []rawStatus
	// alwaysPull: the arguments of an API server turn AlwaysPullImages on.
	alwaysPull bool
}

// rawSpec is what is read of a PodSpec.
type rawSpec struct {
	containers              []rawContainer
	restart, account, class []byte
	priority                int32
	secrets                 [][]byte
	selector                []pair
	affinities, tolerations [][]byte
	node                    []byte
	alwaysPull              bool
}

type rawContainer struct {
	kind                         impact.ContainerKind
	name, image, policy, restart []byte
}

// rawStatus is what is read of a ContainerStatus.
type rawStatus struct {
	name, waiting []byte
	made          bool // it has or had a container, so its image was there
	running       bool
	terminated    bool
	exit          int32
}

func (p *rawPod) read(b []byte) error {
	p.meta.reset()
	p.spec.reset()
	p.phase, p.statuses = nil, p.statuses[:0]
	s := scanner{rest: b}
	for s.next() {
		var err error
		switch s.num {
		case 1:
			err = p.meta.read(s.bytes)
		case 2:
			err = p.spec.read(s.bytes)
		case 3:
			err = p.status(s.bytes)
		}
		if err != nil {
			return err
		}
	}
	p.node, p.alwaysPull = p.spec.node, p.spec.alwaysPull
	return s.err
}

func (r *rawSpec) reset() {
	*r = rawSpec{containers: r.containers[:0], secrets: r.secrets[:0], selector: r.selector[:0], affinities: r.affinities[:0], tolerations: r.tolerations[:0]}
}

func (r *rawSpec) read(b []byte) error {
	s := scanner{rest: b}
	for s.next() {
		var err error
		switch s.num {
		case 1:
			err = r.volume(s.bytes)
		case 2:
			err = r.container(s.bytes, impact.Main)
		case 20:
			err = r.container(s.bytes, impact.Init)
		case 34:
			err = r.ephemeral(s.bytes)
		case 3:
			r.restart = s.bytes
		case 7:
			var p pair
			p, err = pairOf(s.bytes)
			r.selector = append(r.selector, p)
		case 8:
			r.account = s.bytes
		case 10:
			r.node = s.bytes
		case 15:
			err = r.secret(s.bytes)
		case 18:
			r.affinities = append(r.affinities, s.bytes)
		case 22:
			r.tolerations = append(r.tolerations, s.bytes)
		case 24:
			r.class = s.bytes
		case 25:
			r.priority = int32(s.n)
		}
		if err != nil {
			return err
		}
	}
	return s.err
}

func (r *rawSpec) container(b []byte, kind impact.ContainerKind) error {
	c := rawContainer{kind: kind}
	s := scanner{rest: b}
	for s.next() {
		switch s.num {
		case 1:
			c.name = s.bytes
		case 2:
			c.image = s.bytes
		case 3, 4: // command and arguments
			if bytes.HasPrefix(s.bytes, []byte("--enable-admission-plugins=")) && bytes.Contains(s.bytes, []byte("AlwaysPullImages")) {
				r.alwaysPull = true
			}
		case 14:
			c.policy = s.bytes
		case 24:
			c.restart = s.bytes
		}
	}
	if kind == impact.Init && string(c.restart) == "Always" {
		c.kind = impact.Sidecar
	}
	r.containers = append(r.containers, c)
	return s.err
}

func (r *rawSpec) ephemeral(b []byte) error {
	common, err := inner(b, 1) // what all containers have
	if err != nil {
		return err
	}
	return r.container(common, impact.Ephemeral)
}

// volume reads image volumes; others have no image.
func (r *rawSpec) volume(b []byte) error {
	c := rawContainer{kind: impact.Volume}
	found := false
	s := scanner{rest: b}
	for s.next() {
		switch s.num {
		case 1:
			c.name = s.bytes
		case 2:
			source := scanner{rest: s.bytes}
			for source.next() {
				if source.num != 30 {
					continue
				}
				found = true
				if err := texts(source.bytes, &c.image, &c.policy); err != nil {
					return err
				}
			}
			if source.err != nil {
				return source.err
			}
		}
	}
	if found {
		r.containers = append(r.containers, c)
	}
	return s.err
}

func (r *rawSpec) secret(b []byte) error {
	var name []byte
	err := texts(b, &name)
	r.secrets = append(r.secrets, name)
	return err
}

func (p *rawPod) status(b []byte) error {
	s := scanner{rest: b}
	for s.next() {
		switch s.num {
		case 1:
			p.phase = s.bytes
		case 8, 10, 13:
			c, err := statusOf(s.bytes)
			if err != nil {
				return err
			}
			p.statuses = append(p.statuses, c)
		}
	}
	return s.err
}

func statusOf(b []byte) (c rawStatus, err error) {
	s := scanner{rest: b}
	for s.next() {
		switch s.num {
		case 1:
			c.name = s.bytes
		case 2:
			if err := c.state(s.bytes); err != nil {
				return c, err
			}
		case 8:
			c.made = len(s.bytes) > 0
		}
	}
	return c, s.err
}

func (c *rawStatus) state(b []byte) error {
	s := scanner{rest: b}
	for s.next() {
		switch s.num {
		case 1:
			if err := texts(s.bytes, &c.waiting); err != nil {
				return err
			}
		case 2:
			c.running = true
		case 3:
			c.terminated = true
			t := scanner{rest: s.bytes}
			for t.next() {
				if t.num == 1 {
					c.exit = int32(t.n)
				}
			}
			if t.err != nil {
				return t.err
			}
		}
	}
	return s.err
}
