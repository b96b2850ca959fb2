package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// settle learns what became of a node whose line broke while the engine was at
// work. The node is recorded as unknown, the old connection is given up, and one
// new connection asks: first for a recovery, which waits its turn behind an
// engine that is still putting things back, then for the node's own history,
// which is the truth. It changes nothing that the broken conversation would not
// have changed. The end of ctx does not shorten it. cause is a *NodeError when
// the engine did answer, but not so that one could tell what the node is like.
func (r *run) settle(ctx context.Context, i int, n NodeRun, cause error) update {
	var nerr *NodeError
	untouched := Refused
	if !errors.As(cause, &nerr) {
		nerr = newNodeError(n.Name, ErrLineLost, cause)
		untouched = Unreachable
	}
	if conn := r.conns[i]; conn != nil {
		r.conns[i] = nil
		_ = conn.Close()
	}
	r.news.put(update{node: i, phase: Unknown, err: nerr}, 0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.rec.Policy.ConfirmWithin+r.times.Settle)
	defer cancel()
	r.mail.step(n.Name, StepSettle, "")
	conn, failed := r.line(ctx, i, n.Name)
	if failed != nil {
		return r.lost(nerr, failed)
	}
	recovered, failed := r.recover(ctx, conn, n.Name)
	switch {
	case recovered != nil && recovered.Outcome == protocol.OutcomeBroken:
		return update{phase: Broken, result: recovered, err: both(nerr, failed)}
	case failed != nil:
		return r.lost(nerr, failed)
	}
	reply, failed := converse(ctx, conn, n.Name, protocol.Request{Op: protocol.OpStatus, Run: r.rec.ID, Desired: r.request.Desired}, r.times.Settle, r.mail)
	switch {
	case failed != nil:
		return r.lost(nerr, failed)
	case reply.Status == nil:
		return r.lost(nerr, newNodeError(n.Name, ErrBadReply, errors.New("the engine's reply holds no status")))
	case reply.Status.Interrupted != nil:
		return r.lost(nerr, newNodeError(n.Name, ErrBadReply, errors.New("an interrupted change is still there after a recovery")))
	}
	u := update{result: recovered, err: nerr}
	tx := newest(reply.Status, r.rec.ID)
	rolledBack := tx != nil && tx.Outcome == protocol.OutcomeRolledBack
	switch {
	case n.Undo && !rolledBack && holds(reply.Status, r.rec.ID):
		u.phase = Applied
	case n.Undo, rolledBack:
		u.phase = RolledBack
	case holds(reply.Status, r.rec.ID):
		u.phase = Applied
	case r.rec.Target != "" && !holds(reply.Status, r.rec.Target):
		u.phase = RolledBack
	case recovered.Outcome == protocol.OutcomeRestored, touches(n.Step):
		// Nodes keep no history of what they put back.
		u.phase = Restored
	default:
		u.phase = untouched
	}
	return u
}

// lost ends a node that could not be asked, with both reasons.
func (r *run) lost(first, second *NodeError) update {
	e := both(first, second)
	e.Hint = "run pullway status for this node once it answers; an unconfirmed change puts itself back"
	return update{phase: Lost, err: e}
}

// both joins what went wrong with what went wrong when asked about it.
func both(first, second *NodeError) *NodeError {
	if second == nil {
		return first
	}
	return newNodeError(first.Node, first.Kind, fmt.Errorf("%w; asked again: %w", first, second))
}

// recover has the node finish what a crash left. While another engine holds the
// node's lock it asks again, until ctx ends. Both results are set when the engine
// tried and failed.
func (r *run) recover(ctx context.Context, conn Conn, node string) (*protocol.Result, *NodeError) {
	pause := 250 * time.Millisecond
	for {
		reply, err := converse(ctx, conn, node, protocol.Request{Op: protocol.OpRecover, Run: r.rec.ID}, r.times.Apply, r.mail)
		switch {
		case reply != nil && reply.Result != nil:
			return reply.Result, err
		case err == nil:
			return nil, newNodeError(node, ErrBadReply, errors.New("the engine's reply holds no result"))
		case err.Kind != protocol.ErrLocked:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Second)
		}
	}
}

// touches reports whether an engine that told this step may have changed something.
func touches(s protocol.Step) bool {
	switch s {
	case protocol.StepSwap, protocol.StepRestart, protocol.StepHealth, protocol.StepProve, protocol.StepProven,
		protocol.StepCommit, protocol.StepUndo, protocol.StepRestored:
		return true
	}
	return false
}

// holds reports whether a change of the run is in force on the node.
func holds(s *protocol.Status, run string) bool {
	inForce := func(tx protocol.Transaction) bool {
		// A rollback is a transaction too, and one of this very run when it undoes itself.
		return tx.Run == run && tx.Outcome == protocol.OutcomeApplied && !tx.Undone
	}
	return slices.ContainsFunc(s.History, inForce) || s.Applied != nil && inForce(*s.Applied)
}

// newest is the node's last transaction of the run; nil when there is none.
func newest(s *protocol.Status, run string) *protocol.Transaction {
	for i := range s.History {
		if s.History[i].Run == run {
			return &s.History[i]
		}
	}
	if s.Applied != nil && s.Applied.Run == run {
		return s.Applied
	}
	return nil
}
