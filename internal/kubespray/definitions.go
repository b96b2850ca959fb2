package kubespray

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pullway/pullway/internal/inventory"
)

// maxVarsFile bounds one file of variables, in bytes.
const maxVarsFile = 8 << 20

// Definition is one place that sets a variable.
type Definition struct {
	Name string
	File string
	// Line and Column of the name, from 1.
	Line, Column int
	// Scope is the group, or the host when Host is set.
	Scope string
	Host  bool
	// Value is the YAML value; nil when it stands in an INI file, which Text then holds.
	Value *yaml.Node
	Text  string
}

// At gives "FILE:LINE".
func (d Definition) At() string { return fmt.Sprintf("%s:%d", d.File, d.Line) }

// Variables are the registry settings of an inventory as Ansible would find them.
type Variables struct {
	// Nodes in the order of the inventory.
	Nodes []string
	// Definitions of each node by variable, in rising precedence: the last one wins.
	Definitions map[string]map[string][]Definition
	// Vaulted are a node's variables whose value is a !vault text, whatever their
	// names, in rising precedence: what a password may refer to.
	Vaulted map[string][]Definition
	// Encrypted are whole files that ansible-vault encrypted: what they set is not seen.
	Encrypted []string
	// Unused are definitions in files that no node of the cluster gets.
	Unused []Definition
	// Warnings are the inventory's own, such as a file that is passed over.
	Warnings []string
	// Twice are definitions that the same file sets again further down.
	Twice []Definition
}

// FileError is a file of variables that cannot be read: one line with its place.
type FileError struct {
	File string
	Line int
	Text string
}

// Error gives "FILE:LINE: TEXT".
func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Text
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
}

// Read finds every place of the inventory that sets a variable of concern. It
// changes nothing, decrypts nothing and evaluates no Jinja.
func Read(path string) (*Variables, error) { return readAs(path, nil) }

// readAs is Read with other contents for some files, by path.
func readAs(path string, contents map[string][]byte) (*Variables, error) {
	hosts, unused, warnings, err := inventory.Places(path)
	if err != nil {
		return nil, err
	}
	v := &Variables{Warnings: warnings, Definitions: map[string]map[string][]Definition{}, Vaulted: map[string][]Definition{}}
	r := &reader{files: map[string]*varsFile{}, contents: contents, into: v}
	for _, h := range hosts {
		v.Nodes = append(v.Nodes, h.Node)
		byName := map[string][]Definition{}
		for _, p := range h.Places {
			defs, err := r.at(p)
			if err != nil {
				return nil, err
			}
			for _, d := range defs {
				byName[d.Name] = append(byName[d.Name], d)
			}
			if f := r.files[p.File]; f != nil && p.Name == "" {
				v.Vaulted[h.Node] = append(v.Vaulted[h.Node], f.vaulted...)
			}
		}
		v.Definitions[h.Node] = byName
	}
	for _, file := range unused {
		f, err := r.file(file)
		if err != nil {
			continue // nobody reads it, so nobody is hurt by what is wrong with it
		}
		v.Unused = append(v.Unused, f.defs...)
	}
	slices.Sort(v.Encrypted)
	return v, nil
}

// Effective is the definition that wins for a node; nil when nothing sets it.
func (v *Variables) Effective(node, name string) *Definition {
	all := v.Definitions[node][name]
	if len(all) == 0 {
		return nil
	}
	return &all[len(all)-1]
}

// reader reads each file once.
type reader struct {
	files    map[string]*varsFile
	contents map[string][]byte
	into     *Variables
}

type varsFile struct{ defs, vaulted []Definition }

// at gives the definitions of one place.
func (r *reader) at(p inventory.Place) ([]Definition, error) {
	if p.Name != "" {
		if !Concerns(p.Name) {
			return nil, nil
		}
		d, err := r.inline(p)
		return []Definition{d}, err
	}
	f, err := r.file(p.File)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(f.defs)
	for i := range out {
		out[i].Scope, out[i].Host = p.Scope, p.Host
	}
	return out, nil
}

func (r *reader) file(path string) (*varsFile, error) {
	if f := r.files[path]; f != nil {
		return f, nil
	}
	f := &varsFile{}
	r.files[path] = f
	text, ok := r.contents[path]
	if !ok {
		var err error
		if text, err = readVars(path); err != nil {
			return nil, err
		}
	}
	if bytes.HasPrefix(text, []byte("$ANSIBLE_VAULT;")) {
		r.into.Encrypted = append(r.into.Encrypted, path)
		return f, nil
	}
	root, err := parse(path, text)
	if err != nil || root == nil {
		return f, err
	}
	if root.Kind != yaml.MappingNode {
		return nil, &FileError{path, root.Line, "a file of variables must be a mapping"}
	}
	var twice []Definition
	f.defs, twice = definitionsIn(path, root)
	r.into.Twice = append(r.into.Twice, twice...)
	for i := 0; i+1 < len(root.Content); i += 2 {
		if v := root.Content[i+1]; v.Tag == "!vault" {
			f.vaulted = append(f.vaulted, Definition{Name: root.Content[i].Value, File: path, Line: root.Content[i].Line, Column: 1, Value: v})
		}
	}
	return f, nil
}

// definitionsIn are the variables of concern that a mapping sets. Of a key that
// stands there twice the last counts, as in Ansible.
func definitionsIn(path string, m *yaml.Node) (defs, twice []Definition) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, value := m.Content[i], m.Content[i+1]
		if !Concerns(key.Value) {
			continue
		}
		d := Definition{Name: key.Value, File: path, Line: key.Line, Column: key.Column, Value: follow(value)}
		if at := slices.IndexFunc(defs, func(o Definition) bool { return o.Name == d.Name }); at >= 0 {
			twice = append(twice, defs[at])
			defs[at] = d
			continue
		}
		defs = append(defs, d)
	}
	return defs, twice
}

// inline finds a variable that stands in the inventory file itself.
func (r *reader) inline(p inventory.Place) (Definition, error) {
	d := Definition{Name: p.Name, File: p.File, Line: p.Line, Column: 1, Scope: p.Scope, Host: p.Host}
	text, err := readVars(p.File)
	if err != nil {
		return d, err
	}
	if root, err := parse(p.File, text); err == nil && root != nil && root.Kind == yaml.MappingNode {
		if key, value := findKey(root, p.Name, p.Line, 0); value != nil {
			d.Value, d.Column = follow(value), key.Column
			return d, nil
		}
	}
	lines := strings.Split(string(text), "\n")
	if p.Line >= 1 && p.Line <= len(lines) {
		_, after, _ := strings.Cut(lines[p.Line-1], p.Name)
		d.Text = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(after), "="))
	}
	return d, nil
}

// maxNesting bounds how deep a YAML value is walked.
const maxNesting = 64

// findKey walks a document to the mapping entry of that name at or below a line.
func findKey(n *yaml.Node, name string, line, depth int) (key, value *yaml.Node) {
	if depth > maxNesting {
		return nil, nil
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		// A reader may tell the line of the name or of its value.
		if k.Value == name && (k.Line == line || v.Line == line) {
			return k, v
		}
		if key, value := findKey(v, name, line, depth+1); value != nil {
			return key, value
		}
	}
	return nil, nil
}

// follow gives what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func readVars(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &FileError{File: path, Text: cause(err)}
	}
	defer f.Close() //nolint:errcheck // read only
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, &FileError{File: path, Text: cause(err)}
	case !st.Mode().IsRegular():
		return nil, &FileError{File: path, Text: "not a regular file"}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxVarsFile+1))
	switch {
	case err != nil:
		return nil, &FileError{File: path, Text: cause(err)}
	case len(b) > maxVarsFile:
		return nil, &FileError{File: path, Text: fmt.Sprintf("larger than %d MiB", maxVarsFile>>20)}
	}
	return b, nil
}

// cause is an error without the path that stands beside it already.
func cause(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// parse reads one YAML document; nil for an empty one.
func parse(path string, text []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, yamlError(path, err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, yamlError(path, err)
		}
		return nil, &FileError{path, 0, "more than one YAML document"}
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil, nil
	}
	return doc.Content[0], nil
}

// yamlError turns "yaml: line 3: …" into an error with a place.
func yamlError(path string, err error) error {
	e := &FileError{File: path, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	if rest, ok := strings.CutPrefix(e.Text, "line "); ok {
		if n, text, ok := strings.Cut(rest, ": "); ok {
			if _, err := fmt.Sscanf(n, "%d", &e.Line); err == nil {
				e.Text = text
			}
		}
	}
	return e
}
