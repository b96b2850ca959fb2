package census

import (
	"bytes"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// scanner walks the fields of one protobuf message without making anything of it.
// Bytes that it hands out are the message's own.
type scanner struct {
	rest []byte
	// num of the field; bytes is its content where it is of that kind, else nil, and
	// n its number where it is one.
	num   protowire.Number
	bytes []byte
	n     uint64
	err   error
}

// next goes to the next field; false at the end, and at an error.
func (s *scanner) next() bool {
	if s.err != nil || len(s.rest) == 0 {
		return false
	}
	num, kind, n := protowire.ConsumeTag(s.rest)
	if n < 0 {
		return s.fail(n)
	}
	s.num, s.bytes, s.n = num, nil, 0
	at := s.rest[n:]
	switch kind {
	case protowire.BytesType:
		s.bytes, n = protowire.ConsumeBytes(at)
	case protowire.VarintType:
		s.n, n = protowire.ConsumeVarint(at)
	default:
		n = protowire.ConsumeFieldValue(num, kind, at)
	}
	if n < 0 {
		return s.fail(n)
	}
	s.rest = at[n:]
	return true
}

func (s *scanner) fail(n int) bool {
	s.err = fmt.Errorf("protobuf: %w", protowire.ParseError(n))
	return false
}

// envelope is what Kubernetes puts before each protobuf message.
var envelope = []byte("k8s\x00")

var errNoEnvelope = errors.New("the answer is not Kubernetes' protobuf")

// unwrap gives the message inside of the envelope and its kind, such as PodList.
func unwrap(b []byte) (kind string, raw []byte, err error) {
	b, ok := bytes.CutPrefix(b, envelope)
	if !ok {
		return "", nil, errNoEnvelope
	}
	s := scanner{rest: b}
	for s.next() {
		switch s.num {
		case 1: // typeMeta: apiVersion = 1, kind = 2
			m := scanner{rest: s.bytes}
			for m.next() {
				if m.num == 2 {
					kind = string(m.bytes)
				}
			}
			if m.err != nil {
				return "", nil, m.err
			}
		case 2:
			raw = s.bytes
		}
	}
	return kind, raw, s.err
}

// tokenOf is the token by which a list is gone on with; empty at its end.
func tokenOf(list []byte) (string, error) {
	s := scanner{rest: list}
	token := ""
	for s.next() {
		if s.num != 1 {
			continue
		}
		m := scanner{rest: s.bytes}
		for m.next() {
			if m.num == 3 {
				token = string(m.bytes)
			}
		}
		if m.err != nil {
			return "", m.err
		}
	}
	return token, s.err
}

// itemsOf hands out the items of a list.
func itemsOf(list []byte, each func([]byte) error) error {
	s := scanner{rest: list}
	for s.next() {
		if s.num == 2 {
			if err := each(s.bytes); err != nil {
				return err
			}
		}
	}
	return s.err
}

// pair is one entry of a map.
type pair struct{ key, value []byte }

func pairOf(b []byte) (p pair, err error) {
	err = texts(b, &p.key, &p.value)
	return p, err
}

// texts reads the fields 1, 2 … of a message, each into its place; nil passes one
// over. Given twice the later one holds.
func texts(b []byte, into ...*[]byte) error {
	s := scanner{rest: b}
	for s.next() {
		if i := int(s.num) - 1; i < len(into) && into[i] != nil {
			*into[i] = s.bytes
		}
	}
	return s.err
}
