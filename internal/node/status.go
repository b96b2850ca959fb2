package node

import (
	"context"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// status tells what the node knows of itself. It takes no lock.
func (e *Engine) status(ctx context.Context, _ protocol.Request) (*protocol.Reply, error) {
	e.tell(protocol.StepObserve, "")
	o, err := observe(ctx, e.store, e.bus)
	if err != nil {
		return nil, err
	}
	defer o.close()
	s := &protocol.Status{Healthy: o.Healthy, Health: o.Health}
	s.Facts = plan.FactsOf(o.Observed)
	left, holder, err := e.store.interrupted()
	if err == nil && left == nil && holder == nil {
		holder, err = e.store.holder()
	}
	switch {
	case err != nil:
		return nil, err
	case holder != nil:
		s.Busy = holder.String()
		s.UnderWay = &protocol.UnderWay{Run: holder.Run, Op: protocol.Op(holder.Op), Operator: holder.Operator, Since: holder.Since}
	case left != nil:
		t := told(left)
		s.Interrupted = &t
	}
	kept, err := e.store.pinned()
	if err != nil {
		return nil, err
	}
	if kept != nil {
		s.Pins = &kept.Pins
	}
	history, err := e.store.history()
	if err != nil {
		return nil, err
	}
	s.History = e.store.putBacks()
	for _, r := range history {
		t := told(r)
		s.History = append(s.History, t)
		if s.Applied == nil && r.Op == protocol.OpApply && !r.Undone {
			s.Applied = &t
		}
	}
	slices.SortStableFunc(s.History, func(a, b protocol.Transaction) int { return strings.Compare(b.ID, a.ID) })
	if err := e.drift(o, s); err != nil {
		return nil, err
	}
	return &protocol.Reply{Status: s}, nil
}

func told(r *Record) protocol.Transaction {
	t := protocol.Transaction{ID: r.ID, Run: r.Run, Name: r.Name, Op: r.Op, Target: r.Target, Operator: r.Operator,
		At: r.Started, Ended: r.Ended, Outcome: r.Outcome, Failed: r.Failed, Reason: r.Reason, Undone: r.Undone}
	t.Changed = r.changed()
	return t
}
