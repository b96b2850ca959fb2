package fleet

import (
	"context"
	"errors"

	"github.com/pullway/pullway/internal/protocol"
)

// Player changes nodes from the operator's side, such as by a playbook, those of a
// wave together, while an engine on each has backed up what may change and waits. It
// is called by many goroutines at once.
type Player interface {
	// Wave tells that these nodes begin. Of each, Play is called at most once, and
	// Gone in any case.
	Wave(nodes []string)
	// Play returns once the node is changed, or with why it is not, which may hold a
	// hint by a method Hint() string. It waits for the others of the wave to be ready
	// too, or Gone. It returns soon after ctx ended or lost was closed, because the
	// engine may hold the node no longer; what it does on any node has ended by then.
	Play(ctx context.Context, node string, lost <-chan struct{}) error
	// Gone tells that the node is through, whether or not it came to Play.
	Gone(node string)
}

// breakable is a Conn that tells when its line breaks in the middle of a Do.
type breakable interface{ Lost() <-chan struct{} }

// plays reports whether the nodes of this run are changed by the player.
func (r *run) plays() bool { return r.rec.Play && r.rec.Target == "" }

// inWave is do for a node that the player knows of.
func (r *run) inWave(do work) work {
	if !r.plays() {
		return do
	}
	return func(ctx context.Context, i int, n NodeRun) update {
		defer r.Player.Gone(n.Name)
		return do(ctx, i, n)
	}
}

// played is a conversation in which the player changes the node while its engine
// waits. What the end of ctx cuts short is the play first; only then is the engine
// told, so that it puts back what nobody changes any more.
func (r *run) played(ctx context.Context, conn Conn, i int, n *NodeRun) (*protocol.Reply, error) {
	busy := make(chan struct{}, 1) // holds something while the player is at it
	line, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	defer context.AfterFunc(ctx, func() {
		busy <- struct{}{}
		defer func() { <-busy }()
		cut(context.Cause(ctx))
	})()
	pass := r.listen(ctx, i, n)
	return conn.Do(line, r.order(*n), func(e protocol.Event) *protocol.Control {
		control := pass(e)
		if e.Step != protocol.StepPlay {
			return control
		}
		busy <- struct{}{}
		defer func() { <-busy }()
		return r.play(ctx, conn, n.Name)
	})
}

// play is the word to the engine on what the player did.
func (r *run) play(ctx context.Context, conn Conn, node string) *protocol.Control {
	var lost <-chan struct{}
	if b, ok := conn.(breakable); ok {
		lost = b.Lost()
	}
	err := r.Player.Play(ctx, node, lost)
	switch {
	case ctx.Err() != nil:
		return &protocol.Control{}
	case err == nil:
		return &protocol.Control{Confirm: true}
	}
	c := &protocol.Control{Reason: oneLine(err.Error())}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		c.Hint = oneLine(h.Hint())
	}
	return c
}
