package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// Serve reads one request from in, carries it out and writes events and the
// reply to out. It returns nil when a reply was written, whatever it says.
//
// The end of in takes an apply back that is not yet committed: whoever asked for
// it is gone. Writing to out never fails the work for the same reason.
func Serve(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	lines := protocol.NewReader(in)
	var req protocol.Request
	if err := lines.Read(&req); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("no request on standard input; the engine is started by pullway, not by hand")
		}
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	control := make(chan protocol.Control)
	go func() {
		defer close(control)
		for {
			var c protocol.Control
			if err := lines.Read(&c); err != nil {
				if changes(req.Op) {
					cancel()
				}
				return
			}
			select {
			case control <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
	w := &messages{out: out}
	tell := func(s protocol.Step, text string) {
		_ = w.send(protocol.Message{Event: &protocol.Event{Step: s, Text: text, At: time.Now()}})
	}
	reply := NewEngine(dir, tell, control).Do(ctx, req)
	return w.send(protocol.Message{Reply: reply})
}

// changes reports whether an operation is taken back when its asker goes away. A
// rollback goes on: it is what the asker wanted most.
func changes(op protocol.Op) bool { return op == protocol.OpApply || op == protocol.OpVerify }

// messages writes one message a line from several goroutines.
type messages struct {
	mu  sync.Mutex
	out io.Writer
}

func (m *messages) send(msg protocol.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := protocol.Write(m.out, msg); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}
