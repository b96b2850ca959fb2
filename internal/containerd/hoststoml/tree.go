package hoststoml

import (
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// node is one key of a TOML file with its place, in file order. Releases differ
// in what they make of the way a table is written, which a decoder does not
// tell; the tree keeps it.
type node struct {
	key       string
	line, col int
	// table has children; otherwise value is string, bool, []any or other.
	table bool
	// arrayTable was written [[...]].
	arrayTable bool
	value      any
	children   []*node
	index      map[string]*node
}

// other is a value of a type that no key of hosts.toml has.
type other string

func (n *node) child(key string) *node { return n.index[key] }

func (n *node) descend(key string, line, col int) *node {
	if c := n.child(key); c != nil {
		return c
	}
	c := &node{key: key, line: line, col: col, table: true}
	if n.index == nil {
		n.index = map[string]*node{}
	}
	n.children, n.index[key] = append(n.children, c), c
	return c
}

// tableLine is one [table] line.
type tableLine struct {
	parts     []string
	line, col int
	// raw is the key as it is written, with quotes and escapes.
	raw string
}

// tree is a whole file.
type tree struct {
	root   *node
	tables []tableLine // [table] lines in file order, [[table]] lines left out
	starts []int       // offset of each line
	parser unstable.Parser
	// oneHost tells that a root table HOST adds to host, as in 2.x; cased are the
	// places where one does.
	oneHost bool
	cased   []*node
}

// newTree reads data, which a decoder has accepted before: duplicates and
// redefinitions are not looked for again.
func newTree(data []byte, oneHost bool) *tree {
	t := &tree{root: &node{table: true}, starts: []int{0}, oneHost: oneHost}
	for i, b := range data {
		if b == '\n' {
			t.starts = append(t.starts, i+1)
		}
	}
	t.parser.Reset(data)
	current := t.root
	for t.parser.NextExpression() {
		e := t.parser.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			current = t.enter(e)
		case unstable.KeyValue:
			t.set(current, e)
		}
	}
	return t
}

// place turns an offset into line and column.
func (t *tree) place(offset uint32) (line, col int) {
	i := sort.SearchInts(t.starts, int(offset)+1) - 1
	return i + 1, int(offset) - t.starts[i] + 1
}

// name is the key under which a key of n is kept.
func (t *tree) name(n *node, key string, line, col int) string {
	if !t.oneHost || n != t.root || key == "host" || !strings.EqualFold(key, "host") {
		return key
	}
	t.cased = append(t.cased, &node{key: key, line: line, col: col})
	return "host"
}

func (t *tree) enter(e *unstable.Node) *node {
	head := tableLine{}
	n := t.root
	var first, end uint32
	for it := e.Key(); it.Next(); {
		k := it.Node()
		line, col := t.place(k.Raw.Offset)
		if len(head.parts) == 0 {
			head.line, head.col = line, col
			first = k.Raw.Offset
		}
		end = k.Raw.Offset + k.Raw.Length
		head.parts = append(head.parts, string(k.Data))
		n = n.descend(t.name(n, string(k.Data), line, col), line, col)
	}
	head.raw = string(t.parser.Data()[first:end])
	n.table = true
	if e.Kind == unstable.ArrayTable {
		n.arrayTable = true
		return n
	}
	t.tables = append(t.tables, head)
	return n
}

func (t *tree) set(into *node, e *unstable.Node) {
	n := into
	for it := e.Key(); it.Next(); {
		k := it.Node()
		line, col := t.place(k.Raw.Offset)
		n = n.descend(t.name(n, string(k.Data), line, col), line, col)
	}
	t.fill(n, e.Value())
}

func (t *tree) fill(n *node, v *unstable.Node) {
	if v.Kind == unstable.InlineTable {
		n.table = true
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				t.set(n, it.Node())
			}
		}
		return
	}
	n.table = false
	n.value = value(v)
}

func value(v *unstable.Node) any {
	switch v.Kind {
	case unstable.String:
		return string(v.Data)
	case unstable.Bool:
		return string(v.Data) == "true"
	case unstable.Array:
		list := []any{}
		for it := v.Children(); it.Next(); {
			if it.Node().Kind != unstable.Comment {
				list = append(list, value(it.Node()))
			}
		}
		return list
	default:
		return other(v.Kind.String())
	}
}
