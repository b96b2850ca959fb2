package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrNoReply tells that the engine's output ended before its reply: the
// connection was lost or the engine was killed. What it had begun is not known.
var ErrNoReply = errors.New("the connection ended before the engine's answer")

// Converse sends req to an engine and reads its messages until the reply. Each
// event is given to on, which may answer with a Control line; on may be nil.
// The caller closes in when it no longer needs the engine.
func Converse(in io.Writer, out io.Reader, req Request, on func(Event) *Control) (*Reply, error) {
	line, err := Encode(req)
	if err != nil {
		return nil, err
	}
	if _, err := in.Write(line); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoReply, err)
	}
	return Listen(in, out, nil, on)
}

// Encode is the line that asks an engine for req. It may hold secrets.
func Encode(req Request) ([]byte, error) {
	req.Version = Version
	var b bytes.Buffer
	err := Write(&b, req)
	return b.Bytes(), err
}

// Listen is the rest of Converse, for a caller that has sent the request itself.
// What the engine says is within the bounds of limits.go and, with those of other
// nodes, within budget, of which the reply keeps its part; else the error is
// ErrLineTooLong or ErrTooMuch and the caller lets go of the engine.
func Listen(in io.Writer, out io.Reader, budget *Budget, on func(Event) *Control) (_ *Reply, err error) {
	r := newAnswers(out, budget)
	defer func() {
		if err != nil {
			_ = r.purse.hold(0)
		}
	}()
	for events := 0; ; events++ {
		var m Message
		err := r.Read(&m)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, ErrNoReply
		case errors.Is(err, ErrLineTooLong), errors.Is(err, ErrTooMuch):
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrNoReply, err)
		case events == MaxEvents:
			return nil, fmt.Errorf("%w: %d messages and no reply", ErrTooMuch, events)
		case m.Event != nil && len(m.Event.Step) > maxStep:
			return nil, fmt.Errorf("%w: a step with a name of %d bytes", ErrTooMuch, len(m.Event.Step))
		}
		if m.Event != nil && on != nil {
			if c := on(*m.Event); c != nil {
				if err := Write(in, c); err != nil {
					return nil, fmt.Errorf("%w: %w", ErrNoReply, err)
				}
			}
		}
		if m.Reply != nil {
			return m.Reply, nil
		}
	}
}
