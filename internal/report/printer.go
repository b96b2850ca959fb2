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

	"github.com/pullway/pullway/internal/terminal"
)

// Printer writes lines for people.
type Printer struct {
	w     io.Writer
	color bool
}

// NewPrinter makes a Printer; color marks words with ANSI colours.
func NewPrinter(w io.Writer, color bool) *Printer { return &Printer{w, color} }

// line writes one line. Every argument that is or prints as text is cleaned,
// whatever its type; painted text is clean already.
func (p *Printer) line(format string, args ...any) {
	for i, a := range args {
		switch v := a.(type) {
		case painted, nil, bool, int, int64, uint32, float64:
		default:
			args[i] = Clean(fmt.Sprint(v))
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
func Clean(s string) string { return terminal.Clean(s) }

// JSON writes one result for programs. People look at it too, so nothing in it
// drives a terminal: such characters are escaped.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(terminal.EscapeJSON(w))
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Count says "1 node", "3 nodes".
func Count(n int, what string) string { return count(n, what) }

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

// width is how wide wrapped text gets, in characters.
const width = 96

// wrap writes text in lines of at most width: the first one begins with start, the
// others are as far in. A word that is longer stands alone.
func (p *Printer) wrap(start, text string) {
	p.wrapUnder(start, strings.Repeat(" ", len(start)), text)
}

// wrapUnder is wrap with what the other lines begin with.
func (p *Printer) wrapUnder(start, indent, text string) {
	line := start
	bare := true
	for word := range strings.FieldsSeq(Clean(text)) {
		if !bare && len([]rune(line))+1+len([]rune(word)) > width {
			p.line("%s", line)
			line, bare = indent, true
		}
		if !bare {
			line += " "
		}
		line += word
		bare = false
	}
	p.line("%s", line)
}
