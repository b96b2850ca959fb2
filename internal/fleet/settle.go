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
// work. The node is recorded as unknown, the old connection is given up, and new
// ones are tried until confirmWithin and the time to settle are over. The node is
// asked for what the broken conversation would have led to: an engine that still
// holds a restarted change is told to keep it, or to take it back once ctx has
// ended or when nobody knows how far a play came; then for a recovery, which waits its turn behind an engine that is still
// putting things back; then for the node's own history, which is the truth. The
// end of ctx does not shorten it. cause is a *NodeError when the engine did
// answer, but not so that one could tell what the node is like.
func (r *run) settle(ctx context.Context, i int, n NodeRun, cause error) update {
	var nerr *NodeError
	untouched := Refused
	if !errors.As(cause, &nerr) {
		nerr = newNodeError(n.Name, ErrLineLost, cause)
		untouched = Unreachable
	}
	r.news.put(update{node: i, phase: Unknown, err: nerr}, 0)
	stopped := func() bool { return ctx.Err() != nil }
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.rec.Policy.ConfirmWithin+r.times.Settle)
	defer cancel()
	var u update
	failed := nerr
	pause := retryFirst
	for {
		r.dropConn(i)
		r.mail.step(n.Name, StepSettle, waitText(failed))
		if u, failed = r.settleOnce(ctx, i, n, stopped); failed == nil {
			break
		}
		if !again(failed) {
			return r.lost(nerr, failed)
		}
		select {
		case <-ctx.Done():
			return r.lost(nerr, failed)
		case <-time.After(pause):
			pause = min(2*pause, retryMost)
		}
	}
	u.err = nerr.told(u.err)
	if u.phase == "" {
		u.phase = untouched
	}
	return u
}

// A node is tried again after retryFirst, then after twice as long each time up to
// retryMost.
const (
	retryFirst = 250 * time.Millisecond
	retryMost  = 5 * time.Second
)

// again reports whether a node that could not be asked may answer yet. An engine
// that answered will not say anything else.
func again(e *NodeError) bool {
	switch e.Kind {
	case ErrBadReply, protocol.ErrFailed, protocol.ErrInvalid, protocol.ErrUnsupport:
		return false
	}
	return true
}

// waitText says why a node is waited for.
func waitText(e *NodeError) string { return "(" + e.Text + ")" }

// dropConn gives up the node's connection.
func (r *run) dropConn(i int) {
	if conn := r.conns[i]; conn != nil {
		r.conns[i] = nil
		_ = conn.Close()
	}
}

// settleOnce asks over one new connection. The phase is empty when the engine had
// not changed anything; the error of the update is what the node told of it.
func (r *run) settleOnce(ctx context.Context, i int, n NodeRun, stopped func() bool) (update, *NodeError) {
	conn, failed := r.line(ctx, i, n.Name)
	if failed != nil {
		return update{}, failed
	}
	if r.rec.Target == "" && !n.Undo {
		if u, failed := r.word(ctx, conn, n.Name, r.rec.ID, !stopped() && n.Step != protocol.StepPlay); failed != nil || u.phase != "" {
			return u, failed
		}
	}
	recovered, failed := r.recover(ctx, conn, n.Name)
	switch {
	case recovered != nil && recovered.Outcome == protocol.OutcomeBroken:
		return update{phase: Broken, result: recovered, err: failed}, nil
	case failed != nil:
		return update{}, failed
	}
	reply, failed := converse(ctx, conn, n.Name, protocol.Request{Op: protocol.OpStatus, Run: r.rec.ID, Desired: r.request.Desired}, r.times.Settle, r.mail)
	switch {
	case failed != nil:
		return update{}, failed
	case reply.Status == nil:
		return update{}, newNodeError(n.Name, ErrBadReply, errors.New("the engine's reply holds no status"))
	case reply.Status.Interrupted != nil:
		return update{}, newNodeError(n.Name, ErrBadReply, errors.New("an interrupted change is still there after a recovery"))
	}
	u := update{result: recovered}
	tx := newest(reply.Status, r.rec.ID)
	rolledBack := tx != nil && tx.Outcome == protocol.OutcomeRolledBack
	switch {
	case n.Undo && !rolledBack && holds(reply.Status, r.rec.ID):
		u.phase = Applied
	case rolledBack && !n.Undo && r.rec.Target == "":
		// Put back because the gate denied it, and then the driver crashed.
		u.phase, u.own = Restored, true
	case n.Undo, rolledBack:
		u.phase = RolledBack
	case holds(reply.Status, r.rec.ID):
		u.phase = Applied
	case r.rec.Target != "" && !holds(reply.Status, r.rec.Target):
		u.phase = RolledBack
	case tx != nil && tx.Outcome == protocol.OutcomeRestored:
		u.phase, u.err, u.own = Restored, putItselfBack(n.Name, *tx), tx.Failed != ""
	case recovered.Outcome == protocol.OutcomeRestored, touches(n.Step):
		u.phase = Restored
	}
	return u, nil
}

// word tells an engine that works on for a run without a connection to keep its
// change or to take it back. The update is empty when there was none.
func (r *run) word(ctx context.Context, conn Conn, node, run string, keep bool) (update, *NodeError) {
	reply, failed := converse(ctx, conn, node, protocol.Request{Op: protocol.OpConfirm, Run: run, Confirm: keep}, r.times.Apply, r.mail)
	switch {
	case reply == nil:
		return update{}, failed
	case reply.Result == nil && failed != nil:
		return update{}, failed
	case reply.Result == nil:
		return update{}, newNodeError(node, ErrBadReply, errors.New("the engine's reply holds no result"))
	case reply.Result.Outcome == protocol.OutcomeUnchanged:
		return update{}, nil
	}
	// The word is on an apply, and is answered with how that ended.
	phase, told := judge(node, protocol.OpApply, reply)
	if phase == "" {
		return update{}, told
	}
	return update{phase: phase, result: kept(reply.Result), err: told, own: reply.Result.Failed != ""}, nil
}

// putItselfBack is what a node noted of a change that it put back.
func putItselfBack(node string, tx protocol.Transaction) *NodeError {
	return newNodeError(node, protocol.ErrFailed, fmt.Errorf("the node put itself back at %s: %s", clock(tx.Ended), tx.Reason))
}

func clock(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" }

// lost ends a node that could not be asked, with both reasons.
func (r *run) lost(first, second *NodeError) update {
	e := both(first, second)
	e.Hint = "an unconfirmed change puts itself back; once the node answers, pullway status and the next apply tell what became of it"
	return update{phase: Lost, err: e}
}

// told is what went wrong with the line, with what the node told of it since.
func (e *NodeError) told(later *NodeError) *NodeError {
	if later == nil {
		return e
	}
	joined := newNodeError(e.Node, e.Kind, fmt.Errorf("%w; %w", e, later))
	if later.Hint != "" {
		joined.Hint = later.Hint
	}
	return joined
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
	pause := retryFirst
	for {
		reply, err := converse(ctx, conn, node, protocol.Request{Op: protocol.OpRecover, Run: r.rec.ID, Operator: r.rec.Operator}, r.times.Apply, r.mail)
		switch {
		case reply != nil && reply.Result != nil:
			return kept(reply.Result), err
		case err == nil:
			return nil, newNodeError(node, ErrBadReply, errors.New("the engine's reply holds no result"))
		case err.Kind != protocol.ErrLocked:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
			pause = min(2*pause, retryMost)
		}
	}
}

// touches reports whether an engine that told this step may have changed something.
func touches(s protocol.Step) bool {
	switch s {
	case protocol.StepPlay, protocol.StepSwap, protocol.StepRestart, protocol.StepHealth, protocol.StepProve, protocol.StepLinger, protocol.StepProven,
		protocol.StepRemove, protocol.StepCommit, protocol.StepUndo, protocol.StepRestored:
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
