package census

// meta is what is read of an ObjectMeta.
type meta struct {
	name, namespace []byte
	generation      int64
	deleted         bool
	labels          []pair
	// mirror: the annotation by which the kubelet marks a static pod.
	mirror bool
	// The controller among the owner references.
	ownerKind, ownerName []byte
}

var mirrorAnnotation = []byte("kubernetes.io/config.mirror")

// read adds what the message says, as decoding it again would.
func (m *meta) read(b []byte) error {
	s := scanner{rest: b}
	for s.next() {
		switch s.num {
		case 1:
			m.name = s.bytes
		case 3:
			m.namespace = s.bytes
		case 7:
			m.generation = int64(s.n)
		case 9:
			m.deleted = true
		case 11, 12:
			p, err := pairOf(s.bytes)
			if err != nil {
				return err
			}
			if s.num == 11 {
				m.labels = append(m.labels, p)
			} else if string(p.key) == string(mirrorAnnotation) {
				m.mirror = true
			}
		case 13:
			if err := m.owner(s.bytes); err != nil {
				return err
			}
		}
	}
	return s.err
}

func (m *meta) owner(b []byte) error {
	s := scanner{rest: b}
	var kind, name []byte
	controller := false
	for s.next() {
		switch s.num {
		case 1:
			kind = s.bytes
		case 3:
			name = s.bytes
		case 6:
			controller = s.n != 0
		}
	}
	if controller && m.ownerKind == nil {
		m.ownerKind, m.ownerName = kind, name
	}
	return s.err
}

// label is the value of a label; nil for none.
func (m *meta) label(key string) (value []byte) {
	for _, p := range m.labels {
		if string(p.key) == key {
			value = p.value
		}
	}
	return value
}

func (m *meta) reset() { *m = meta{labels: m.labels[:0]} }
