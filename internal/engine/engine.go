// Package engine carries the node engine, pullway-node, inside the CLI: one
// zstd-packed static binary for each architecture that nodes have. It knows
// nothing of how an engine reaches a node.
package engine

import (
	"bytes"
	"fmt"
	"io"
	"sort"
)

// Engine is one engine binary. Its hash and size are known without unpacking it.
type Engine struct {
	// Arch is Go's name of the architecture: "amd64" or "arm64".
	Arch string
	// SHA256 of the unpacked binary, 64 lower-case hexadecimal digits.
	SHA256 string
	// Size of the unpacked binary in bytes.
	Size int64

	open   func() (io.ReadCloser, error)
	shared *shared
}

// Open unpacks the binary and checks it. The reader returns Size bytes whose hash
// is SHA256. All who read at the same time share one copy, which is given back
// when the last of them closes its reader.
func (e Engine) Open() (io.ReadCloser, error) {
	if e.open == nil {
		return nil, &MissingError{Arch: e.Arch}
	}
	return e.shared.open(func() ([]byte, error) {
		rc, err := e.open()
		if err != nil {
			return nil, err
		}
		checked := newChecked(rc, e)
		defer checked.Close() //nolint:errcheck // it was only read
		b := bytes.NewBuffer(make([]byte, 0, e.Size+bytes.MinRead))
		_, err = b.ReadFrom(checked)
		return b.Bytes(), err
	})
}

// New makes an Engine of anything that can be opened any number of times.
func New(arch, sha256 string, size int64, open func() (io.ReadCloser, error)) Engine {
	return Engine{Arch: arch, SHA256: sha256, Size: size, open: open, shared: &shared{}}
}

// Set is the engines that are at hand, by architecture. It never changes, so it
// may be used by many at once.
type Set struct {
	engines map[string]Engine
	// err is why the set could not be read.
	err error
}

// NewSet makes a Set; of two engines of one architecture the later one counts.
func NewSet(engines ...Engine) *Set {
	s := &Set{engines: make(map[string]Engine, len(engines))}
	for _, e := range engines {
		s.engines[e.Arch] = e
	}
	return s
}

// For returns the engine for an architecture, by Go's name. It fails with a
// *MissingError when this build carries none.
func (s *Set) For(arch string) (Engine, error) {
	if s.err != nil {
		return Engine{}, s.err
	}
	e, ok := s.engines[arch]
	if !ok {
		return Engine{}, &MissingError{Arch: arch}
	}
	return e, nil
}

// Arches lists the architectures at hand, sorted.
func (s *Set) Arches() []string {
	arches := make([]string, 0, len(s.engines))
	for a := range s.engines {
		arches = append(arches, a)
	}
	sort.Strings(arches)
	return arches
}

// MissingError says that this build has no engine for an architecture.
type MissingError struct{ Arch string }

// Error names the architecture and the remedy.
func (e *MissingError) Error() string {
	return fmt.Sprintf("this build of pullway carries no engine for linux/%s: build it with make build", e.Arch)
}
