package kubespray

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Entry is one element of a list variable, as it shall stand in the file.
type Entry struct {
	// Key is the value of the list's key (prefix, registry) by which it is found.
	Key string
	// Lines of YAML from the dash, or the map's key, on, without indentation and line
	// ends. None means that the entry shall go.
	Lines []string
}

// Assignment is what a variable shall hold.
type Assignment struct {
	Variable string
	// ListKey is the key that tells entries apart, for a list; Map is set for a map.
	// The other entries of both stay as they are.
	ListKey string
	Map     bool
	Entries []Entry
	// Lines are the whole value, for a variable that is ours alone: what follows
	// "NAME: " on its first line, then further lines as they are.
	Lines []string
}

// EditError tells why a file was not edited: one line with its place. Nothing
// was changed.
type EditError struct {
	Line int
	Text string
	Fix  string
}

// Error is "line N: TEXT".
func (e *EditError) Error() string {
	if e.Line == 0 {
		return e.Text
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Text)
}

// Hint says what to do.
func (e *EditError) Hint() string { return e.Fix }

func refuse(line int, fix, format string, args ...any) *EditError {
	return &EditError{Line: line, Text: fmt.Sprintf(format, args...), Fix: fix}
}

// Set makes a file of variables hold an assignment and changes no other byte:
// comments, order, quoting, line ends, vaulted values and Jinja stay. A file that
// holds it already comes back as it is. What cannot be changed safely (Jinja or
// vault in the place that must change, anchors, one-line lists) is an *EditError.
func Set(file []byte, a Assignment) ([]byte, error) {
	if bytes.HasPrefix(file, []byte("$ANSIBLE_VAULT;")) {
		return nil, refuse(1, "keep the secrets in a file of their own, and this variable in one that can be read", "the whole file is encrypted by ansible-vault, and is never decrypted in place")
	}
	root, err := parse("", file)
	if err != nil {
		var fe *FileError
		if errors.As(err, &fe) {
			return nil, refuse(fe.Line, "", "%s", fe.Text)
		}
		return nil, err
	}
	if root != nil && (root.Kind != yaml.MappingNode || root.Style&yaml.FlowStyle != 0) {
		return nil, refuse(root.Line, "", "the file is no block mapping of variables")
	}
	t := newText(file)
	out, err := t.set(root, a)
	if err != nil {
		return nil, err
	}
	return out, checkEdit(out, root, a)
}

// checkEdit reads the result back: every variable but the one that was set must
// be what it was.
func checkEdit(out []byte, before *yaml.Node, a Assignment) error {
	after, err := parse("", out)
	if err != nil {
		return fmt.Errorf("the edit would not be YAML any more: %w", err)
	}
	if before == nil {
		return nil
	}
	for i := 0; i+1 < len(before.Content); i += 2 {
		key := before.Content[i].Value
		if key == a.Variable {
			continue
		}
		if v := value(after, key); v == nil || !same(follow(before.Content[i+1]), v) {
			if _, last := entry(before, key); last != follow(before.Content[i+1]) {
				continue // it stands there twice, and the last one counts
			}
			return fmt.Errorf("the edit would change %s as well", key)
		}
	}
	return nil
}

// text is a file by lines, each with its line end.
type text struct {
	lines []string
	end   string
}

func newText(file []byte) *text {
	t := &text{end: "\n"}
	for line := range strings.Lines(string(file)) {
		t.lines = append(t.lines, line)
	}
	if len(t.lines) > 0 && strings.HasSuffix(t.lines[0], "\r\n") {
		t.end = "\r\n"
	}
	return t
}

func (t *text) bytes() []byte { return []byte(strings.Join(t.lines, "")) }

// replace puts new lines in the place of those from..to (from 0, to excluded).
func (t *text) replace(from, to int, with []string) {
	if from > 0 && from == len(t.lines) && !strings.HasSuffix(t.lines[from-1], "\n") {
		t.lines[from-1] += t.end
	}
	ended := make([]string, len(with))
	for i, l := range with {
		ended[i] = l + t.end
	}
	t.lines = slices.Replace(t.lines, from, to, ended...)
}

func (t *text) set(root *yaml.Node, a Assignment) ([]byte, error) {
	key, v := entry(root, a.Variable)
	switch {
	case key == nil && a.empty():
		return t.bytes(), nil
	case key == nil:
		t.replace(t.foot(), t.foot(), a.whole())
		return t.bytes(), nil
	}
	from, to := key.Line-1, t.endOf(root, key)
	if anchor := anchored(v, 0); anchor != nil {
		return nil, refuse(anchor.Line, "write the value out", "%s uses the anchor or alias %q, which an edit could change elsewhere", a.Variable, anchor.Anchor+aliasName(anchor))
	}
	if !a.collection() {
		return t.setWhole(v, a, from, to)
	}
	return t.setEntries(key, v, a, from, to)
}

// setWhole replaces a variable that is ours alone.
func (t *text) setWhole(v *yaml.Node, a Assignment, from, to int) ([]byte, error) {
	if a.empty() {
		t.replace(from, to, nil)
		return t.bytes(), nil
	}
	if want, err := parse("", []byte(strings.Join(a.whole(), "\n")+"\n")); err == nil && same(v, value(want, a.Variable)) {
		return t.bytes(), nil
	}
	t.replace(from, to, a.whole())
	return t.bytes(), nil
}

// collection reports whether the variable has entries of others beside ours.
func (a Assignment) collection() bool { return a.ListKey != "" || a.Map }

func (a Assignment) empty() bool {
	return len(a.Lines) == 0 && !slices.ContainsFunc(a.Entries, func(e Entry) bool { return len(e.Lines) > 0 })
}

// whole is the variable as it is written where it was not set before.
func (a Assignment) whole() []string {
	if !a.collection() {
		return append([]string{a.Variable + ": " + a.Lines[0]}, a.Lines[1:]...)
	}
	lines := []string{a.Variable + ":"}
	for _, e := range a.Entries {
		lines = append(lines, indented(e.Lines, 2)...)
	}
	return lines
}

func indented(lines []string, by int) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.Repeat(" ", by) + l
	}
	return out
}

// foot is where a new variable goes: the end, before a document's end marker.
func (t *text) foot() int {
	for i, l := range t.lines {
		if strings.TrimRight(l, "\r\n \t") == "..." {
			return i
		}
	}
	return len(t.lines)
}

// endOf is the line after a top-level variable's value: blank lines and comments
// before the next variable are the next one's.
func (t *text) endOf(root, key *yaml.Node) int {
	end := t.foot()
	for i := 0; i < len(root.Content); i += 2 {
		if l := root.Content[i].Line; l > key.Line && l-1 < end {
			end = l - 1
		}
	}
	return t.without(key.Line, end, 0)
}

// without leaves out, from the end, blank lines and comments that are indented
// by at most depth.
func (t *text) without(from, to, depth int) int {
	for to > from {
		line := strings.TrimRight(t.lines[to-1], "\r\n")
		body := strings.TrimLeft(line, " ")
		if body != "" && (body[0] != '#' || len(line)-len(body) > depth) {
			break
		}
		to--
	}
	return to
}

// anchored finds an anchor or alias in a value.
func anchored(n *yaml.Node, depth int) *yaml.Node {
	if n == nil || depth > maxNesting {
		return nil
	}
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		return n
	}
	for _, c := range n.Content {
		if found := anchored(c, depth+1); found != nil {
			return found
		}
	}
	return nil
}

func aliasName(n *yaml.Node) string {
	if n.Kind == yaml.AliasNode {
		return n.Value
	}
	return ""
}

// same reports whether two YAML values mean the same; style and comments do not count.
func same(a, b *yaml.Node) bool { return sameAt(a, b, 0) }

func sameAt(a, b *yaml.Node, depth int) bool {
	if a == nil || b == nil || depth > maxNesting {
		return a == b
	}
	a, b = follow(a), follow(b)
	if a.Kind != b.Kind || a.ShortTag() != b.ShortTag() || a.Value != b.Value || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !sameAt(a.Content[i], b.Content[i], depth+1) {
			return false
		}
	}
	return true
}
