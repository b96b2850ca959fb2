package transport

import "fmt"

// Kind says what part of reaching a node failed.
type Kind string

// The kinds of transport errors.
const (
	// KindUnreachable: no connection, or what answers is no SSH server.
	KindUnreachable Kind = "unreachable"
	// KindAuth: the node let nobody in.
	KindAuth Kind = "auth"
	// KindHostKey: the node is not known, or is not the one that was known.
	KindHostKey Kind = "host-key"
	// KindSudo: logged in, but not allowed to become root.
	KindSudo Kind = "sudo"
	// KindEngine: the engine cannot be put there or does not run.
	KindEngine Kind = "engine"
	// KindClosed: the connection or the run was cut.
	KindClosed Kind = "closed"
)

// Error is every failure of this package.
type Error struct {
	Kind Kind
	// Node is Target.Name.
	Node string
	// Text is one line without the node's name.
	Text string
	// Hint is what a person can do about it; may be empty.
	Hint string
	// Exit is the engine's exit status when Kind is KindEngine and it ran; else 0.
	Exit int
	// Err is the cause, for errors.Is and errors.As; may be nil.
	Err error
}

// Error returns one line that names the node.
func (e *Error) Error() string { return fmt.Sprintf("node %q: %s", e.Node, e.Text) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// fault is an Error that does not know its node yet.
func fault(kind Kind, hint string, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Hint: hint, Err: cause, Text: oneLine(fmt.Sprintf(format, args...))}
}

// at returns err as an *Error with the node's name in it.
func at(node string, err error) *Error {
	e, ok := err.(*Error)
	if !ok {
		e = fault(KindUnreachable, "", err, "%v", err)
	}
	named := *e
	named.Node = node
	return &named
}
