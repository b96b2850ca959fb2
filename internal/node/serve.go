package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/protocol"
)

// idleWithin is how long an engine waits for its next request. An operator may
// take a while to read a plan; a link that was cut without a word must not keep
// an engine for ever.
const idleWithin = 15 * time.Minute

// Serve reads requests from in, one after the other, carries them out and writes
// events and one reply each to out. It returns nil when in ended, or was silent
// for long, after a reply was written, whatever that says.
//
// The end of in takes an apply back that is not yet committed, unless containerd
// was restarted for it: then another connection may still say to keep it (see
// word). So does a Control line that refuses, at any time. Writing to out never
// fails the work, for whoever asked may be gone.
func Serve(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	calls := make(chan *call)
	ended := make(chan error, 1)
	go func() { ended <- hear(ctx, protocol.NewReader(in), calls) }()
	w := &messages{out: out, bus: &daemon.Bus{}}
	defer w.bus.Close()
	answered := false
	for {
		idle := time.NewTimer(idleWithin)
		select {
		case c := <-calls:
			idle.Stop()
			if err := w.answer(dir, c); err != nil {
				return err
			}
			answered = true
		case err := <-ended:
			switch {
			case !errors.Is(err, io.EOF):
				return err
			case !answered:
				return errors.New("no request on standard input; the engine is started by pullway, not by hand")
			}
			return nil
		case <-idle.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// call is one request while it is carried out.
type call struct {
	req protocol.Request
	ctx context.Context
	// end is called when the request was carried out, and before that, with the
	// reason, when it is to be taken back.
	end context.CancelCauseFunc
	// control gives the operator's words; it and lost are closed when the input ends.
	control chan protocol.Control
	lost    chan struct{}
}

// hear reads lines until the input ends and hands each request over. A Control
// line is for the request under way; one that comes too late is for nobody.
func hear(ctx context.Context, in *protocol.Reader, calls chan<- *call) error {
	var now *call
	for {
		var line json.RawMessage
		var req protocol.Request
		err := in.Read(&line)
		if err == nil {
			err = json.Unmarshal(line, &req)
		}
		if err == nil && req.Op != "" && now != nil && now.ctx.Err() == nil {
			err = errors.New("a request came before the former one was answered")
		}
		switch {
		case err != nil:
			if now != nil {
				now.gone()
			}
			return err
		case req.Op != "" || now == nil:
			now = &call{req: req, control: make(chan protocol.Control), lost: make(chan struct{})}
			now.ctx, now.end = context.WithCancelCause(ctx)
			select {
			case calls <- now:
			case <-ctx.Done():
				return ctx.Err()
			}
		default:
			var word protocol.Control
			_ = json.Unmarshal(line, &word) // what is no word of ours takes the change back
			// A play that failed, for which there is a reason, is the failure of a step.
			if now.req.Op == protocol.OpApply && !word.Confirm && word.Reason == "" {
				now.end(errTakenBack)
			}
			select {
			case now.control <- word:
			case <-now.ctx.Done():
			}
		}
	}
}

// gone tells a request that whoever made it is gone. A question is given up, and so
// is a prepull, which the next one goes on with; an
// apply goes by its word; a rollback goes on: it is what the asker wanted most.
func (c *call) gone() {
	close(c.lost)
	if c.req.Op == protocol.OpVerify || c.req.Op == protocol.OpPrepull || c.req.Op == protocol.OpTrace || c.req.Op == protocol.OpConfirm || c.req.Op == protocol.OpApply && c.req.ConfirmWithin <= 0 {
		c.end(errLineEnded)
	}
	close(c.control)
}

// messages writes one message a line from several goroutines.
type messages struct {
	mu  sync.Mutex
	out io.Writer
	// bus serves all requests.
	bus *daemon.Bus
}

// answer carries one request out.
func (m *messages) answer(dir string, c *call) error {
	tell := func(s protocol.Step, text string) {
		_ = m.send(protocol.Message{Event: &protocol.Event{Step: s, Text: text, At: time.Now()}})
	}
	e := NewEngine(dir, tell, c.control)
	e.bus, e.lost = m.bus, c.lost
	reply := e.Do(c.ctx, c.req)
	// Before the reply: the next request may come right behind it.
	c.end(nil)
	return m.send(protocol.Message{Reply: reply})
}

func (m *messages) send(msg protocol.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := protocol.Write(m.out, msg); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}
