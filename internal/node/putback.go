package node

import (
	"context"
	"errors"
	"slices"

	"github.com/pullway/pullway/internal/protocol"
)

// putBackFile lists what this node put back, newest first: a short record of
// each, without a backup, because nothing is left to undo.
const putBackFile = "put-back.json"

// putBacks returns what the node put back, newest first. A damaged list counts as
// none: it is for people to read, and nothing is decided by it alone.
func (s store) putBacks() []protocol.Transaction {
	var all []protocol.Transaction
	if _, err := s.load(s.path(putBackFile), &all); err != nil {
		return nil
	}
	return all
}

// notePutBack adds r to the list, once, and drops the oldest beyond
// keptTransactions.
func (s store) notePutBack(r *Record) error {
	all := slices.DeleteFunc(s.putBacks(), func(t protocol.Transaction) bool { return t.ID == r.ID })
	all = slices.Insert(all, 0, told(r))
	return s.save(s.path(putBackFile), all[:min(len(all), keptTransactions)])
}

// because notes in the record why it is being put back. A step that was cut off
// did not fail by itself: then the reason is that of whoever cut it.
func (r *Record) because(ctx context.Context, at protocol.Step, cause error) error {
	if ctx.Err() != nil {
		cause = context.Cause(ctx)
	}
	if ctx.Err() == nil && !errors.Is(cause, errNotConfirmed) && !errors.Is(cause, errTakenBack) {
		r.Failed = at
	}
	r.Reason = string(at) + ": " + oneLine(cause)
	return cause
}
