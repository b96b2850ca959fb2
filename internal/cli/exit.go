package cli

import (
	"errors"
	"strings"

	"github.com/pullway/pullway/internal/protocol"
)

// The exit codes of every command. They are documented in docs/reference/cli.md
// and never change their meaning.
const (
	// ExitDone: done, or nothing to do.
	ExitDone = 0
	// ExitFailed: failed, and nothing was changed.
	ExitFailed = 1
	// ExitUsage: wrong usage or an invalid specification.
	ExitUsage = 2
	// ExitPending: changes are pending (plan --exit-code), a node has drifted (status
	// --exit-code), an image would not be served (trace), or problems were found (verify, doctor).
	ExitPending = 3
	// ExitRolledBack: failed, and every changed node was put back.
	ExitRolledBack = 4
	// ExitBroken: a node could not be put back; hands are needed.
	ExitBroken = 5
	// ExitPartial: stopped part-way; the nodes that were not reached are untouched.
	ExitPartial = 6
)

// exitError ends a command with a code. A nil cause ends it without a message:
// the result has said everything.
type exitError struct {
	code  int
	cause error
	hint  string
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

func (e *exitError) Unwrap() error { return e.cause }

// usage makes an error of wrong usage.
func usage(err error, hint string) error { return &exitError{ExitUsage, err, hint} }

// verdict ends a command whose result was printed.
func verdict(code int) error {
	if code == ExitDone {
		return nil
	}
	return &exitError{code: code}
}

// codeOf is the exit code of a command's error.
func codeOf(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &e):
		return e.code
	}
	return ExitFailed
}

// hintOf finds what a person can do about an error.
func hintOf(err error) string {
	var e *exitError
	if errors.As(err, &e) && e.hint != "" {
		return e.hint
	}
	var p *protocol.Error
	if errors.As(err, &p) {
		return p.Hint
	}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// isUsage recognises what cobra says of flags and arguments.
func isUsage(err error) bool {
	text := err.Error()
	for _, start := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs an argument", "invalid argument", "required flag", "accepts ", "requires ", "if any flags in the group", "at least one of the flags"} {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	return false
}
