// Package report turns results into what people and programs read. Each result
// has a human view and a JSON view; the JSON is stable and documented in
// docs/reference/json.md, the human view is not.
//
// Results go to standard output, progress to standard error. Whatever a node or
// a registry said is cleaned of control characters before it is shown.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Printer writes lines for people.
type Printer struct {
	w     io.Writer
	color bool
}

// NewPrinter makes a Printer; color marks words with ANSI colours.
func NewPrinter(w io.Writer, color bool) *Printer { return &Printer{w, color} }

// line writes one line. Every string, error and Stringer among the arguments is
// cleaned; painted text is not.
func (p *Printer) line(format string, args ...any) {
	for i, a := range args {
		switch v := a.(type) {
		case painted:
		case string:
			args[i] = Clean(v)
		case error:
			args[i] = Clean(v.Error())
		case fmt.Stringer:
			args[i] = Clean(v.String())
		}
	}
	_, _ = fmt.Fprintf(p.w, format+"\n", args...)
}

// painted is text that is clean already and may hold colour codes.
type painted string

type colour string

const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	cyan   colour = "36"
	bold   colour = "1"
	faint  colour = "2"
)

func (p *Printer) paint(c colour, s string) painted {
	s = Clean(s)
	if !p.color || s == "" {
		return painted(s)
	}
	return painted("\x1b[" + string(c) + "m" + s + "\x1b[0m")
}

// Clean replaces control characters and other things that could move a cursor
// or hide text by "?"; a tab stays.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s)
}

// JSON writes one result for programs.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// count says "1 node", "3 nodes".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// names joins up to most names and counts the rest.
func names(all []string, most int) string {
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return strings.Join(all[:most], ", ") + fmt.Sprintf(" and %d more", len(all)-most)
}

// Say writes one line for a view that lives elsewhere; arguments are cleaned.
func (p *Printer) Say(format string, args ...any) { p.line(format, args...) }
