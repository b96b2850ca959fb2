package kubespray

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// item is one entry of a list or of a map as the file has it: where it begins,
// and what it says.
type item struct{ head, value *yaml.Node }

// itemsOf are the entries of a list or a map, in the order of the file.
func itemsOf(v *yaml.Node) (all []item) {
	if v.Kind == yaml.SequenceNode {
		for _, e := range v.Content {
			all = append(all, item{e, follow(e)})
		}
		return all
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		all = append(all, item{v.Content[i], follow(v.Content[i+1])})
	}
	return all
}

// setEntries changes, adds and takes out entries of a list or a map; the others stay.
func (t *text) setEntries(key, v *yaml.Node, a Assignment, from, to int) ([]byte, error) {
	kind, name := yaml.SequenceNode, "list"
	if a.Map {
		kind, name = yaml.MappingNode, "map"
	}
	switch {
	case v.Kind == yaml.ScalarNode && v.Tag == "!!null", len(v.Content) == 0 && v.Kind != yaml.ScalarNode:
		if !a.empty() {
			t.replace(from, to, a.whole())
		}
		return t.bytes(), nil
	case v.Kind == yaml.ScalarNode:
		return nil, refuse(v.Line, "write it out, or change what the template refers to", "%s is a template or a plain text, not a %s: %s", a.Variable, name, masked(t.lines[v.Line-1]))
	case v.Kind != kind:
		return nil, refuse(key.Line, "pullway kubespray check shows the right shape", "%s is no %s", a.Variable, name)
	}
	items := itemsOf(v)
	missing := []Entry{}
	changes := map[int]*Entry{}
	for i := range a.Entries {
		e := &a.Entries[i]
		at, err := a.find(items, e.Key)
		switch {
		case err != nil:
			return nil, err
		case at < 0 && len(e.Lines) > 0:
			missing = append(missing, *e)
		case at >= 0 && !a.stands(*e, items[at]):
			if err := mayChange(items[at], e); err != nil {
				return nil, err
			}
			changes[at] = e
		}
	}
	if len(changes)+len(missing) == 0 {
		return t.bytes(), nil
	}
	if v.Style&yaml.FlowStyle != 0 {
		return nil, refuse(v.Line, "write it in block style, one entry under the other", "%s is written in one line, which is not edited", a.Variable)
	}
	return t.rewrite(v, items, changes, missing, to)
}

// rewrite carries the changes out, from the end to the beginning so that the
// lines above keep their numbers.
func (t *text) rewrite(v *yaml.Node, items []item, changes map[int]*Entry, missing []Entry, end int) ([]byte, error) {
	indent := items[0].head.Column - 1
	if v.Kind == yaml.SequenceNode {
		indent = t.dashOf(items[0].head)
	}
	if indent < 0 {
		return nil, refuse(items[0].head.Line, "write it in block style, one entry under the other", "the list is written in a way that is not edited")
	}
	var added []string
	for _, e := range missing {
		added = append(added, indented(e.Lines, indent)...)
	}
	t.replace(end, end, added)
	kept := len(items)
	for i := len(items) - 1; i >= 0; i-- {
		from, to := items[i].head.Line-1, end
		if i+1 < len(items) {
			to = t.without(from+1, items[i+1].head.Line-1, indent)
		}
		e := changes[i]
		if e == nil {
			continue
		}
		if len(e.Lines) == 0 {
			kept--
		}
		t.replace(from, to, indented(e.Lines, indent))
	}
	if kept+len(missing) == 0 {
		// What has lost all its entries must not become null.
		t.emptied(v)
	}
	return t.bytes(), nil
}

// emptied turns "NAME:" above a list or map that lost all entries into "NAME: []"
// or "NAME: {}".
func (t *text) emptied(v *yaml.Node) {
	nothing := " []"
	if v.Kind == yaml.MappingNode {
		nothing = " {}"
	}
	for i := min(v.Line-1, len(t.lines)-1); i >= 0; i-- {
		line := strings.TrimRight(t.lines[i], "\r\n")
		name, comment, _ := strings.Cut(line, "#")
		if name = strings.TrimRight(name, " "); strings.HasSuffix(name, ":") && !strings.HasPrefix(name, " ") {
			line = name + nothing
			if comment != "" {
				line += "  #" + comment
			}
			t.replace(i, i+1, []string{line})
			return
		}
	}
}

// dashOf is how far the dash of a list entry is indented; -1 when its line does
// not begin with one.
func (t *text) dashOf(item *yaml.Node) int {
	line := t.lines[item.Line-1]
	body := strings.TrimLeft(line, " ")
	if !strings.HasPrefix(body, "-") {
		return -1
	}
	return len(line) - len(body)
}

// find is the place of the entry with that key; -1 when there is none. Two of
// them cannot be told apart.
func (a Assignment) find(items []item, key string) (int, error) {
	found := -1
	for i, it := range items {
		k := it.head
		if !a.Map {
			k = value(it.value, a.ListKey)
		}
		if k == nil || k.Value != key {
			continue
		}
		if found >= 0 {
			return 0, refuse(it.head.Line, "put them into one entry", "%q stands in %s twice", key, a.Variable)
		}
		found = i
	}
	return found, nil
}

// stands reports whether an entry of the file is as wanted already.
func (a Assignment) stands(e Entry, now item) bool {
	if len(e.Lines) == 0 {
		return false
	}
	want, err := parse("", []byte(strings.Join(e.Lines, "\n")+"\n"))
	if err != nil || want == nil {
		return false
	}
	all := itemsOf(want)
	return len(all) == 1 && same(now.value, all[0].value)
}

// marker is the comment by which an entry of ours is known again.
const marker = "# pullway"

// mayChange refuses to overwrite a template or a vaulted value of somebody else's.
func mayChange(now item, e *Entry) error {
	if now.ours() {
		return nil
	}
	if n := computed(now.value, 0); n != nil {
		return refuse(n.Line, "change it by hand, or take the entry out and let it be written anew", "entry %q holds a template or a vaulted value that would be lost", e.Key)
	}
	return nil
}

// ours reports whether an entry bears our marker.
func (it item) ours() bool {
	nodes := []*yaml.Node{it.head, it.value}
	if len(it.value.Content) > 1 && it.value.Kind == yaml.MappingNode {
		nodes = append(nodes, it.value.Content[0], it.value.Content[1])
	}
	return slices.ContainsFunc(nodes, func(n *yaml.Node) bool { return strings.HasPrefix(n.LineComment, marker) })
}

// computed finds a scalar that only Ansible knows.
func computed(n *yaml.Node, depth int) *yaml.Node {
	if depth > maxNesting {
		return nil
	}
	if n.Kind == yaml.ScalarNode && (isJinja(n.Value) || n.Tag == "!vault" || n.Tag == "!unsafe") {
		return n
	}
	for _, c := range n.Content {
		if found := computed(c, depth+1); found != nil {
			return found
		}
	}
	return nil
}

// masked is a line for people; what could be a password after the name is cut.
func masked(line string) string {
	name, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
	if strings.Contains(rest, "{{") {
		return name + ":" + rest
	}
	return name + ": …"
}
