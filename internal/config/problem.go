package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong, or worth a warning, in a spec.
type Problem struct {
	// File it stands in; empty for a spec that came from no file.
	File string `json:"file,omitempty"`
	// Path of the field, such as spec.registries[0].endpoints[1].url; empty when
	// the whole file is meant.
	Path string `json:"path,omitempty"`
	// Line and Column count from 1; a missing field has those of its parent, and
	// 0 means that the place is not known.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Text is one line; it never holds a secret.
	Text string `json:"text"`
	// Hint says what to do; it may be empty.
	Hint string `json:"hint,omitempty"`
}

// String is FILE:LINE:COLUMN: PATH: TEXT, the form that editors jump to. The
// hint is not part of it.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		b.WriteByte(':')
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", p.Line, p.Column)
	}
	for _, s := range []string{p.Path, p.Text} {
		if s == "" {
			continue
		}
		if b.Len() > 0 {
			if s == p.Text && p.Path != "" {
				b.WriteByte(':')
			}
			b.WriteByte(' ')
		}
		b.WriteString(s)
	}
	return b.String()
}

// maxProblems is how many problems are told; a file of garbage has no end of them.
const maxProblems = 100

// Problems are everything that is wrong, in the order of the file. As an error
// it prints one line for each.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// AsError is nil for no problems: a Problems of length 0 in an error is not nil.
func (ps Problems) AsError() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// tidy sorts by line, then by the order in which they were found, and cuts.
func (ps Problems) tidy() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if more := len(ps) - maxProblems; more > 0 {
		last := Problem{File: ps[maxProblems].File, Text: fmt.Sprintf("and %d more", more)}
		ps = append(ps[:maxProblems:maxProblems], last)
	}
	return ps
}
