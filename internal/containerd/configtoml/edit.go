package configtoml

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// span is a replacement of data[start:end] by text.
type span struct {
	start, end int
	text       string
}

// splice carries out spans that do not overlap.
func splice(data []byte, spans []span) []byte {
	slices.SortStableFunc(spans, func(a, b span) int { return a.start - b.start })
	var out bytes.Buffer
	at := 0
	for _, s := range spans {
		if s.start < at {
			s.start = at
		}
		if s.end < s.start {
			continue
		}
		out.Write(data[at:s.start])
		out.WriteString(s.text)
		at = s.end
	}
	out.Write(data[at:])
	return out.Bytes()
}

// drop removes every statement whose whole path matches. What stands between two
// statements that go and belong to one table, comments included, goes too;
// everything else stays.
func (d *document) drop(match func(path []string) bool) []span {
	var spans []span
	last := -2
	for i := range d.all {
		s := &d.all[i]
		if !match(s.full()) {
			spans = append(spans, s.dropInline(d.data, nil, match)...)
			continue
		}
		cut := span{start: d.lineStart(s.start), end: d.lineEnd(s.end - 1)}
		if last == i-1 && !s.header {
			cut.start = spans[len(spans)-1].start
			spans = spans[:len(spans)-1]
		}
		spans = append(spans, cut)
		last = i
	}
	return spans
}

// dropInline removes the matching members of an inline table with their commas.
// A run at the end takes the comma before it: containerd's TOML readers refuse
// one before the brace (seen on 1.6.20).
func (s *statement) dropInline(data []byte, above []string, match func([]string) bool) (spans []span) {
	full := append(slices.Clone(above), s.full()...)
	gone := func(i int) bool { return match(append(slices.Clone(full), s.inline[i].full()...)) }
	for i := 0; i < len(s.inline); i++ {
		if !gone(i) {
			spans = append(spans, s.inline[i].dropInline(data, full, match)...)
			continue
		}
		first := i
		for i+1 < len(s.inline) && gone(i+1) {
			i++
		}
		cut := span{start: s.inline[first].start, end: s.inline[i].end}
		switch {
		case i+1 < len(s.inline):
			cut.end = s.inline[i+1].start
		case first > 0:
			cut.start = s.inline[first-1].end
		}
		spans = append(spans, cut)
	}
	return spans
}

// set gives one key of a table a value, in the way the file is written: in
// place where the key exists, below the table's header, in the inline table or
// beside the dotted keys that define it, before its first sub-table, or in a new
// table at the end.
func (d *document) set(table []string, key, value string) []span {
	path := append(slices.Clone(table), key)
	for i := range d.all {
		if s := d.all[i].exact(nil, path); s != nil {
			return []span{{s.valueStart, s.end, value}}
		}
	}
	eol := d.eol()
	for i := range d.all {
		if s := &d.all[i]; s.header && !s.array && slices.Equal(s.table, table) {
			indent := d.indent(s.start) + "  "
			if i+1 < len(d.all) && !d.all[i+1].header {
				indent = d.indent(d.all[i+1].start)
			}
			return d.insertLine(s.end, indent+bare(key)+" = "+value, eol)
		}
	}
	for i := range d.all {
		if in, rest := d.all[i].inlineFor(nil, path); in != nil {
			text := " " + dotted(rest) + " = " + value
			if len(in.inline) > 0 {
				text += ","
			}
			return []span{{in.valueStart + 1, in.valueStart + 1, text}}
		}
	}
	for i := len(d.all) - 1; i >= 0; i-- {
		if s := &d.all[i]; !s.header && len(s.table) < len(table) && len(s.full()) > len(table) && hasPrefix(s.full(), table) {
			return d.insertLine(s.end, d.indent(s.start)+dotted(path[len(s.table):])+" = "+value, eol)
		}
	}
	for i := range d.all {
		if s := &d.all[i]; s.header && hasPrefix(s.table, table) {
			indent := d.indent(s.start)
			text := indent + "[" + dotted(table) + "]" + eol + indent + "  " + bare(key) + " = " + value + eol + eol
			at := d.lineStart(s.start)
			return []span{{at, at, text}}
		}
	}
	text := "[" + dotted(table) + "]" + eol + "  " + bare(key) + " = " + value + eol
	return []span{{len(d.data), len(d.data), d.gap(eol) + text}}
}

// gap is what has to stand between the end of the file and a new table.
func (d *document) gap(eol string) string {
	switch {
	case len(bytes.TrimPrefix(d.data, bom)) == 0:
		return ""
	case d.data[len(d.data)-1] != '\n':
		return eol + eol
	}
	return eol
}

// insertLine puts a line below the one that offset is on.
func (d *document) insertLine(offset int, line, eol string) []span {
	at := d.lineEnd(offset - 1)
	if at == len(d.data) && (at == 0 || d.data[at-1] != '\n') {
		return []span{{at, at, eol + line}}
	}
	return []span{{at, at, line + eol}}
}

// exact finds the key-value whose whole path is path.
func (s *statement) exact(above, path []string) *statement {
	full := append(slices.Clone(above), s.full()...)
	if s.key != nil && slices.Equal(full, path) {
		return s
	}
	if s.isTable && hasPrefix(path, full) {
		for i := range s.inline {
			if found := s.inline[i].exact(full, path); found != nil {
				return found
			}
		}
	}
	return nil
}

// inlineFor finds the innermost inline table that path has to go into, and the
// rest of the path in it.
func (s *statement) inlineFor(above, path []string) (*statement, []string) {
	full := append(slices.Clone(above), s.full()...)
	if !s.isTable || len(full) >= len(path) || !hasPrefix(path, full) {
		return nil, nil
	}
	for i := range s.inline {
		if in, rest := s.inline[i].inlineFor(full, path); in != nil {
			return in, rest
		}
	}
	return s, path[len(full):]
}

var bareRE = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func bare(key string) string {
	if bareRE.MatchString(key) {
		return key
	}
	return quote(key)
}

func dotted(path []string) string {
	parts := make([]string, len(path))
	for i, p := range path {
		parts[i] = bare(p)
	}
	return strings.Join(parts, ".")
}

// quote writes a TOML basic string. Bytes that are no UTF-8 cannot be in TOML;
// callers refuse them before.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func validText(s string) bool { return utf8.ValidString(s) }
