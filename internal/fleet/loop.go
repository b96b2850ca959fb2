package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// run is one run under way. rec and everything else here is touched by the loop
// alone; a node's goroutine has its own copy of what it needs, and conns[i]
// while node i is in flight.
type run struct {
	*Driver
	times   Timeouts
	request protocol.Request
	rec     *Run
	index   map[string]int
	conns   []Conn
	news    *queue[update]
	mail    *mailbox
	stop    <-chan struct{}
	workers sync.WaitGroup
	saveErr error
}

// update is what a node's goroutine tells the loop. Phase is empty for a mere step.
type update struct {
	node   int
	step   protocol.Step
	phase  Phase
	result *protocol.Result
	err    *NodeError
}

func (r *run) loop(ctx context.Context) {
	r.settleLeftovers(ctx)
	for {
		r.hear(ctx)
		switch d := Next(r.rec.State(), r.rec.Policy); d.Action {
		case Start:
			r.start(ctx, d)
		case Undo:
			r.undo(ctx, d)
		case Wait:
			r.wait(ctx)
		case Finish:
			r.workers.Wait()
			r.rec.Outcome, r.rec.Reason = d.Outcome, d.Reason
			if r.saveErr != nil && r.rec.Reason == "stopped as asked" {
				r.rec.Reason = "the run record could not be written"
			}
			r.rec.Ended = time.Now()
			r.save()
			return
		}
	}
}

// hear takes in requests to stop that are there already.
func (r *run) hear(ctx context.Context) {
	select {
	case <-r.stop:
		r.stop = nil
		r.askStop(StopSoon)
	default:
	}
	if ctx.Err() != nil {
		r.askStop(StopNow)
	}
}

func (r *run) askStop(s Stop) {
	if r.rec.Stop != StopNow {
		r.rec.Stop = s
	}
}

// wait takes in what nodes tell, all that is there, and records it once.
func (r *run) wait(ctx context.Context) {
	done := ctx.Done()
	if r.rec.Stop == StopNow {
		done = nil
	}
	select {
	case <-r.news.bell:
		for _, u := range r.news.take() {
			r.note(u)
		}
	case <-r.stop:
		r.stop = nil
		r.askStop(StopSoon)
	case <-done:
		r.askStop(StopNow)
	}
	r.save()
}

func (r *run) note(u update) {
	n := &r.rec.Nodes[u.node]
	if u.step != "" {
		n.Step = u.step
	}
	if u.phase == "" {
		return
	}
	n.Phase = u.phase
	result, err := &n.Result, &n.Error
	if n.Undo {
		result, err = &n.UndoResult, &n.UndoError
	}
	if u.result != nil {
		*result = u.result
	}
	if u.err != nil {
		*err = u.err
	}
	if u.phase.Ended() {
		n.Ended = time.Now()
		r.mail.ended(n.Name, u.phase, *err)
		if u.phase != Applied && u.phase != Lost {
			r.closeConn(u.node)
		}
	}
}

// start begins the nodes of d. They are in the record before they are touched;
// when that fails nothing more is started.
func (r *run) start(ctx context.Context, d Decision) {
	r.closeFormer(d.Wave)
	for _, name := range d.Nodes {
		n := &r.rec.Nodes[r.index[name]]
		n.Phase, n.Wave, n.Begun = Working, d.Wave, time.Now()
	}
	if r.save(); r.saveErr != nil {
		for _, name := range d.Nodes {
			n := &r.rec.Nodes[r.index[name]]
			n.Phase, n.Wave, n.Begun = Pending, 0, time.Time{}
		}
		r.askStop(StopSoon)
		return
	}
	r.mail.wave(d.Wave, false, d.Nodes)
	for _, name := range d.Nodes {
		r.spawn(ctx, r.index[name], r.attempt)
	}
}

// undo begins to put the nodes of d back. A record that cannot be written does
// not keep a node from being put back.
func (r *run) undo(ctx context.Context, d Decision) {
	before := make([]NodeRun, len(d.Nodes))
	wave := 0
	for i, name := range d.Nodes {
		n := &r.rec.Nodes[r.index[name]]
		before[i] = *n
		n.Phase, n.Undo = RollingBack, true
		wave = n.Wave
	}
	r.save()
	r.mail.wave(wave, true, d.Nodes)
	for i, name := range d.Nodes {
		was := before[i].Phase
		r.spawn(ctx, r.index[name], func(ctx context.Context, i int, n NodeRun) update {
			return r.putBack(ctx, i, n, was)
		})
	}
}

// spawn lets work go on for node i on a goroutine of its own: as many as Next
// starts at once, which is at most the policy's wave.
func (r *run) spawn(ctx context.Context, i int, work func(context.Context, int, NodeRun) update) {
	n := r.rec.Nodes[i]
	r.workers.Go(func() {
		u := work(ctx, i, n)
		u.node = i
		r.news.put(u, 0)
	})
}

// save writes the record; the first error is kept.
func (r *run) save() {
	if r.Recorder == nil {
		return
	}
	if err := r.Recorder.Save(r.rec); err != nil && r.saveErr == nil {
		r.saveErr = fmt.Errorf("record of run %q: %w", r.rec.ID, err)
	}
}
