package play

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Waves runs one play for the nodes of a wave, once all of them are ready for it.
// Its methods may be called by many goroutines at once.
type Waves struct {
	// Run runs the play on some nodes and returns when it has ended, which is soon
	// after its context did.
	Run func(ctx context.Context, nodes []string) (map[string]Result, error)
	// Log names the log of the last play, for hints.
	Log func() string

	mu sync.Mutex
	of map[string]*wave
}

// wave is one play, before, while and after it runs.
type wave struct {
	// order is that of the nodes; awaited are those that may still come.
	order   []string
	awaited map[string]bool
	ready   map[string]bool
	ctx     context.Context
	stop    context.CancelCauseFunc
	started bool
	// over is closed when told holds what to say of each node that was ready.
	over chan struct{}
	told map[string]error
}

// Wave tells that these nodes begin together.
func (w *Waves) Wave(nodes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &wave{order: slices.Clone(nodes), awaited: map[string]bool{}, ready: map[string]bool{}, over: make(chan struct{})}
	b.ctx, b.stop = context.WithCancelCause(context.Background())
	if w.of == nil {
		w.of = map[string]*wave{}
	}
	for _, n := range nodes {
		b.awaited[n], w.of[n] = true, b
	}
}

// Play waits until the play of the node's wave has ended, and says what is wrong
// with it on this node. A play is one thing: where it fails on one node it may not
// have come to its end on the others, so it has failed for all. It is interrupted
// when the context of one node ends or its engine is lost, which is what lost tells.
func (w *Waves) Play(ctx context.Context, node string, lost <-chan struct{}) error {
	w.mu.Lock()
	b := w.of[node]
	if b == nil || !b.awaited[node] {
		w.mu.Unlock()
		return fmt.Errorf("node %q is not awaited by any play", node)
	}
	delete(b.awaited, node)
	b.ready[node] = true
	w.begin(b)
	w.mu.Unlock()
	select {
	case <-b.over:
	case <-ctx.Done():
		w.interrupt(b, context.Cause(ctx))
	case <-lost:
		w.interrupt(b, fmt.Errorf("the connection to the engine on %s was lost, and nothing held that node any more", node))
	}
	<-b.over
	return b.told[node]
}

// Gone tells that a node is not to be waited for.
func (w *Waves) Gone(node string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b := w.of[node]; b != nil {
		delete(w.of, node)
		delete(b.awaited, node)
		w.begin(b)
	}
}

// interrupt stops a play that runs, and keeps one that does not from beginning.
func (w *Waves) interrupt(b *wave, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b.stop(why)
	if !b.started {
		b.started = true
		b.end(map[string]Result{}, fmt.Errorf("the play was not begun: %w", why), "")
	}
}

// begin starts the play when everybody is there. The caller holds the lock.
func (w *Waves) begin(b *wave) {
	if b.started || len(b.awaited) > 0 || len(b.ready) == 0 {
		return
	}
	b.started = true
	nodes := slices.DeleteFunc(slices.Clone(b.order), func(n string) bool { return !b.ready[n] })
	go func() {
		results, err := w.Run(b.ctx, nodes)
		log := ""
		if w.Log != nil {
			log = w.Log()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		b.end(results, err, log)
	}()
}

func (b *wave) end(results map[string]Result, err error, log string) {
	var ready []string
	for _, n := range b.order {
		if b.ready[n] {
			ready = append(ready, n)
		}
	}
	b.told = Judge(ready, results, err, log)
	b.stop(nil)
	close(b.over)
}

// FailedError is a play that failed on a node.
type FailedError struct{ text, hint string }

// Error is one line.
func (e *FailedError) Error() string { return e.text }

// Hint says what to do.
func (e *FailedError) Hint() string { return e.hint }

// Judge says what is wrong with a play on each of its nodes; nothing for one on
// which it is well. err is about the play as a whole, and log where it is written.
func Judge(nodes []string, results map[string]Result, err error, log string) map[string]error {
	seeLog := "its whole output is in " + log
	if log == "" {
		seeLog = ""
	}
	own, told := map[string]error{}, map[string]error{}
	first := ""
	for _, n := range nodes {
		if f := failure(results[n], seeLog); f != nil {
			own[n], first = f, cmp.Or(first, n)
		}
	}
	for _, n := range nodes {
		switch {
		case own[n] != nil && (err == nil || results[n].Failed != ""):
			told[n] = own[n]
		case err != nil:
			hint := seeLog
			var h interface{ Hint() string }
			if errors.As(err, &h) {
				hint = h.Hint()
			}
			told[n] = &FailedError{err.Error(), hint}
		case first != "":
			told[n] = &FailedError{fmt.Sprintf("the play failed on %s, and may not have come to its end here", first), seeLog}
		}
	}
	return told
}

// failure is what went wrong on one node.
func failure(r Result, seeLog string) error {
	switch {
	case r.Unreachable:
		return &FailedError{fmt.Sprintf("Ansible could not reach the node in task %q%s", r.Failed, prefixed(": ", r.Text)), seeLog}
	case r.Failed != "" && r.Text == "":
		return &FailedError{fmt.Sprintf("task %q failed, and hides why (no_log)", r.Failed), seeLog}
	case r.Failed != "":
		return &FailedError{fmt.Sprintf("task %q failed: %s", r.Failed, r.Text), seeLog}
	case !r.Reached:
		return &FailedError{"the play did not reach this node", "it is for the hosts of k8s_cluster: look at the node's groups, and at what stands after --"}
	}
	return nil
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
