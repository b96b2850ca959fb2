package engine

import (
	"bytes"
	"io"
	"sync"
)

// shared is an unpacked and checked binary while somebody reads it. A hundred
// uploads at a time unpack and hash it once.
type shared struct {
	mu      sync.Mutex
	readers int
	data    []byte
}

// open gives a reader of the binary, which load unpacks when nobody has it yet.
func (s *shared) open(load func() ([]byte, error)) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers == 0 {
		data, err := load()
		if err != nil {
			return nil, err
		}
		s.data = data
	}
	s.readers++
	return &sharedReader{bytes.NewReader(s.data), sync.OnceFunc(s.leave)}, nil
}

// leave gives the memory back with the last reader.
func (s *shared) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers--; s.readers == 0 {
		s.data = nil
	}
}

type sharedReader struct {
	*bytes.Reader
	leave func()
}

func (r *sharedReader) Close() error {
	r.leave()
	return nil
}
