package census

import "github.com/pullway/pullway/internal/impact"

// terms are those of the required node affinity of an Affinity message:
// nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms.
func (s *store) terms(affinity []byte) (terms []impact.Term, err error) {
	required := affinity
	for range 2 { // both are field 1; given twice each is one
		var inner []byte
		m := scanner{rest: required}
		for m.next() {
			if m.num == 1 {
				inner = append(inner, m.bytes...)
			}
		}
		if m.err != nil {
			return nil, m.err
		}
		required = inner
	}
	m := scanner{rest: required}
	for m.next() {
		if m.num != 1 {
			continue
		}
		t, err := s.term(m.bytes)
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
	}
	return terms, m.err
}

func (s *store) term(b []byte) (t impact.Term, err error) {
	m := scanner{rest: b}
	for m.next() {
		if m.num != 1 && m.num != 2 {
			continue
		}
		r, err := s.requirement(m.bytes)
		if err != nil {
			return t, err
		}
		if m.num == 1 {
			t.Labels = append(t.Labels, r)
		} else {
			t.Fields = append(t.Fields, r)
		}
	}
	return t, m.err
}

// requirement reads a NodeSelectorRequirement, and a LabelSelectorRequirement,
// which has the same fields.
func (s *store) requirement(b []byte) (r impact.Requirement, err error) {
	m := scanner{rest: b}
	for m.next() {
		switch m.num {
		case 1:
			r.Key = s.text(m.bytes)
		case 2:
			r.Operator = s.text(m.bytes)
		case 3:
			r.Values = append(r.Values, s.text(m.bytes))
		}
	}
	return r, m.err
}

func (s *store) toleration(b []byte) (t impact.Toleration, err error) {
	var key, operator, value, effect []byte
	err = texts(b, &key, &operator, &value, &effect)
	return impact.Toleration{Key: s.text(key), Operator: s.text(operator), Value: s.text(value), Effect: s.text(effect)}, err
}
