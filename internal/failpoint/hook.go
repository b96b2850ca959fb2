// Package failpoint names the moments at which the change of a node can be
// struck. The engine asks a Hook before and after each call that matters; in the
// engine that users get every Hook is nil. Tests give one of their own, and an
// engine built with the tag failpoints one that reads its orders from a file; see
// package script.
package failpoint

import "io/fs"

// When tells on which side of a call a point is.
type When string

// The two sides.
const (
	Before When = "before"
	After  When = "after"
)

// Hook is asked at each point. An error of it is the error of the call: Before,
// the call is not made; After, it was made and is told to have failed. operation
// is one word such as "rename", path what it is done to.
type Hook func(when When, operation, path string) error

// Around makes a call with its two points.
func (h Hook) Around(operation, path string, do func() error) error {
	if h == nil {
		return do()
	}
	if err := h.at(Before, operation, path); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return h.at(After, operation, path)
}

func (h Hook) at(when When, operation, path string) error {
	if err := h(when, operation, path); err != nil {
		return &fs.PathError{Op: operation, Path: path, Err: err}
	}
	return nil
}
