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
// have changed. The end of ctx does not shorten it.
func (r *run) settle(ctx context.Context, i int, n NodeRun, cause error) update {
	nerr := newNodeError(n.Name, ErrLineLost, cause)
	if conn := r.conns[i]; conn != nil {
		r.conns[i] = nil
		_ = conn.Close()
	}
	r.news.put(update{node: i, phase: Unknown, err: nerr}, 0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.rec.Policy.ConfirmWithin+r.times.Settle)
	defer cancel()
	r.tell(i, n.Name, StepSettle, "")
	conn, failed := r.line(ctx, i, n.Name)
	if failed != nil {
		return r.lost(nerr, failed)
	}
	recovered, failed := r.recover(ctx, conn, n.Name)
	if failed != nil {
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
	switch {
	case recovered.Outcome == protocol.OutcomeBroken:
		u.phase = Broken
	case n.Undo:
		u.phase = undonePhase(reply.Status, r.rec.ID)
	case r.rec.Target != "":
		u.phase = rollbackPhase(reply.Status, r.rec.Target)
	default:
		u.phase = appliedPhase(reply.Status, r.rec.ID, recovered.Outcome)
	}
	return u
}

// lost ends a node that could not be asked, with both reasons.
func (r *run) lost(first, second *NodeError) update {
	e := newNodeError(first.Node, ErrLineLost, fmt.Errorf("%w; asked again: %w", first, second))
	e.Hint = "run pullway status for this node once it answers; an unconfirmed change puts itself back"
	return update{phase: Lost, err: e}
}

// recover has the node finish what a crash left. While another engine holds the
// node's lock it asks again, until ctx ends.
func (r *run) recover(ctx context.Context, conn Conn, node string) (*protocol.Result, *NodeError) {
	pause := 250 * time.Millisecond
	for {
		reply, err := converse(ctx, conn, node, protocol.Request{Op: protocol.OpRecover, Run: r.rec.ID}, r.times.Apply, r.mail)
		switch {
		case reply != nil && reply.Result != nil:
			return reply.Result, nil
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

// appliedPhase reads from the node's history how an apply of the run ended.
func appliedPhase(s *protocol.Status, run string, recovered protocol.Outcome) Phase {
	tx := newest(s, run)
	switch {
	case tx == nil && recovered == protocol.OutcomeRestored, tx != nil && tx.Undone:
		return Restored
	case tx == nil:
		// The engine never came so far as to change anything.
		return Unreachable
	case tx.Outcome == protocol.OutcomeApplied:
		return Applied
	case tx.Outcome == protocol.OutcomeBroken:
		return Broken
	case tx.Outcome == protocol.OutcomeRestored, tx.Outcome == protocol.OutcomeRolledBack:
		return Restored
	}
	return Unreachable
}

// undonePhase reads whether what the run had committed is undone.
func undonePhase(s *protocol.Status, run string) Phase {
	if holds(s, run) {
		return Applied
	}
	return RolledBack
}

// rollbackPhase reads whether the run that is the target is undone.
func rollbackPhase(s *protocol.Status, target string) Phase {
	if holds(s, target) {
		return Unreachable
	}
	return RolledBack
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
