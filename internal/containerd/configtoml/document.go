package configtoml

import (
	"bytes"
	"slices"
	"sort"

	"github.com/pelletier/go-toml/v2/unstable"
)

// statement is one table header or one key with its value, and where it stands.
type statement struct {
	// table is the header above; for a header its own name.
	table []string
	// key relative to table; nil for a header.
	key []string
	// start and end of the statement itself, without indentation, comment and line end.
	start, end int
	// valueStart is where the value begins; 0 for a header.
	valueStart int
	header     bool
	array      bool // [[header]]
	// inline are the members of an inline table, with keys relative to it.
	inline  []statement
	isTable bool
}

// full is the whole path of the statement.
func (s *statement) full() []string { return append(slices.Clone(s.table), s.key...) }

// document is a file as a list of statements with byte ranges.
type document struct {
	data   []byte
	all    []statement
	starts []int
}

// newDocument reads data, which has been decoded before without error.
func newDocument(data []byte) *document {
	d := &document{data: data, starts: []int{0}}
	for i, b := range data {
		if b == '\n' {
			d.starts = append(d.starts, i+1)
		}
	}
	shift := 0
	body := data
	if bytes.HasPrefix(data, bom) {
		shift, body = len(bom), data[len(bom):]
	}
	var p unstable.Parser
	p.Reset(body)
	var table []string
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			keys, first, last := keyOf(e)
			table = keys
			s := statement{table: keys, header: true, array: e.Kind == unstable.ArrayTable, start: first + shift, end: last + shift}
			for s.start > 0 && data[s.start-1] != '\n' && data[s.start] != '[' {
				s.start--
			}
			if s.array && s.start > 0 && data[s.start-1] == '[' {
				s.start--
			}
			for s.end < len(data) && data[s.end] != ']' {
				s.end++
			}
			s.end++
			if s.array {
				s.end++
			}
			d.all = append(d.all, s)
		case unstable.KeyValue:
			d.all = append(d.all, keyValue(e, data, table, shift))
		}
	}
	return d
}

func keyOf(e *unstable.Node) (keys []string, first, last int) {
	first = -1
	for it := e.Key(); it.Next(); {
		k := it.Node()
		if first < 0 {
			first = int(k.Raw.Offset)
		}
		last = int(k.Raw.Offset + k.Raw.Length)
		keys = append(keys, string(k.Data))
	}
	return keys, first, last
}

func keyValue(e *unstable.Node, data []byte, table []string, shift int) statement {
	keys, first, last := keyOf(e)
	s := statement{table: table, key: keys, start: first + shift, end: int(e.Raw.Offset+e.Raw.Length) + shift}
	for s.end > s.start && (data[s.end-1] == ' ' || data[s.end-1] == '\t') {
		s.end--
	}
	s.valueStart = last + shift
	for data[s.valueStart] != '=' {
		s.valueStart++
	}
	for s.valueStart++; data[s.valueStart] == ' ' || data[s.valueStart] == '\t'; s.valueStart++ {
	}
	v := e.Value()
	if v.Kind == unstable.InlineTable {
		s.isTable = true
		for it := v.Children(); it.Next(); {
			if c := it.Node(); c.Kind == unstable.KeyValue {
				s.inline = append(s.inline, keyValue(c, data, nil, shift))
			}
		}
	}
	return s
}

// pos turns an offset into a place.
func (d *document) pos(file string, offset int) Pos {
	i := sort.SearchInts(d.starts, offset+1) - 1
	return Pos{File: file, Line: i + 1, Column: offset - d.starts[i] + 1}
}

// find returns the place of the first statement at or below a path.
func (d *document) find(p []string) (int, bool) {
	for i := range d.all {
		if at, ok := d.all[i].findIn(nil, p); ok {
			return at, true
		}
	}
	return 0, false
}

func (s *statement) findIn(above, p []string) (int, bool) {
	full := append(slices.Clone(above), s.full()...)
	if hasPrefix(full, p) {
		return s.start, true
	}
	if s.isTable && hasPrefix(p, full) {
		for i := range s.inline {
			if at, ok := s.inline[i].findIn(full, p); ok {
				return at, true
			}
		}
	}
	return 0, false
}

func hasPrefix(p, prefix []string) bool {
	return len(p) >= len(prefix) && slices.Equal(p[:len(prefix)], prefix)
}

// lineStart is the first byte of the line that offset is on.
func (d *document) lineStart(offset int) int {
	return d.starts[sort.SearchInts(d.starts, offset+1)-1]
}

// lineEnd is the byte after the line end of the line that offset is on.
func (d *document) lineEnd(offset int) int {
	if i := sort.SearchInts(d.starts, offset+1); i < len(d.starts) {
		return d.starts[i]
	}
	return len(d.data)
}

// eol is the line end that the file uses.
func (d *document) eol() string {
	if i := bytes.IndexByte(d.data, '\n'); i > 0 && d.data[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// indent is the white space before offset on its line.
func (d *document) indent(offset int) string {
	line := d.data[d.lineStart(offset):offset]
	n := 0
	for n < len(line) && (line[n] == ' ' || line[n] == '\t') {
		n++
	}
	return string(line[:n])
}
