package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/pullway/pullway/internal/failpoint"
	"github.com/pullway/pullway/internal/protocol"
)

// A blow strikes at the n-th point that is passed, counted from the blow before
// it: the call fails, or the engine is gone.
type blow struct {
	n     int
	crash bool
}

func (b blow) String() string {
	if b.crash {
		return fmt.Sprintf("crash at %d", b.n)
	}
	return fmt.Sprintf("error at %d", b.n)
}

// blows are a failpoint.Hook for several blows in turn.
type blows struct {
	left []blow
	n    int
	// at are the points that were struck.
	at []string
}

// killed is what an engine panics with that is gone: nothing of it goes on but
// closing its files, which the kernel would do.
type killed struct{}

func (s *blows) hook(when failpoint.When, operation, path string) error {
	s.n++
	if len(s.left) == 0 || s.n != s.left[0].n {
		return nil
	}
	now := s.left[0]
	s.left, s.n = s.left[1:], 0
	s.at = append(s.at, fmt.Sprintf("%s: %s %s %s", now, when, operation, path))
	if now.crash {
		panic(killed{})
	}
	return syscall.EIO
}

// alive runs an engine and reports whether it lived to the end.
func alive(work func()) (lived bool) {
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case killed:
			lived = false
		default:
			panic(r)
		}
	}()
	work()
	return true
}

// contact is the next engine: it settles what was left.
func (b *bench) contact(hook failpoint.Hook) (lived bool, err error) {
	b.store.disk.hook = hook
	e := NewEngine(b.store.dir, func(protocol.Step, string) {}, nil)
	e.store, e.switches = b.store, b.deadMan()
	e.reopen = func(_ context.Context, r *Record) (reopened, error) {
		if b.unseen != nil && b.unseen() {
			return reopened{}, errors.New("the node cannot be looked at")
		}
		return reopened{b.run(r), !b.sameDaemon, func() {}}, nil
	}
	lived = alive(func() { _, err = e.settle(b.t.Context()) })
	return lived, err
}

// survive carries out a transaction under blows and then contacts the node until
// it is settled. It returns an error when the node is not whole then, or is not
// what the transaction said. isOld and isNew tell how the tree differs.
func (b *bench) survive(s *blows, make func(failpoint.Hook) *transaction, isOld, isNew func() string) error {
	var res protocol.Result
	var failed error
	tr := make(s.hook)
	lived := alive(func() { res, failed = tr.run(b.t.Context()) })
	said := ""
	switch {
	case !lived:
	case failed == nil:
		said = "new"
	case res.Outcome != protocol.OutcomeBroken:
		said = "old"
	}
	for len(s.left) > 0 {
		before := len(s.left)
		if _, err := b.contact(s.hook); err != nil && !errors.Is(err, syscall.EIO) {
			return fmt.Errorf("settling under blows: %w", err)
		}
		if len(s.left) == before {
			s.left = nil // this engine passed fewer points than the blow asks for
		}
	}
	if lived, err := b.contact(nil); !lived || err != nil {
		return fmt.Errorf("it is not settled: %w", err)
	}
	old, now := isOld(), isNew()
	switch {
	case said != "new" && old == "", said != "old" && now == "":
		return b.clean()
	}
	return fmt.Errorf("it said %q (%s, %v); to the old state:\n%s\nto the new one:\n%s", said, res.Outcome, failed, old, now)
}

// points runs one transaction and lists its points.
func points(t *testing.T) (all []string) {
	b := newBench(t)
	_, err := b.transaction(func(when failpoint.When, operation, path string) error {
		all = append(all, fmt.Sprintf("%s %s %s", when, operation, path))
		return nil
	}).run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func newBenchSurvives(t *testing.T, s *blows) error {
	b := newBench(t)
	return b.survive(s, b.transaction, b.isOld, b.isNew)
}

// Every point of a transaction is struck, by an error and by the engine's end.
func TestTransactionSurvivesEveryBlow(t *testing.T) {
	total := len(points(t))
	if total < 200 {
		t.Fatalf("only %d points; they are not where they should be", total)
	}
	for n := 1; n <= total; n++ {
		for _, crash := range []bool{false, true} {
			s := &blows{left: []blow{{n, crash}}}
			if err := newBenchSurvives(t, s); err != nil {
				t.Fatalf("%q: %v", s.at, err)
			}
			if len(s.at) != 1 {
				t.Fatalf("blow %d of %d did not strike", n, total)
			}
		}
	}
	t.Logf("%d points, each struck twice", total)
}

// The journal is written and that fails: it may stand all the same, since the
// rename comes before the flush. The engine undoes, and is killed while it does.
func TestAJournalThatMayStandAndThenACrash(t *testing.T) {
	struck := 0
	for i, at := range points(t) {
		if !strings.Contains(at, "after rename") || !strings.HasSuffix(at, "state/journal.json") {
			continue
		}
		for n := 1; ; n++ {
			s := &blows{left: []blow{{i + 1, false}, {n, true}}}
			if err := newBenchSurvives(t, s); err != nil {
				t.Fatalf("%q: %v", s.at, err)
			}
			if len(s.at) < 2 {
				break // the engine passes no more points
			}
			struck++
		}
	}
	if struck < 100 {
		t.Errorf("only %d pairs", struck)
	}
	t.Logf("%d pairs of blows", struck)
}
