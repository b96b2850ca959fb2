package faults

import (
	"fmt"
	"time"

	"github.com/pullway/pullway/internal/failpoint/script"
)

// State that a node ended in.
type State string

// The states. Anything else is broken.
const (
	Old State = "old"
	New State = "new"
)

// Healer is who made a node whole after a strike.
type Healer string

// The healers.
const (
	Engine  Healer = "the engine"       // it undid, or finished, what it had begun
	Switch  Healer = "the switch"       // systemd started a recovery, nobody asked
	Contact Healer = "the next contact" // nothing watched yet, or any more
)

// Result of one strike.
type Result struct {
	Strike
	State State
	// Said is the state that the engine's own answer told of; empty when it gave none.
	Said   State
	Healer Healer
	// Whole is how long after the strike the node was whole.
	Whole time.Duration
}

// Judge tells what of a result is against the rules: the old state when it is struck
// before the commit and the new one from it on; for an error that the engine got
// around, the state that it told; and for every engine that died or froze while the
// switch watched, a recovery that nobody asked for. committed is of Committed.
func Judge(r Result, committed int, watched bool, limit time.Duration) error {
	want := Old
	if r.Index >= committed || r.Said == New {
		want = New
	}
	switch {
	case r.State != want:
		return fmt.Errorf("%s: the node has its %s state, want the %s one", r.Strike, r.State, want)
	case r.Said != "" && r.Said != r.State:
		return fmt.Errorf("%s: the engine told of the %s state, and the node has the %s one", r.Strike, r.Said, r.State)
	case watched && r.Action != script.Error && r.Healer != Switch:
		return fmt.Errorf("%s: the switch was armed, and %s healed the node", r.Strike, r.Healer)
	case r.Healer == Switch && r.Whole > limit:
		return fmt.Errorf("%s: whole after %s, which is more than %s", r.Strike, r.Whole.Round(time.Millisecond), limit)
	}
	return nil
}
