package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

var errCut = errors.New("connection reset by peer")

// fault is what goes wrong with a fake node.
type fault string

const (
	none         fault = ""
	noWay        fault = "no way to it, ever"
	planStale    fault = "refuses: the node changed since the plan"
	planRefused  fault = "the plan has a problem"
	asDesired    fault = "nothing to do"
	stepFails    fault = "a step fails, it puts itself back"
	breaks       fault = "putting it back fails"
	cutAtSwap    fault = "the line breaks after the swap, it puts itself back later"
	cutAtCommit  fault = "the line breaks after the commit"
	cutWaits     fault = "the line breaks after the restart, and it waits for the word"
	cutAway      fault = "as before, and the node cannot be reached for 15 s"
	cutAwayLong  fault = "as before, for longer than confirmWithin: it puts itself back"
	cutAtOnce    fault = "the line breaks before the engine did anything"
	diesAtSwap   fault = "the line breaks after the swap, and the node is gone"
	hangs        fault = "the engine says nothing more after the swap"
	noResult     fault = "the reply holds nothing"
	undoRefused  fault = "applies, then refuses to undo"
	undoBreaks   fault = "applies, then breaks when undone"
	undoCut      fault = "applies, then the line breaks after the undo"
	undoUnmarked fault = "applies, then the line breaks in the undo, before the apply is marked as undone"
	cutBreaks    fault = "the line breaks after the swap, and the recovery breaks"
	stuck        fault = "an old journal that nobody can read"
	goneApplied  fault = "applies, then nobody gets to it any more"
	lineGoneIdle fault = "the line that was planned over is dead at the apply"
)

var faults = []fault{
	noWay, planStale, planRefused, asDesired, stepFails, breaks, cutAtSwap, cutAtCommit, cutAtOnce, cutWaits, cutAway, cutAwayLong,
	diesAtSwap, hangs, noResult, undoRefused, undoBreaks, undoCut, lineGoneIdle,
	undoUnmarked, cutBreaks, stuck, goneApplied,
}

// fakeFleet is nodes that live in memory, with what the rules are about counted.
type fakeFleet struct {
	latency time.Duration

	mu       sync.Mutex
	nodes    map[string]*fakeNode
	open     int      // connections
	inFlight int      // applies and rollbacks
	most     int      // the most of them ever
	talking  int      // conversations of any kind
	mostTalk int      // the most of them ever
	begun    []string // applies and rollbacks, in order
	wrong    []string // broken rules of the conversation
}

type fakeNode struct {
	name         string
	controlPlane bool
	fault        fault
	gone         bool
	awayUntil    time.Time
	waits        *wait
	busyUntil    time.Time // an engine that lost its line still works until then
	history      []protocol.Transaction
}

// wait is a restarted change whose engine waits without a line for the word.
type wait struct {
	run   string
	until time.Time
}

func newFakeFleet(targets []Target, faulty map[string]fault) *fakeFleet {
	f := &fakeFleet{latency: 20 * time.Millisecond, nodes: map[string]*fakeNode{}}
	for _, t := range targets {
		f.nodes[t.Name] = &fakeNode{name: t.Name, controlPlane: t.ControlPlane, fault: faulty[t.Name]}
	}
	return f
}

func (f *fakeFleet) Connect(ctx context.Context, node string) (Conn, error) {
	if err := pause(ctx, f.latency); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.nodes[node]
	if n.fault == noWay || n.gone || time.Now().Before(n.awayUntil) {
		return nil, fmt.Errorf("dial %s: no route\nto host", node)
	}
	f.open++
	return &fakeConn{fleet: f, node: n}, nil
}

type fakeConn struct {
	fleet   *fakeFleet
	node    *fakeNode
	planned bool
	closed  bool
	broken  bool
}

func (c *fakeConn) Close() error {
	c.fleet.mu.Lock()
	defer c.fleet.mu.Unlock()
	if c.closed {
		c.fleet.wrong = append(c.fleet.wrong, c.node.name+": closed twice")
		return nil
	}
	c.closed = true
	c.fleet.open--
	return nil
}

func (c *fakeConn) Do(ctx context.Context, req protocol.Request, on func(protocol.Event) *protocol.Control) (*protocol.Reply, error) {
	f, n := c.fleet, c.node
	f.mu.Lock()
	if c.closed || c.broken || req.Version != protocol.Version {
		f.wrong = append(f.wrong, fmt.Sprintf("%s: %s over a closed or broken line", n.name, req.Op))
	}
	f.talking++
	f.mostTalk = max(f.mostTalk, f.talking)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.talking--; f.mu.Unlock() }()

	reply, err := c.answer(ctx, req, on)
	if err != nil {
		c.broken = true
	}
	return reply, err
}

func (c *fakeConn) answer(ctx context.Context, req protocol.Request, on func(protocol.Event) *protocol.Control) (*protocol.Reply, error) {
	f, n := c.fleet, c.node
	if err := pause(ctx, f.latency); err != nil {
		return nil, err
	}
	switch req.Op {
	case protocol.OpPlan:
		c.planned = true
		return &protocol.Reply{Plan: fakePlan(n)}, nil
	case protocol.OpApply:
		return c.change(ctx, req, on, c.apply)
	case protocol.OpRollback:
		return c.change(ctx, req, on, c.rollback)
	case protocol.OpConfirm:
		return c.confirm(req), nil
	case protocol.OpRecover:
		n.expire(f)
		f.mu.Lock()
		defer f.mu.Unlock()
		if n.waits != nil {
			return fail(protocol.ErrLocked, "an engine waits for the word"), nil
		}
		if time.Now().Before(n.busyUntil) {
			return fail(protocol.ErrLocked, "another engine is at work"), nil
		}
		switch n.fault {
		case cutBreaks:
			return failed(protocol.OutcomeBroken), nil
		case stuck:
			return fail(protocol.ErrFailed, "the journal is damaged"), nil
		}
		return result(protocol.OutcomeUnchanged), nil
	case protocol.OpStatus:
		f.mu.Lock()
		defer f.mu.Unlock()
		return &protocol.Reply{Status: &protocol.Status{Healthy: true, History: append([]protocol.Transaction(nil), n.history...)}}, nil
	}
	return fail(protocol.ErrInvalid, "what?"), nil
}

func fakePlan(n *fakeNode) *plan.Node {
	p := &plan.Node{Fingerprint: "f-" + n.name, Facts: plan.Facts{Hostname: n.name, Release: "1.7.35"}}
	switch n.fault {
	case asDesired:
	case planRefused:
		p.Problems = []plan.Notice{{ID: "kill-mode", Text: "KillMode is control-group", Hint: "set it to process"}}
	default:
		p.Changes = []plan.Change{{Path: "/etc/containerd/certs.d/192.168.21.9/hosts.toml", Action: plan.Create}}
	}
	return p
}

func fail(kind protocol.ErrorKind, text string) *protocol.Reply {
	return &protocol.Reply{Error: &protocol.Error{Kind: kind, Text: text}}
}

func result(o protocol.Outcome) *protocol.Reply {
	return &protocol.Reply{Result: &protocol.Result{Outcome: o}}
}

func failed(o protocol.Outcome) *protocol.Reply {
	return &protocol.Reply{
		Result: &protocol.Result{Outcome: o, Failed: protocol.StepHealth},
		Error:  &protocol.Error{Kind: protocol.ErrFailed, Text: "CRI does not answer", Hint: "look at journalctl -u containerd"},
	}
}

// change counts around an apply or a rollback.
func (c *fakeConn) change(ctx context.Context, req protocol.Request, on func(protocol.Event) *protocol.Control,
	do func(context.Context, protocol.Request, func(protocol.Event) *protocol.Control) (*protocol.Reply, error),
) (*protocol.Reply, error) {
	f := c.fleet
	f.mu.Lock()
	f.inFlight++
	f.most = max(f.most, f.inFlight)
	f.begun = append(f.begun, string(req.Op)+" "+c.node.name)
	if c.node.controlPlane && f.inFlight > 1 {
		f.wrong = append(f.wrong, c.node.name+": control plane is not alone")
	}
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.inFlight--; f.mu.Unlock() }()
	return do(ctx, req, on)
}

// past writes a transaction into the node's history, as the engine would.
func (c *fakeConn) past(run string, o protocol.Outcome) { c.because(run, o, "") }

// because is past with the step that failed.
func (c *fakeConn) because(run string, o protocol.Outcome, failed protocol.Step) {
	c.fleet.mu.Lock()
	defer c.fleet.mu.Unlock()
	c.node.note(run, o, failed)
}

func (n *fakeNode) note(run string, o protocol.Outcome, failed protocol.Step) {
	if o == protocol.OutcomeBroken {
		return
	}
	tx := protocol.Transaction{ID: fmt.Sprint(len(n.history)), Run: run, Outcome: o, Failed: failed, Ended: time.Now()}
	if o == protocol.OutcomeRestored {
		tx.Reason = "nothing was heard from the operator's side"
	}
	n.history = append([]protocol.Transaction{tx}, n.history...)
}

// expire puts back what waited too long.
func (n *fakeNode) expire(f *fakeFleet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.waits != nil && !time.Now().Before(n.waits.until) {
		n.note(n.waits.run, protocol.OutcomeRestored, "")
		n.waits = nil
	}
}

func (c *fakeConn) confirm(req protocol.Request) *protocol.Reply {
	f, n := c.fleet, c.node
	n.expire(f)
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.waits == nil || n.waits.run != req.Run {
		return result(protocol.OutcomeUnchanged)
	}
	n.waits = nil
	if !req.Confirm {
		n.note(req.Run, protocol.OutcomeRestored, "")
		r := failed(protocol.OutcomeRestored)
		r.Result.Failed = ""
		return r
	}
	n.note(req.Run, protocol.OutcomeApplied, "")
	return result(protocol.OutcomeApplied)
}

func (c *fakeConn) apply(ctx context.Context, req protocol.Request, on func(protocol.Event) *protocol.Control) (*protocol.Reply, error) {
	f, n := c.fleet, c.node
	switch {
	case req.Fingerprint != "f-"+n.name || n.fault == planStale:
		return fail(protocol.ErrStale, "the node changed since the plan"), nil
	case n.fault == cutAtOnce, n.fault == lineGoneIdle && c.planned:
		return nil, errCut
	case n.fault == stuck:
		return fail(protocol.ErrFailed, "the journal is damaged"), nil
	case n.fault == noResult:
		return &protocol.Reply{}, nil
	}
	for _, s := range []protocol.Step{protocol.StepLock, protocol.StepBackup, protocol.StepSwap} {
		on(protocol.Event{Step: s, At: time.Now()})
		if err := pause(ctx, f.latency); err != nil {
			if s == protocol.StepSwap {
				c.past(req.Run, protocol.OutcomeRestored)
			}
			return nil, err
		}
	}
	if req.Play {
		if answer := on(protocol.Event{Step: protocol.StepPlay, At: time.Now()}); answer == nil || !answer.Confirm {
			c.because(req.Run, protocol.OutcomeRestored, protocol.StepPlay)
			r := failed(protocol.OutcomeRestored)
			if answer != nil && answer.Reason != "" {
				r.Result.Failed, r.Error.Text, r.Error.Hint = protocol.StepPlay, answer.Reason, answer.Hint
			}
			return r, nil
		}
		on(protocol.Event{Step: protocol.StepHealth, At: time.Now()})
	}
	switch n.fault {
	case cutWaits, cutAway, cutAwayLong:
		f.mu.Lock()
		n.waits = &wait{req.Run, time.Now().Add(req.ConfirmWithin)}
		switch n.fault {
		case cutAway:
			n.awayUntil = time.Now().Add(15 * time.Second)
		case cutAwayLong:
			n.awayUntil = time.Now().Add(req.ConfirmWithin + 30*time.Second)
		}
		f.mu.Unlock()
		return nil, errCut
	case stepFails:
		c.because(req.Run, protocol.OutcomeRestored, protocol.StepHealth)
		return failed(protocol.OutcomeRestored), nil
	case breaks:
		c.past(req.Run, protocol.OutcomeBroken)
		return failed(protocol.OutcomeBroken), nil
	case diesAtSwap:
		f.mu.Lock()
		n.gone = true
		f.mu.Unlock()
		return nil, errCut
	case cutBreaks:
		return nil, errCut
	case cutAtSwap:
		f.mu.Lock()
		n.busyUntil = time.Now().Add(req.ConfirmWithin)
		f.mu.Unlock()
		c.past(req.Run, protocol.OutcomeRestored)
		return nil, errCut
	case hangs:
		<-ctx.Done()
		c.past(req.Run, protocol.OutcomeRestored)
		return nil, ctx.Err()
	}
	if answer := on(protocol.Event{Step: protocol.StepProven, At: time.Now()}); answer == nil || !answer.Confirm {
		c.past(req.Run, protocol.OutcomeRestored)
		return failed(protocol.OutcomeRestored), nil
	}
	c.past(req.Run, protocol.OutcomeApplied)
	if n.fault == goneApplied {
		f.mu.Lock()
		n.gone = true
		f.mu.Unlock()
	}
	if n.fault == cutAtCommit {
		return nil, errCut
	}
	return result(protocol.OutcomeApplied), nil
}

func (c *fakeConn) rollback(ctx context.Context, req protocol.Request, on func(protocol.Event) *protocol.Control) (*protocol.Reply, error) {
	f, n := c.fleet, c.node
	on(protocol.Event{Step: protocol.StepUndo, At: time.Now()})
	if err := pause(ctx, f.latency); err != nil {
		return nil, err
	}
	switch n.fault {
	case undoRefused:
		return fail(protocol.ErrRefused, "a file of ours was changed since"), nil
	case stuck:
		return fail(protocol.ErrFailed, "the journal is damaged"), nil
	case undoBreaks:
		return failed(protocol.OutcomeBroken), nil
	}
	found := false
	f.mu.Lock()
	for i := range n.history {
		if tx := &n.history[i]; tx.Run == req.Target && tx.Outcome == protocol.OutcomeApplied && !tx.Undone {
			tx.Undone, found = n.fault != undoUnmarked, true
		}
	}
	f.mu.Unlock()
	if !found {
		return result(protocol.OutcomeUnchanged), nil
	}
	c.past(req.Run, protocol.OutcomeRolledBack)
	if n.fault == undoCut || n.fault == undoUnmarked {
		return nil, errCut
	}
	return result(protocol.OutcomeRolledBack), nil
}

// pause is a time in which ctx may end.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return ctx.Err()
	}
}
