package node

import (
	"context"
	"os"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// status tells what the node knows of itself. It takes no lock.
func (e *Engine) status(ctx context.Context, _ protocol.Request) (*protocol.Reply, error) {
	e.tell(protocol.StepObserve, "")
	o, err := observe(ctx, e.store)
	if err != nil {
		return nil, err
	}
	defer o.close()
	s := &protocol.Status{Healthy: o.Healthy, Health: o.Health}
	s.Facts = plan.FactsOf(o.Observed)
	left, holder, err := e.store.interrupted()
	if err != nil {
		return nil, err
	}
	if holder != nil {
		s.Busy = (&LockedError{*holder}).Error()
	}
	if left != nil {
		t := told(left)
		s.Interrupted = &t
	}
	history, err := e.store.history()
	if err != nil {
		return nil, err
	}
	for _, r := range history {
		t := told(r)
		s.History = append(s.History, t)
		if s.Applied == nil && r.Op == protocol.OpApply && !r.Undone {
			s.Applied = &t
		}
	}
	for _, f := range o.Manifest.Files {
		s.Files = append(s.Files, protocol.FileState{Path: f.Path, State: fileState(f)})
	}
	return &protocol.Reply{Status: s}, nil
}

func told(r *Record) protocol.Transaction {
	t := protocol.Transaction{ID: r.ID, Run: r.Run, Name: r.Name, At: r.Started, Outcome: r.Outcome, Undone: r.Undone}
	for _, item := range r.Items {
		t.Changed = append(t.Changed, item.Target)
	}
	return t
}

func fileState(f plan.Owned) string {
	b, err := readBounded(f.Path, MaxFile)
	if err != nil {
		if os.IsNotExist(err) {
			return "gone"
		}
		return "changed"
	}
	st, err := os.Lstat(f.Path)
	if err != nil || hash(b) != f.SHA256 || uint32(st.Mode().Perm()) != f.Mode {
		return "changed"
	}
	return "as-written"
}
