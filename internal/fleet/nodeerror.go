package fleet

import (
	"errors"
	"strings"

	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/terminal"
)

// Kinds of node errors beside those that the engine tells.
const (
	// ErrUnreachable: no connection to the node, or it broke before anything was asked.
	ErrUnreachable protocol.ErrorKind = "unreachable"
	// ErrLineLost: the connection broke, or nothing was heard in time, in mid-conversation.
	ErrLineLost protocol.ErrorKind = "line-lost"
	// ErrBadReply: the engine's answer makes no sense.
	ErrBadReply protocol.ErrorKind = "bad-reply"
)

// NodeError is what went wrong with one node: one line, and a hint where a
// person can act. It is kept in run records.
type NodeError struct {
	Node string             `json:"node"`
	Kind protocol.ErrorKind `json:"kind"`
	Text string             `json:"text"`
	Hint string             `json:"hint,omitempty"`
	// cause is not recorded; it is for errors.Is and errors.As in this process.
	cause error
}

// Error returns the one line, without the node's name: every view has it beside.
func (e *NodeError) Error() string { return e.Text }

// Unwrap returns the error it was made of; nil when it was read from a record.
func (e *NodeError) Unwrap() error { return e.cause }

// hinted is what an error of a transport may implement to pass on a hint.
type hinted interface{ Hint() string }

// newNodeError makes one of any error. What a node or a server said may hold
// anything, so it is cut to one printable line.
func newNodeError(node string, kind protocol.ErrorKind, err error) *NodeError {
	e := &NodeError{Node: node, Kind: kind, Text: oneLine(err.Error()), cause: err}
	var told *protocol.Error
	var h hinted
	switch {
	case errors.As(err, &told):
		e.Hint = oneLine(told.Hint)
	case errors.As(err, &h):
		e.Hint = oneLine(h.Hint())
	}
	return e
}

// fromEngine makes one of what the engine told.
func fromEngine(node string, e *protocol.Error) *NodeError {
	if e == nil {
		return nil
	}
	return newNodeError(node, e.Kind, e)
}

// maxText is the longest text kept of an error, in bytes.
const maxText = 2048

// oneLine turns what drives a terminal into spaces and cuts at maxText.
func oneLine(s string) string {
	cut := len(s) > maxText
	if cut {
		s = s[:maxText]
	}
	s = strings.Map(func(r rune) rune {
		if terminal.Drives(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.TrimSpace(s)
	if cut {
		s += " ..."
	}
	return s
}
