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
	return Listen(in, out, on)
}

// Encode is the line that asks an engine for req. It may hold secrets.
func Encode(req Request) ([]byte, error) {
	req.Version = Version
	var b bytes.Buffer
	err := Write(&b, req)
	return b.Bytes(), err
}

// Listen is the rest of Converse, for a caller that has sent the request itself.
func Listen(in io.Writer, out io.Reader, on func(Event) *Control) (*Reply, error) {
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
