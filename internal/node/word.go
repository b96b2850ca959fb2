package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// Why a change is taken back that did not fail.
var (
	errNotConfirmed = errors.New("nothing was heard from the operator's side")
	errLineEnded    = fmt.Errorf("%w: the connection ended", errNotConfirmed)
	errTakenBack    = errors.New("the operator's side took the change back")
)

// errUnfinished tells that nobody said how a play had ended.
var errUnfinished = fmt.Errorf("%w: how the play ended", errNotConfirmed)

// wordEvery is how often an engine without a connection looks for the word.
const wordEvery = 100 * time.Millisecond

// word is the operator's word on one transaction: keep it or take it back. It
// comes over the connection; when that ends after containerd was restarted, the
// engine goes on and waits for a word left by another connection, because an undo
// would cost a second restart and another apply a third. Without one the change
// is taken back within the time given.
type word struct {
	store store
	// transaction that it is about.
	transaction string
	within      time.Duration
	control     <-chan protocol.Control
	lost        <-chan struct{}
	// kept is told when another connection said to keep the change.
	kept chan struct{}
}

func (e *Engine) word(transaction string, within time.Duration) *word {
	return &word{store: e.store, transaction: transaction, within: within, control: e.control, lost: e.lost, kept: make(chan struct{})}
}

// listen returns a context that ends when the change is to be taken back: when
// the connection ends before keeps is true, and otherwise when it has ended for
// as long as the word may take. end stops listening and removes what was left.
func (w *word) listen(ctx context.Context, keeps func() bool) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-w.lost:
		case <-ctx.Done():
			return
		}
		if !keeps() {
			cancel(errLineEnded)
			return
		}
		cancel(w.another(ctx))
	}()
	return ctx, func() { cancel(nil); <-done; w.store.dropWord() }
}

// another waits for the word of another connection. It returns why the change is
// to be taken back, or when ctx ends.
func (w *word) another(ctx context.Context) error {
	timer, tick := time.NewTimer(w.within), time.NewTicker(wordEvery)
	defer timer.Stop()
	defer tick.Stop()
	kept := w.kept
	for {
		select {
		case <-tick.C:
			said := w.store.said(w.transaction)
			switch {
			case said == nil:
			case !said.Keep:
				return errTakenBack
			case kept != nil:
				close(kept)
				kept = nil
				timer.Stop()
			}
		case <-timer.C:
			return fmt.Errorf("%w for %s after the connection ended", errNotConfirmed, w.within)
		case <-ctx.Done():
			return nil
		}
	}
}

// await waits for the word after the proof. Silence and a refusal mean that the
// change is taken back.
func (w *word) await(ctx context.Context) error {
	return w.store.disk.around("await", "confirmation", func() error { return w.wait(ctx) })
}

func (w *word) wait(ctx context.Context) error {
	timer := time.NewTimer(w.within)
	defer timer.Stop()
	silence := timer.C
	control := w.control
	for {
		select {
		case c, ok := <-control:
			switch {
			case ok && c.Confirm:
				return nil
			case ok:
				return errTakenBack
			case w.lost == nil:
				return errLineEnded
			}
			// From here on listen keeps the time.
			control, silence = nil, nil
		case <-w.kept:
			return nil
		case <-silence:
			return fmt.Errorf("%w within %s", errNotConfirmed, w.within)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hands waits until the operator's side has done what it does to the node, however
// long that takes while its connection is there. Once that has ended, another one
// can only take the change back.
func (w *word) hands(ctx context.Context) error {
	control := w.control
	for {
		select {
		case c, ok := <-control:
			switch {
			case ok && c.Confirm:
				return nil
			case ok && c.Reason != "":
				return &protocol.Error{Kind: protocol.ErrFailed, Text: c.Reason, Hint: c.Hint}
			case ok:
				return errTakenBack
			case w.lost == nil:
				return errLineEnded
			}
			control = nil // listen keeps the time now
		case <-w.kept:
			return errUnfinished
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// wordFile holds what another connection said, for the engine at work.
const wordFile = "word.json"

// said is the content of wordFile.
type said struct {
	Transaction string `json:"transaction"`
	Keep        bool   `json:"keep"`
}

// said returns the word on a transaction; nil when there is none.
func (s store) said(transaction string) *said {
	var w said
	if found, err := s.load(s.path(wordFile), &w); err != nil || !found || w.Transaction != transaction {
		return nil
	}
	return &w
}

// dropWord removes wordFile. It counts for one transaction only, so nothing
// depends on its going.
func (s store) dropWord() { _ = os.Remove(s.path(wordFile)) }

// confirm leaves the operator's word for the engine that is at work on an apply of
// the run, and answers with how that ended. Without such an engine it changes
// nothing, and answers with what the run has committed here; what a dead one left is settled by recover.
func (e *Engine) confirm(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	nothing := e.committed(req.Run)
	at, err := e.store.journal()
	if err != nil || at == nil || at.Run != req.Run || at.Op != protocol.OpApply {
		return nothing, err
	}
	holder, err := e.store.holder()
	if err != nil || holder == nil || holder.Run != req.Run {
		return nothing, err
	}
	if err := e.store.save(e.store.path(wordFile), said{at.ID, req.Confirm}); err != nil {
		return nil, err
	}
	tick := time.NewTicker(wordEvery)
	defer tick.Stop()
	for engine := holder.PID; holder != nil && holder.PID == engine; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if holder, err = e.store.holder(); err != nil {
			return nil, err
		}
	}
	return e.became(at.ID)
}

// committed is the result of a change of the run that is in force already, because
// the word came over the old connection after all; unchanged when there is none.
func (e *Engine) committed(run string) *protocol.Reply {
	history, _ := e.store.history()
	for _, r := range history {
		if r.Run == run && r.Op == protocol.OpApply && r.Phase == PhaseCommitted && !r.Undone && r.Result != nil {
			return &protocol.Reply{Result: r.Result}
		}
	}
	return &protocol.Reply{Result: &protocol.Result{Outcome: protocol.OutcomeUnchanged}}
}

// became tells how a transaction ended whose engine has ended.
func (e *Engine) became(id string) (*protocol.Reply, error) {
	e.store.dropWord() // the engine may have ended before it could
	history, _ := e.store.history()
	for _, r := range history {
		if r.ID != id {
			continue
		}
		if r.Result != nil {
			return &protocol.Reply{Result: r.Result}, nil
		}
		return &protocol.Reply{Result: &protocol.Result{Outcome: r.Outcome, Transaction: id}}, nil
	}
	for _, t := range e.store.putBacks() {
		if t.ID == id {
			return &protocol.Reply{Result: &protocol.Result{Outcome: protocol.OutcomeRestored, Transaction: id, Failed: t.Failed}},
				&protocol.Error{Kind: protocol.ErrFailed, Text: t.Reason}
		}
	}
	return &protocol.Reply{Result: &protocol.Result{Outcome: protocol.OutcomeUnchanged}}, nil
}
