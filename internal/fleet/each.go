package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// Each calls do for every item, at most limit at once (DefaultLimit when less
// than 1), and returns the results in the order of the items. It returns when
// every call has returned. When ctx ends the calls not yet begun are made all
// the same, so that each item has a result; do sees ctx and returns at once.
func Each[I, R any](ctx context.Context, items []I, limit int, do func(context.Context, I) R) []R {
	if limit < 1 {
		limit = DefaultLimit
	}
	results := make([]R, len(items))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(limit, len(items)) {
		wg.Go(func() {
			for i := range next {
				results[i] = do(ctx, items[i])
			}
		})
	}
	for i := range items {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

// Answer is what one node said to a question.
type Answer struct {
	Target Target
	// Reply is nil when Err is about the connection; an error that the engine
	// told is in Err too.
	Reply *protocol.Reply
	Err   *NodeError
}

// Ask puts one request to every node, each over a connection of its own: for
// requests that change nothing, such as verify, status and export. within
// bounds one node, without the time to connect; 0 means Timeouts' default for a
// plan. Answers come in the order of the targets.
func Ask(ctx context.Context, c Connector, targets []Target, req protocol.Request, limit int, within time.Duration, o Observer) []Answer {
	return AskEach(ctx, c, targets, func(Target) protocol.Request { return req }, limit, within, o)
}

// AskEach is Ask with a request of each node's own. of is called by many
// goroutines at once.
func AskEach(ctx context.Context, c Connector, targets []Target, of func(Target) protocol.Request, limit int, within time.Duration, o Observer) []Answer {
	t := Timeouts{Plan: within}.withDefaults()
	mail := newMailbox(o)
	defer mail.close()
	return Each(ctx, targets, limit, func(ctx context.Context, target Target) Answer {
		a := ask(ctx, c, target, of(target), t, mail)
		phase := Unchanged
		switch {
		case a.Err != nil && a.Reply == nil:
			phase = Unreachable
		case a.Err != nil:
			phase = Refused
		}
		mail.ended(target.Name, phase, a.Err)
		return a
	})
}

func ask(ctx context.Context, c Connector, target Target, req protocol.Request, t Timeouts, mail *mailbox) Answer {
	mail.step(target.Name, StepConnect, "")
	conn, nerr := connect(ctx, c, target.Name, t.Connect)
	if nerr != nil {
		return Answer{Target: target, Err: nerr}
	}
	defer func() { _ = conn.Close() }()
	reply, nerr := converse(ctx, conn, target.Name, req, t.Plan, mail)
	return Answer{Target: target, Reply: reply, Err: nerr}
}

// converse is one Do of a request that changes nothing.
func converse(ctx context.Context, conn Conn, node string, req protocol.Request, within time.Duration, mail *mailbox) (*protocol.Reply, *NodeError) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req.Version = protocol.Version
	reply, err := conn.Do(ctx, req, func(e protocol.Event) *protocol.Control {
		mail.step(node, e.Step, e.Text)
		return nil
	})
	switch {
	case err != nil:
		return nil, newNodeError(node, ErrLineLost, err)
	case reply == nil:
		return nil, newNodeError(node, ErrBadReply, errors.New("the engine gave no reply"))
	}
	if err := fits(req, reply); err != nil {
		return nil, newNodeError(node, ErrBadReply, err)
	}
	return reply, fromEngine(node, reply.Error)
}
