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
	silent  string // why the gate had the run stopped
}

// update is what a node's goroutine tells the loop. Phase is empty for a mere step.
type update struct {
	node   int
	step   protocol.Step
	phase  Phase
	result *protocol.Result
	err    *NodeError
	// own is set when a node that put itself back did so because a step failed, and
	// not because nobody was there any more.
	own    bool
	gate   *GateRun
	undone *protocol.Result // of the undo after the gate denied
	silent string           // the gate was, so the run stops
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
			// Next does not look at steps, of which there are many.
			for !r.wait(ctx) {
			}
		case Finish:
			r.workers.Wait()
			r.rec.Outcome, r.rec.Reason = d.Outcome, d.Reason
			if r.rec.Reason == stoppedAsAsked {
				switch {
				case r.saveErr != nil:
					r.rec.Reason = "the run record could not be written"
				case r.silent != "":
					r.rec.Reason = r.silent
				}
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

// wait takes in what nodes tell, all that is there, and records it once. It
// reports whether a phase or a request to stop is new.
func (r *run) wait(ctx context.Context) (news bool) {
	done := ctx.Done()
	if r.rec.Stop == StopNow {
		done = nil
	}
	select {
	case <-r.news.bell:
		for _, u := range r.news.take() {
			r.note(u)
			news = news || u.phase != ""
		}
	case <-r.stop:
		r.stop = nil
		r.askStop(StopSoon)
		news = true
	case <-done:
		r.askStop(StopNow)
		news = true
	}
	r.save()
	return news
}

func (r *run) note(u update) {
	n := &r.rec.Nodes[u.node]
	if u.step != "" {
		n.Step = u.step
	}
	switch u.phase {
	case "":
		return
	case Pending:
		// It is to be done again, as if it had never been begun.
		*n = NodeRun{Name: n.Name, ControlPlane: n.ControlPlane, Group: n.Group, Phase: Pending, Plan: n.Plan}
		r.noteGate(n, u)
		return
	}
	n.Phase = u.phase
	r.noteGate(n, u)
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
	if r.plays() {
		r.Player.Wave(d.Nodes)
	}
	for _, name := range d.Nodes {
		r.spawn(ctx, r.index[name], r.inWave(r.gated(r.attempt)))
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
func (r *run) spawn(ctx context.Context, i int, do work) {
	n := r.rec.Nodes[i]
	r.workers.Go(func() {
		u := do(ctx, i, n)
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
