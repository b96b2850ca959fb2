package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/transport"
)

// oneNode is a connection whose engines answer with the op they were asked for;
// the op "hang" gets no answer.
type oneNode struct {
	transport.Conn
	started, closed int
	last            *oneEngine
}

func (n *oneNode) StartWith(ctx context.Context, first []byte) (transport.Process, error) {
	n.started++
	in, stdin := io.Pipe()
	stdout, out := io.Pipe()
	e := &oneEngine{stdin: stdin, stdout: stdout, done: make(chan struct{}), kill: make(chan struct{})}
	n.last = e
	context.AfterFunc(ctx, e.Kill)
	go func() {
		defer close(e.done)
		go func() {
			_, _ = stdin.Write(first)
			<-e.kill
			_ = in.Close()
			_ = out.Close()
		}()
		lines := protocol.NewReader(in)
		for {
			var req protocol.Request
			if lines.Read(&req) != nil {
				return
			}
			if req.Op != "hang" {
				_ = protocol.Write(out, protocol.Message{Reply: &protocol.Reply{Error: &protocol.Error{Text: string(req.Op)}}})
			}
		}
	}()
	return e, nil
}

func (n *oneNode) Close() error { n.closed++; return nil }

type oneEngine struct {
	stdin      *io.PipeWriter
	stdout     *io.PipeReader
	done, kill chan struct{}
	killed     atomic.Bool
}

func (e *oneEngine) Stdin() io.WriteCloser { return e.stdin }
func (e *oneEngine) Stdout() io.Reader     { return e.stdout }
func (e *oneEngine) Stderr() string        { return "" }
func (e *oneEngine) Done() <-chan struct{} { return e.done }
func (e *oneEngine) Wait() error           { <-e.done; return nil }
func (e *oneEngine) Kill() {
	if !e.killed.Swap(true) {
		close(e.kill)
	}
}

func TestOneEngineServesARun(t *testing.T) {
	n := &oneNode{}
	c := &engineConn{conn: n}
	ask := func(ctx context.Context, op protocol.Op) error {
		t.Helper()
		reply, err := c.Do(ctx, protocol.Request{Op: op}, nil)
		if err == nil && reply.Error.Text != string(op) {
			t.Errorf("asked for %s, the answer is to %s", op, reply.Error.Text)
		}
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := ask(ctx, "plan"); err != nil {
		t.Fatal(err)
	}
	cancel() // the end of a request's time is not that of the engine
	if err := ask(t.Context(), "apply"); err != nil || n.started != 1 {
		t.Fatalf("%v, %d engines for a plan and its apply", err, n.started)
	}
	// One that left by itself is replaced.
	n.last.Kill()
	<-n.last.Done()
	if err := ask(t.Context(), "apply"); err != nil || n.started != 2 {
		t.Fatalf("%v, %d engines", err, n.started)
	}
	// One that hangs is let go of with the request.
	ctx, cancel = context.WithCancel(t.Context())
	go cancel()
	if err := ask(ctx, "hang"); !errors.Is(err, protocol.ErrNoReply) {
		t.Fatalf("a request whose time is over: %v", err)
	}
	if err := ask(t.Context(), "status"); err != nil || n.started != 3 {
		t.Fatalf("%v, %d engines", err, n.started)
	}
	last := n.last
	if err := c.Close(); err != nil || n.closed != 1 || last.killed.Load() {
		t.Errorf("close: %v, %d times, killed %v", err, n.closed, last.killed.Load())
	}
	<-last.Done()
	if _, err := last.stdin.Write([]byte("x")); !strings.Contains(err.Error(), "closed pipe") {
		t.Errorf("its input is open: %v", err)
	}
}
