package protocol

import (
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
	req.Version = Version
	if err := Write(in, req); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoReply, err)
	}
	r := NewReader(out)
	for {
		var m Message
		err := r.Read(&m)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, ErrNoReply
		case errors.Is(err, ErrLineTooLong):
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrNoReply, err)
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
