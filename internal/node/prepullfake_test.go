package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
)

// fakeStore is a containerd with one registry behind it that sends rate bytes a second.
type fakeStore struct {
	mu       sync.Mutex
	present  map[string]bool
	blobs    map[string]bool
	parts    map[string]int64
	pins     map[string]string // by image: "others" or a run
	leases   map[string]bool
	rate     int64
	contents map[string][]protocol.Blob
	deaf     bool
	stuckAt  int64 // no byte comes beyond these of a blob; 0 for no such thing
	login    string
	tried    []string
	atOnce   int
	most     int
}

func newFakeStore() *fakeStore {
	return &fakeStore{present: map[string]bool{}, blobs: map[string]bool{}, parts: map[string]int64{}, pins: map[string]string{}, leases: map[string]bool{},
		rate: 10, contents: map[string][]protocol.Blob{}}
}

func (s *fakeStore) Present(_ context.Context, ref string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.present[ref], nil
}

func (s *fakeStore) Missing(_ context.Context, digests []string) (gone []string, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range digests {
		if !s.blobs[d] {
			gone = append(gone, d)
		}
	}
	return gone, nil
}

func (s *fakeStore) Fetching(context.Context) (map[string]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.parts), nil
}

func (s *fakeStore) Disks(context.Context) ([]string, error) {
	return []string{"/large", "/small"}, nil
}

func (s *fakeStore) Hold(_ context.Context, run string, _ time.Time) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases[run] = true
	return run, nil
}

func (s *fakeStore) LetGo(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.leases)
	return nil
}

func (s *fakeStore) PullAhead(ctx context.Context, ref string, as cri.Credential, lease string) (cri.Pulled, error) {
	s.mu.Lock()
	s.atOnce++
	s.most = max(s.most, s.atOnce)
	s.tried = append(s.tried, ref+" as "+as.Username)
	held, login := s.leases[lease], s.login
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.atOnce--
	}()
	switch {
	case !held:
		return cri.Pulled{}, errors.New("no such lease")
	case login != "" && as.Username != login:
		return cri.Pulled{}, &cri.PullError{Ref: ref, Kind: cri.Unauthorized, Text: "not for " + as.Username}
	}
	for _, b := range s.contents[ref] {
		if err := s.blob(ctx, b); err != nil {
			return cri.Pulled{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.present[ref] = true
	return cri.Pulled{Ref: ref, Digest: "sha256:1"}, nil
}

func (s *fakeStore) blob(ctx context.Context, b protocol.Blob) error {
	for {
		s.mu.Lock()
		if s.blobs[b.Digest] {
			s.mu.Unlock()
			return nil
		}
		if s.stuckAt == 0 || s.parts[b.Digest] < s.stuckAt {
			s.parts[b.Digest] += s.rate
		}
		if s.parts[b.Digest] >= b.Size {
			delete(s.parts, b.Digest)
			s.blobs[b.Digest] = true
		}
		s.mu.Unlock()
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *fakeStore) Pin(_ context.Context, ref, run string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pins[ref] == "others" {
		return nil, nil
	}
	s.pins[ref] = run
	return []string{ref}, nil
}

func (s *fakeStore) Pinned(_ context.Context, ref string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pins[ref] != "" && !s.deaf, nil
}

func (s *fakeStore) Unpin(context.Context) (gone []string, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ref, by := range s.pins {
		if by != "others" {
			gone = append(gone, ref)
			delete(s.pins, ref)
		}
	}
	return gone, nil
}

func blob(name string, size int64) protocol.Blob { return protocol.Blob{Digest: name, Size: size} }

// want makes a request for the images, of which the fake has the contents.
func (s *fakeStore) want(images map[string][]protocol.Blob) *protocol.Prepull {
	p := &protocol.Prepull{PerNode: 2, Stall: 30 * time.Second}
	for _, ref := range slices.Sorted(maps.Keys(images)) {
		s.contents[ref] = images[ref]
		p.Images = append(p.Images, protocol.Ahead{Ref: ref, Contents: []protocol.Contents{{Arch: "none"}, {Arch: runtime.GOARCH, Blobs: images[ref]}}})
	}
	return p
}

type saidSo struct {
	mu   sync.Mutex
	said []string
}

// prepullingOf is a prepull on a node whose small disk has room bytes.
func prepullingOf(t *testing.T, s *fakeStore, room int64, want *protocol.Prepull) (*prepulling, *saidSo) {
	t.Helper()
	said := &saidSo{}
	st := store{dir: t.TempDir()}
	if err := os.Chmod(st.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &prepulling{store: st, images: s, address: "/run/c.sock", now: time.Now,
		tell: func(step protocol.Step, text string) {
			said.mu.Lock()
			defer said.mu.Unlock()
			said.said = append(said.said, string(step)+" "+text)
		},
		free: func(dir string) (int64, error) {
			if dir == "/small" {
				return room, nil
			}
			return 1 << 40, nil
		},
		req: protocol.Request{Run: "run1", Operator: "me@here", Prepull: want}}, said
}

func states(f protocol.Fetched) string {
	var all []string
	for _, i := range f.Images {
		all = append(all, fmt.Sprintf("%s=%s/%s", i.Ref, i.State, i.By))
	}
	return strings.Join(all, " ")
}
