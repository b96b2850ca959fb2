package configtoml

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"

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
	// places is where each registry setting is first mentioned, by joined path.
	places map[string]int
}

// maxDepth bounds how deep tables, dotted keys and inline tables nest.
// containerd's own tables go ten deep.
const maxDepth = 64

// maxKeys bounds how many keys one table has: the TOML decoder compares each key
// with all others of its table, so that 100,000 of them take a minute.
const maxKeys = 5000

// limit is where a document goes beyond what is looked into, and how.
type limit struct {
	offset int
	text   string
}

var tooDeep = fmt.Sprintf("tables or values nest more than %d levels deep", maxDepth)

// newDocument reads data up to the first syntax error. It returns nil and the
// limit for a document that goes beyond one.
func newDocument(data []byte) (d *document, beyond *limit) {
	d = &document{data: data, starts: []int{0}, places: map[string]int{}}
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
	c := counter{keys: map[string]int{}, seen: map[string]bool{}}
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			keys, first, last := keyOf(e)
			if len(keys) > maxDepth {
				return nil, &limit{first + shift, tooDeep}
			}
			if !c.header(keys, e.Kind == unstable.ArrayTable) {
				return nil, &limit{first + shift, tooMany}
			}
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
			d.note(keys, s.start)
		case unstable.KeyValue:
			s, ok := keyValue(e, data, table, shift, len(table))
			if !ok {
				return nil, &limit{int(e.Raw.Offset) + shift, tooDeep}
			}
			if !c.key() || !s.fewMembers() {
				return nil, &limit{int(e.Raw.Offset) + shift, tooMany}
			}
			d.all = append(d.all, s)
			d.noteAll(&s, nil)
		}
	}
	return d, nil
}

var tooMany = fmt.Sprintf("a table has more than %d keys", maxKeys)

// counter counts the keys of each table.
type counter struct {
	keys    map[string]int
	seen    map[string]bool
	current string
}

func (c *counter) header(path []string, array bool) bool {
	full := joined(path)
	for n := len(full); ; {
		if c.seen[full[:n]] {
			break
		}
		c.seen[full[:n]] = true
		above := max(strings.LastIndexByte(full[:n], 0), 0)
		if c.keys[full[:above]]++; c.keys[full[:above]] > maxKeys {
			return false
		}
		if above == 0 {
			break
		}
		n = above
	}
	if c.current = full; array {
		c.keys[full] = 0
	}
	return true
}

// key counts an assignment below the present header.
func (c *counter) key() bool {
	c.keys[c.current]++
	return c.keys[c.current] <= maxKeys
}

func (s *statement) fewMembers() bool {
	if len(s.inline) > maxKeys {
		return false
	}
	for i := range s.inline {
		if !s.inline[i].fewMembers() {
			return false
		}
	}
	return true
}

// note records the place of a path and of all above it, when it is a registry
// setting.
func (d *document) note(path []string, at int) {
	if len(path) < 3 || path[0] != "plugins" || path[2] != "registry" {
		return
	}
	for n := len(path); n >= 3; n-- {
		key := joined(path[:n])
		if _, ok := d.places[key]; ok {
			return
		}
		d.places[key] = at
	}
}

func (d *document) noteAll(s *statement, above []string) {
	if len(above) == 0 && len(s.table) > 0 && s.table[0] != "plugins" {
		return
	}
	full := append(slices.Clone(above), s.full()...)
	d.note(full, s.start)
	for i := range s.inline {
		d.noteAll(&s.inline[i], full)
	}
}

// joined makes a map key of a path.
func joined(path []string) string { return strings.Join(path, "\x00") }

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

// keyValue reads one assignment; false when it nests too deep.
func keyValue(e *unstable.Node, data []byte, table []string, shift, depth int) (statement, bool) {
	keys, first, last := keyOf(e)
	if depth += len(keys); depth > maxDepth {
		return statement{}, false
	}
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
				m, ok := keyValue(c, data, nil, shift, depth)
				if !ok {
					return s, false
				}
				s.inline = append(s.inline, m)
			}
		}
	}
	// The members of an inline table have been looked at above.
	return s, v.Kind != unstable.Array || !deepArray(v, maxDepth-depth)
}

// deepArray reports whether arrays, and inline tables in them, nest more than
// left levels deep.
func deepArray(n *unstable.Node, left int) bool {
	if n.Kind != unstable.Array && n.Kind != unstable.InlineTable {
		return false
	}
	if left <= 0 {
		return true
	}
	for it := n.Children(); it.Next(); {
		c := it.Node()
		switch c.Kind {
		case unstable.KeyValue:
			keys, _, _ := keyOf(c)
			if len(keys) > left || deepArray(c.Value(), left-len(keys)) {
				return true
			}
		case unstable.Array, unstable.InlineTable:
			if deepArray(c, left-1) {
				return true
			}
		}
	}
	return false
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
