package cli

import (
	"context"
	"errors"
	"time"

	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/transport"
)

// engineConn is a connection over which an engine is started. The engine that
// made the plan stays for the apply: another session and another start would cost
// the node as much as the plan did.
type engineConn struct {
	conn   transport.Conn
	budget *protocol.Budget
	// engine waits for the next request; nil when there is none.
	engine transport.Process
	// letGo ends it, with the cause that its error tells.
	letGo context.CancelCauseFunc
}

// partWithin bounds how long Close waits for an idle engine to leave.
const partWithin = 2 * time.Second

// Do implements fleet.Conn.
func (c *engineConn) Do(ctx context.Context, req protocol.Request, on func(protocol.Event) *protocol.Control) (*protocol.Reply, error) {
	line, err := protocol.Encode(req)
	if err != nil {
		return nil, err
	}
	if c.engine != nil && over(c.engine) {
		c.drop()
	}
	if c.engine == nil {
		if err := c.start(ctx, line); err != nil {
			return nil, told(err)
		}
	} else if _, err = c.engine.Stdin().Write(line); err != nil {
		err = errors.Join(protocol.ErrNoReply, err)
	}
	defer c.until(ctx, req.Op)()
	return c.listen(err, on)
}

// Lost is closed when the engine or the way to it is gone. It is asked during a Do.
func (c *engineConn) Lost() <-chan struct{} { return c.engine.Done() }

// start runs an engine with its first request. It may outlive ctx, which is of
// this request alone.
func (c *engineConn) start(ctx context.Context, line []byte) error {
	var life context.Context
	life, c.letGo = context.WithCancelCause(context.WithoutCancel(ctx))
	letGo := c.letGo
	stop := context.AfterFunc(ctx, func() { letGo(context.Cause(ctx)) })
	defer stop()
	p, err := c.conn.StartWith(life, line)
	if err != nil {
		letGo(nil)
		return err
	}
	c.engine = p
	return nil
}

// until lets go of the engine when ctx ends before the returned function is
// called. One that is applying is told to take its change back first, and
// outlives ctx by the time that this takes.
func (c *engineConn) until(ctx context.Context, op protocol.Op) func() bool {
	letGo, p := c.letGo, c.engine
	return context.AfterFunc(ctx, func() {
		cut := func() { letGo(context.Cause(ctx)) }
		if op != protocol.OpApply {
			cut()
			return
		}
		takeBack(p, cut)
	})
}

// listen reads the reply. An engine that gave none is not asked again.
func (c *engineConn) listen(err error, on func(protocol.Event) *protocol.Control) (*protocol.Reply, error) {
	unsent := err != nil
	var reply *protocol.Reply
	if !unsent {
		if reply, err = protocol.Listen(c.engine.Stdin(), c.engine.Stdout(), c.budget, on); err == nil {
			return reply, nil
		}
	}
	p := c.engine
	p.Kill()
	we := p.Wait()
	c.drop()
	// Where the output just ended, the engine's own end says why. A line that makes
	// no sense says so itself.
	if we != nil && (unsent || err == protocol.ErrNoReply) { //nolint:errorlint // not when it is wrapped: that has a reason
		return nil, told(we)
	}
	return nil, told(err)
}

// takeBackWithin is how long an engine that was told to take its change back is
// listened to; one that takes longer is asked over another connection.
const takeBackWithin = 5 * time.Second

// takeBack tells the engine to undo what is not committed. The end of its input
// alone would let it wait for another connection to say the word.
func takeBack(p transport.Process, cut func()) {
	timer := time.AfterFunc(takeBackWithin, cut)
	if protocol.Write(p.Stdin(), protocol.Control{Confirm: false}) != nil {
		timer.Stop()
		cut()
	}
}

// drop forgets an engine that is gone.
func (c *engineConn) drop() {
	c.letGo(nil)
	c.engine = nil
}

// Close implements fleet.Conn. An engine that waits is told to leave first, so
// that nothing of ours runs on the node any more.
func (c *engineConn) Close() error {
	if c.engine != nil {
		_ = c.engine.Stdin().Close()
		timer := time.NewTimer(partWithin)
		defer timer.Stop()
		select {
		case <-c.engine.Done():
		case <-timer.C:
		}
		c.drop()
	}
	return c.conn.Close()
}

func over(p transport.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}
