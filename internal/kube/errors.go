package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Error is that Kubernetes could not be asked: one line, and a hint apart from it.
type Error struct {
	Text string
	hint string
	// final: asking again gives the same answer.
	final bool
	// gone: what was asked for does not exist.
	gone bool
	// forbidden: the user may not ask for it, as the API server knows its roles now.
	forbidden bool
	// conflict: the object has changed since it was read.
	conflict bool
	cause    error
}

func (e *Error) Error() string { return e.Text }

// Hint says what to do about it; may be empty.
func (e *Error) Hint() string { return e.hint }

// Gone tells that what was asked for does not exist.
func (e *Error) Gone() bool { return e.gone }

// Conflict tells that the object has changed since it was read.
func (e *Error) Conflict() bool { return e.conflict }

// Final tells that asking again gives the same answer.
func (e *Error) Final() bool { return e.final }

// Unwrap returns what client-go said.
func (e *Error) Unwrap() error { return e.cause }

// rights are the least that a user of the kubeconfig needs.
const rights = "get and list on nodes, list on pods and poddisruptionbudgets.policy, in the whole cluster"

// toError makes one of what client-go says about asking for what.
func toError(what string, err error) *Error {
	e := &Error{Text: fmt.Sprintf("Kubernetes: %s: %s", what, oneLine(err.Error())), cause: err}
	switch {
	case apierrors.IsUnauthorized(err):
		e.final, e.hint = true, "the credential of the kubeconfig is wrong or has expired"
	case apierrors.IsForbidden(err):
		e.final, e.forbidden, e.hint = true, true, "the user of the kubeconfig needs "+rights
	case apierrors.IsNotFound(err):
		e.final, e.gone = true, true
	case apierrors.IsConflict(err):
		e.conflict = true
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		e.final = true
	case errors.Is(err, context.DeadlineExceeded):
		e.Text = fmt.Sprintf("Kubernetes: %s: no answer in time", what)
		e.hint = "is the API server up, and reachable from here?"
	default:
		e.hint = "is the API server up, and reachable from here?"
	}
	return e
}

// oneLine is what a server said, cut to a printable line.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if r := []rune(s); len(r) > 400 {
		s = string(r[:400]) + " ..."
	}
	return s
}
