package fleet

import (
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// Steps that the operator's side tells beside the engine's own.
const (
	StepConnect protocol.Step = "connect"
	// StepSettle asks a node what became of a change whose line broke.
	StepSettle protocol.Step = "settle"
)

// Observer is told how it goes, so that a view can be put on it. Its methods
// are called by one goroutine at a time and in order for each node. They never
// hold up a run: an observer that is slow hears late, and one that is very slow
// misses steps, but no wave and no end.
type Observer interface {
	// WaveStarted tells that these nodes begin; wave 0 is the canaries. undo is
	// true when they undo what this run had committed.
	WaveStarted(wave int, undo bool, nodes []string)
	// NodeStep tells that a node began a step; text is one line and may be empty.
	NodeStep(node string, step protocol.Step, text string)
	// NodeEnded tells the phase a node ended in; while planning that is pending,
	// unchanged, refused or unreachable.
	NodeEnded(node string, phase Phase, err *NodeError)
}

const (
	// maxSteps is how many notes may wait for a slow observer before steps are left out.
	maxSteps = 16384
	// lastWords is how long a run's end waits for an observer to hear the rest.
	lastWords = 2 * time.Second
)

// mailbox carries notes to an Observer on a goroutine of its own. A nil
// observer makes all methods do nothing.
type mailbox struct {
	notes *queue[func(Observer)]
	quit  chan struct{}
	done  chan struct{}
}

func newMailbox(o Observer) *mailbox {
	if o == nil {
		return nil
	}
	m := &mailbox{notes: newQueue[func(Observer)](), quit: make(chan struct{}), done: make(chan struct{})}
	go m.deliver(o)
	return m
}

func (m *mailbox) deliver(o Observer) {
	defer close(m.done)
	for {
		last := false
		select {
		case <-m.notes.bell:
		case <-m.quit:
			last = true
		}
		for _, note := range m.notes.take() {
			note(o)
		}
		if last {
			return
		}
	}
}

// close delivers what waits and ends the goroutine. An observer that does not
// come back is left behind after lastWords.
func (m *mailbox) close() {
	if m == nil {
		return
	}
	close(m.quit)
	t := time.NewTimer(lastWords)
	defer t.Stop()
	select {
	case <-m.done:
	case <-t.C:
	}
}

func (m *mailbox) wave(wave int, undo bool, nodes []string) {
	if m != nil {
		m.notes.put(func(o Observer) { o.WaveStarted(wave, undo, nodes) }, 0)
	}
}

func (m *mailbox) step(node string, step protocol.Step, text string) {
	if m != nil {
		text = oneLine(text)
		m.notes.put(func(o Observer) { o.NodeStep(node, step, text) }, maxSteps)
	}
}

func (m *mailbox) ended(node string, phase Phase, err *NodeError) {
	if m != nil {
		m.notes.put(func(o Observer) { o.NodeEnded(node, phase, err) }, 0)
	}
}
