package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/secret"
)

func TestPrepullFetchesAndPins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.present["c"], s.pins["c"] = true, "others"
		s.blobs["shared"] = false
		p, said := prepullingOf(t, s, 1000, s.want(map[string][]protocol.Blob{
			"a": {blob("shared", 50), blob("a1", 100)}, "b": {blob("shared", 50), blob("b1", 40)}, "c": {blob("c1", 5)}, "d": {blob("d1", 30)}}))
		if err := p.do(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := states(p.reply), "a=pulled/pullway b=pulled/pullway c=present/others d=pulled/pullway"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if p.reply.Bytes != 220 || p.reply.Need != 440 || p.reply.Disk != "/small" || p.reply.Room != 1000 {
			t.Errorf("%+v", p.reply)
		}
		if s.most != 2 {
			t.Errorf("%d pulls at once, want 2", s.most)
		}
		if len(s.leases) != 0 {
			t.Errorf("leases are left: %v", s.leases)
		}
		kept, err := p.store.pinned()
		if err != nil || kept.Run != "run1" || kept.Operator != "me@here" || !slices.Equal(kept.Images, []string{"a", "b", "c", "d"}) {
			t.Errorf("the note: %+v, %v", kept, err)
		}
		all := strings.Join(said.said, "\n")
		for _, part := range []string{"pull 0 of 4 images", "of 220 B", "pulled a, 150 B in", "(4 of 4 images)"} {
			if !strings.Contains(all, part) {
				t.Errorf("%q was not told:\n%s", part, all)
			}
		}
		p.req.Prepull = &protocol.Prepull{Unpin: true}
		if err := p.do(t.Context()); err != nil || len(p.reply.Unpinned) != 3 || s.pins["c"] != "others" {
			t.Errorf("%v: %v", p.reply.Unpinned, err)
		}
		if kept, err := p.store.pinned(); kept != nil || err != nil {
			t.Errorf("the note stays: %+v, %v", kept, err)
		}
	})
}

func TestPrepullDecidesBeforeItFetches(t *testing.T) {
	for name, c := range map[string]struct {
		room  int64
		force bool
		want  func(s *fakeStore) *protocol.Prepull
		err   string
		state string
	}{
		"room for exactly twice": {room: 200, state: "a=pulled/pullway", want: func(s *fakeStore) *protocol.Prepull {
			return s.want(map[string][]protocol.Blob{"a": {blob("a1", 100)}})
		}},
		"a byte less": {room: 199, err: "no room: the images take 200 B (twice what is to be fetched), /small has 199 B left", state: "a=missing/", want: func(s *fakeStore) *protocol.Prepull {
			return s.want(map[string][]protocol.Blob{"a": {blob("a1", 100)}})
		}},
		"what is there takes no room": {room: 0, state: "a=pulled/pullway", want: func(s *fakeStore) *protocol.Prepull {
			s.blobs["a1"] = true
			return s.want(map[string][]protocol.Blob{"a": {blob("a1", 100)}})
		}},
		"sizes that add up past what a number holds": {room: 1 << 60, err: "no room", state: "a=missing/", want: func(s *fakeStore) *protocol.Prepull {
			var all []protocol.Blob
			for i := range 1000 {
				all = append(all, blob(fmt.Sprint(i), 1<<44))
			}
			return s.want(map[string][]protocol.Blob{"a": all})
		}},
		"nobody knows the size": {room: 1000, state: "a=refused/", want: func(*fakeStore) *protocol.Prepull {
			return &protocol.Prepull{Images: []protocol.Ahead{{Ref: "a", Unknown: "no answer in time"}}}
		}},
		"unless forced": {room: 1000, force: true, state: "a=pulled/pullway", want: func(*fakeStore) *protocol.Prepull {
			return &protocol.Prepull{Images: []protocol.Ahead{{Ref: "a"}}}
		}},
		"another architecture": {room: 1000, state: "a=refused/", want: func(*fakeStore) *protocol.Prepull {
			return &protocol.Prepull{Images: []protocol.Ahead{{Ref: "a", Contents: []protocol.Contents{{Arch: "none", Blobs: []protocol.Blob{blob("a1", 1)}}}}}}
		}},
		"a look": {room: 1000, state: "a=missing/", want: func(s *fakeStore) *protocol.Prepull {
			p := s.want(map[string][]protocol.Blob{"a": {blob("a1", 100)}})
			p.DryRun = true
			return p
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				p, _ := prepullingOf(t, s, c.room, c.want(s))
				p.req.Force = c.force
				err := p.do(t.Context())
				if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %q", err, c.err)
				}
				if got := states(p.reply); got != c.state {
					t.Errorf("%s, want %s", got, c.state)
				}
				if kept, _ := p.store.pinned(); !strings.Contains(c.state, "pulled") && (kept != nil || len(s.leases)+len(s.tried) > 0) {
					t.Errorf("something was done: %+v %v %v", kept, s.leases, s.tried)
				}
			})
		})
	}
}

// TestPrepullGivesUpWhatIsStuck: a pull that brings nothing ends with a line that says
// how far it came, and what came is kept for the next run.
func TestPrepullGivesUpWhatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.stuckAt = 40
		p, _ := prepullingOf(t, s, 1000, s.want(map[string][]protocol.Blob{"a": {blob("a1", 20), blob("a2", 100)}}))
		began := time.Now()
		if err := p.do(t.Context()); err != nil {
			t.Fatal(err)
		}
		i := p.reply.Images[0]
		if i.State != protocol.AheadFailed || i.Error != "no byte came for 30s; 60 B of 120 B are there" {
			t.Errorf("%+v", i)
		}
		if took := time.Since(began); took > 45*time.Second {
			t.Errorf("given up after %s", took)
		}
		if !s.leases["run1"] {
			t.Error("what has come is not kept")
		}
		if kept, err := p.store.pinned(); kept != nil || err != nil {
			t.Errorf("a note of nothing: %+v, %v", kept, err)
		}
		// The next run goes on.
		s.stuckAt, p.reply = 0, protocol.Fetched{}
		if err := p.do(t.Context()); err != nil || states(p.reply) != "a=pulled/pullway" || p.reply.Bytes != 100 || len(s.leases) != 0 {
			t.Errorf("%s of %d bytes, %v", states(p.reply), p.reply.Bytes, err)
		}
	})
}

// TestPrepullCutOff: when whoever asked is gone the pulls end, what came whole stays
// pinned and noted, and the lease keeps the rest.
func TestPrepullCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		want := s.want(map[string][]protocol.Blob{"a": {blob("a1", 20)}, "b": {blob("b1", 1000)}})
		p, _ := prepullingOf(t, s, 1<<30, want)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(errLineEnded) })
		if err := p.do(ctx); !errors.Is(err, errLineEnded) {
			t.Error(err)
		}
		if got, want := states(p.reply), "a=pulled/pullway b=missing/"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if kept, err := p.store.pinned(); err != nil || !slices.Equal(kept.Images, []string{"a"}) || !s.leases["run1"] {
			t.Errorf("%+v %v %v", kept, s.leases, err)
		}
	})
}

// TestPrepullCutOffAtOnce: what an earlier run pinned stays noted.
func TestPrepullCutOffAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p, _ := prepullingOf(t, s, 1<<30, s.want(map[string][]protocol.Blob{"a": {blob("a1", 20)}}))
		if err := p.do(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errLineEnded)
		p.req.Prepull = s.want(map[string][]protocol.Blob{"a": {blob("a1", 20)}, "b": {blob("b1", 1000)}})
		if err := p.do(ctx); !errors.Is(err, errLineEnded) {
			t.Error(err)
		}
		if kept, err := p.store.pinned(); err != nil || kept == nil || !slices.Equal(kept.Images, []string{"a"}) {
			t.Errorf("the note: %+v, %v", kept, err)
		}
	})
}

// TestPrepullWithoutPins: where containerd knows no pins that is said once, and no
// label and no note is left.
func TestPrepullWithoutPins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.deaf = true
		p, _ := prepullingOf(t, s, 1000, s.want(map[string][]protocol.Blob{"a": {blob("a1", 20)}, "b": {blob("b1", 20)}}))
		if err := p.do(t.Context()); err != nil || !strings.Contains(p.reply.Warning, "knows no pins") {
			t.Errorf("%q, %v", p.reply.Warning, err)
		}
		if kept, err := p.store.pinned(); kept != nil || err != nil || len(s.pins) > 0 || len(s.leases) > 0 {
			t.Errorf("%+v %v %v %v", kept, s.pins, s.leases, err)
		}
	})
}

func TestPrepullTriesPullSecrets(t *testing.T) {
	for name, c := range map[string]struct {
		login string
		as    []int
		tried []string
		state string
	}{
		"the second is good":               {login: "second", as: []int{0, 1}, tried: []string{"a as first", "a as second"}, state: "a=pulled/pullway"},
		"none is good, nor is none":        {login: "third", as: []int{0, 1}, tried: []string{"a as first", "a as second", "a as "}, state: "a=failed/"},
		"a place that does not exist":      {as: []int{7}, tried: []string{"a as "}, state: "a=pulled/pullway"},
		"the node's own configuration too": {tried: []string{"a as "}, state: "a=pulled/pullway"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				s.login = c.login
				want := s.want(map[string][]protocol.Blob{"a": {blob("a1", 20)}})
				want.Credential("first", secret.New("hidden-1"))
				want.Credential("second", secret.New("hidden-2"))
				want.Images[0].As = c.as
				p, said := prepullingOf(t, s, 1000, want)
				if err := p.do(t.Context()); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(c.tried, s.tried); d != "" || states(p.reply) != c.state {
					t.Errorf("%s %s", states(p.reply), d)
				}
				b, _ := os.ReadFile(p.store.pinsPath())
				if all := fmt.Sprintf("%+v %s %v %v", p.reply, b, said.said, want); strings.Contains(all, "hidden-") {
					t.Errorf("a password is told: %s", all)
				}
			})
		})
	}
}

// TestFreeOfAFolderToCome: a node without an image has no folder for them yet.
func TestFreeOfAFolderToCome(t *testing.T) {
	dir := t.TempDir()
	if free, err := freeOf(dir + "/io.containerd.content.v1.content/blobs"); err != nil || free <= 0 {
		t.Errorf("%d, %v", free, err)
	}
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := freeOf(dir + "/file/below"); err == nil {
		t.Error("a folder below a file has room")
	}
}

func TestStalled(t *testing.T) {
	for _, c := range []struct {
		quiet     time.Duration
		uncounted bool
		want      string
	}{
		{quiet: time.Minute - 1},
		{quiet: time.Minute, want: "no byte came for 1m0s; 1 B of 2 B are there"},
		{quiet: time.Hour, want: "no byte came for 1m0s; 1 B of 2 B are there"},
		{quiet: unpackWithin - 1, uncounted: true},
		{quiet: unpackWithin, uncounted: true, want: "it did not end within 10m0s of its last byte"},
	} {
		got := ""
		if err := stalled(c.quiet, time.Minute, c.uncounted, 1, 2); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.quiet, got, c.want)
		}
	}
}

// TestNoteOfPins: a later run takes a note over and keeps what it says.
func TestNoteOfPins(t *testing.T) {
	s := store{dir: t.TempDir()}
	_ = os.Chmod(s.dir, 0o700)
	for _, p := range []protocol.Pins{{Run: "1", Images: []string{"b", "a"}}, {Run: "2", Images: []string{"c", "a"}}} {
		if err := s.note(pins{Pins: p, Address: "/x"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.keepNoted([]string{"c", "a"}, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if p, err := s.pinned(); err != nil || p.Run != "2" || !slices.Equal(p.Images, []string{"a", "b"}) {
		t.Errorf("%+v %v", p, err)
	}
	if err := s.keepNoted([]string{"a", "b"}, nil); err != nil || exists(s.pinsPath()) {
		t.Errorf("the note stays: %v", err)
	}
}

// TestDoneLetsGoOrSaysSo: only the end of a change lets go; a containerd that cannot be
// asked leaves the note and a warning, and the change is no worse for it.
func TestDoneLetsGoOrSaysSo(t *testing.T) {
	for outcome, warns := range map[protocol.Outcome]bool{
		protocol.OutcomeApplied: true, protocol.OutcomeRolledBack: true,
		protocol.OutcomeRestored: false, protocol.OutcomeRefused: false, protocol.OutcomeUnchanged: false, protocol.OutcomeBroken: false,
	} {
		e := &Engine{store: store{dir: t.TempDir()}}
		if err := os.Chmod(e.store.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		res := &protocol.Result{Outcome: outcome}
		if e.done(res); len(res.Warnings) > 0 {
			t.Errorf("%s without pins warns: %+v", outcome, res.Warnings)
		}
		if err := e.store.note(pins{Pins: protocol.Pins{Run: "1", Images: []string{"a"}}, Address: e.store.dir + "/nobody.sock"}); err != nil {
			t.Fatal(err)
		}
		if e.done(res); (len(res.Warnings) == 1) != warns || warns && res.Warnings[0].Hint != unpinHint || res.Outcome != outcome {
			t.Errorf("%s: %+v", outcome, res)
		}
		if !exists(e.store.pinsPath()) {
			t.Errorf("%s: the note is gone", outcome)
		}
	}
	(&Engine{}).done(nil)
}
