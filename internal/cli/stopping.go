package cli

import (
	"context"
	"os"
)

// stopping turns signals into requests to a run: the first of any kind asks it to
// stop soon, a second Ctrl-C ends the context. A closed terminal (SIGHUP) and
// SIGTERM never do that: whoever sends those does not watch. Every later one is
// answered, so that nobody cuts an undo short by impatience. done ends the listening.
func (a *app) stopping(parent context.Context) (_ context.Context, soon <-chan struct{}, done func()) {
	return a.stoppingBy(parent, stopNodes)
}

// stopWords are what is said at each stage.
type stopWords struct{ first, second, more, most string }

var stopNodes = stopWords{
	first:  "stopping after the nodes in flight; Ctrl-C again takes them back",
	second: "taking back the nodes in flight; what is being put back is not cut short",
	more:   "already stopping after the nodes in flight",
	most:   "already taking back the nodes in flight; wait until they are whole",
}

// stoppingBy is stopping in other words.
func (a *app) stoppingBy(parent context.Context, words stopWords) (_ context.Context, soon <-chan struct{}, done func()) {
	ctx, cancel := context.WithCancel(parent)
	asked, ended := make(chan struct{}), make(chan struct{})
	go func() {
		stage := 0
		for {
			select {
			case sig := <-a.interrupts:
				stage = a.heard(sig, stage, words)
				switch stage {
				case stopSoon:
					select {
					case <-asked:
					default:
						close(asked)
					}
				case stopNow:
					cancel()
				}
			case <-ended:
				return
			}
		}
	}()
	return ctx, asked, func() { close(ended); cancel() }
}

// The stages of stopping.
const (
	stopSoon = 1
	stopNow  = 2
)

// heard says what a signal means at a stage, and returns the stage after it.
func (a *app) heard(sig os.Signal, stage int, words stopWords) int {
	switch {
	case stage == 0:
		a.say("%s", words.first)
		return stopSoon
	case stage == stopSoon && sig == os.Interrupt:
		a.say("%s", words.second)
		return stopNow
	case stage == stopSoon:
		a.say("%s", words.more)
	default:
		a.say("%s", words.most)
	}
	return stage
}
