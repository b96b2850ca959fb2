package inventory

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readYAML adds an inventory in Ansible's YAML (or JSON) form to t. What Ansible
// passes over with a warning is returned as a warning.
func readYAML(t *tree, file string, text []byte) (warnings []string, err error) {
	root, err := parseYAML(file, text)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, errorAt(file, 0, "the file is empty").hint("an inventory starts with a group, such as all:")
	}
	if root.Kind != yaml.MappingNode {
		return nil, errorAt(file, root.Line, "an inventory must be a mapping of groups, found %s", kindOf(root))
	}
	y := yamlReader{t: t, file: file, budget: maxNodes}
	entries, err := y.entries(root)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.key == "plugin" {
			e := errorAt(file, e.node.Line, "this configures an inventory plugin")
			e.foreign = true
			return nil, e.hint("install ansible-core to read it, or save ansible-inventory --list --yaml as the inventory")
		}
	}
	for _, e := range entries {
		if err := y.group(e.key, e.node, 0); err != nil {
			return nil, err
		}
	}
	return y.warnings, nil
}

type yamlReader struct {
	t        *tree
	file     string
	warnings []string
	budget   int
	// lax passes over duplicate keys with a warning, as for variable files.
	lax bool
}

type entry struct {
	key  string
	node *yaml.Node
}

func (y *yamlReader) fail(n *yaml.Node, format string, args ...any) *Error {
	return errorAt(y.file, n.Line, format, args...)
}

func (y *yamlReader) group(name string, n *yaml.Node, depth int) error {
	n = follow(n)
	if depth > maxDepth {
		return y.fail(n, "groups are nested deeper than %d", maxDepth)
	}
	if isNull(n) {
		y.t.group(name)
		return nil
	}
	if n.Kind != yaml.MappingNode {
		if depth == 0 {
			y.warnings = append(y.warnings, y.fail(n, "%q is not a group and is passed over", clip(name)).Error())
			return nil
		}
		return y.fail(n, "group %q must be a mapping with hosts, children or vars, found %s", clip(name), kindOf(n))
	}
	g := y.t.group(name)
	parts, err := y.entries(n)
	if err != nil {
		return err
	}
	for _, p := range parts {
		switch p.key {
		case "hosts", "children", "vars":
		default:
			y.warnings = append(y.warnings, y.fail(p.node, "unknown key %q in group %q is passed over; hosts, children and vars are known", clip(p.key), clip(name)).Error())
			continue
		}
		items, err := y.section(name, p)
		if err != nil {
			return err
		}
		for _, it := range items {
			switch p.key {
			case "vars":
				g.vars[it.key] = y.value(it.node)
			case "hosts":
				err = y.hosts(name, it)
			case "children":
				if err = y.group(it.key, it.node, depth+1); err == nil {
					if cerr := y.t.addChild(name, it.key); cerr != nil {
						err = y.fail(it.node, "%s", cerr)
					}
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// section returns the entries of hosts, children or vars. One bare name is
// allowed in place of a mapping.
func (y *yamlReader) section(group string, p entry) ([]entry, error) {
	n := follow(p.node)
	switch {
	case isNull(n):
		return nil, nil
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		return []entry{{n.Value, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: n.Line}}}, nil
	case n.Kind != yaml.MappingNode:
		e := y.fail(n, "%s of group %q must be a mapping, found %s", p.key, clip(group), kindOf(n))
		return nil, e.hint("write each name with a colon behind it and without a dash")
	}
	return y.entries(n)
}

func (y *yamlReader) hosts(group string, it entry) error {
	names, port, err := hostPattern(it.key)
	if err != nil {
		return y.fail(it.node, "%s", err)
	}
	var own []entry
	switch n := follow(it.node); {
	case isNull(n):
	case n.Kind != yaml.MappingNode:
		return y.fail(it.node, "host %q must be followed by a mapping of variables or by nothing, found %s", clip(it.key), kindOf(n))
	default:
		if own, err = y.entries(n); err != nil {
			return err
		}
	}
	for _, name := range names {
		h, err := y.t.addHost(group, name)
		if err != nil {
			return y.fail(it.node, "%s", err)
		}
		setPort(h, port, y.file, it.node.Line)
		for _, e := range own {
			if err := y.t.set(h, e.key, y.value(e.node)); err != nil {
				return y.fail(it.node, "%s", err)
			}
		}
	}
	return nil
}

// entries returns the entries of a mapping in order, merge keys (<<) spread out
// before the mapping's own. A key that stands twice is an error, or a warning
// when y is lax: YAML would silently drop the first, and with it hosts.
func (y *yamlReader) entries(n *yaml.Node) ([]entry, error) {
	return y.entriesAt(n, 0)
}

func (y *yamlReader) entriesAt(n *yaml.Node, depth int) ([]entry, error) {
	if y.budget -= len(n.Content) + 1; y.budget < 0 || depth > maxDepth {
		return nil, y.fail(n, "the file unfolds to more than %d values", maxNodes)
	}
	var merged, own []entry
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := follow(n.Content[i]), n.Content[i+1]
		if k.Tag == "!!merge" {
			sources := []*yaml.Node{follow(v)}
			if sources[0].Kind == yaml.SequenceNode {
				sources = sources[0].Content
			}
			for _, s := range sources {
				if s = follow(s); s.Kind != yaml.MappingNode {
					return nil, y.fail(v, "<< must name a mapping, found %s", kindOf(s))
				}
				more, err := y.entriesAt(s, depth+1)
				if err != nil {
					return nil, err
				}
				merged = append(more, merged...)
			}
			continue
		}
		if k.Kind != yaml.ScalarNode {
			return nil, y.fail(k, "a key must be a plain word, found %s", kindOf(k))
		}
		if first, twice := seen[k.Value]; twice {
			e := y.fail(k, "key %q stands here and in line %d", clip(k.Value), first)
			if !y.lax {
				e.strict = true
				return nil, e.hint("YAML keeps only the last one; put both together")
			}
			y.warnings = append(y.warnings, e.Error()+"; the last one counts")
		}
		seen[k.Value] = k.Line
		own = append(own, entry{k.Value, v})
	}
	return append(merged, own...), nil
}

func (y *yamlReader) value(n *yaml.Node) value {
	n = follow(n)
	v := value{text: n.Value, file: y.file, line: n.Line}
	switch {
	case n.Tag == "!vault" || n.Tag == "!vault-encrypted":
		v.kind, v.text = vaulted, ""
	case n.Kind != yaml.ScalarNode:
		v.kind = complex
	case n.Tag == "!unsafe":
		v.kind = unsafe
	case isNull(n):
		v.kind, v.text = null, ""
	}
	return v
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?line (\d+): (.*)`)

// parseYAML returns the top node of the first document, nil when there is none.
func parseYAML(file string, text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		msg, _, _ := strings.Cut(err.Error(), "\n")
		e := errorAt(file, 0, "not valid YAML: %s", strings.TrimPrefix(msg, "yaml: "))
		if m := yamlLine.FindStringSubmatch(msg); m != nil {
			e.Line, _ = strconv.Atoi(m[1])
			e.Text = "not valid YAML: " + m[2]
		}
		if strings.Contains(msg, "cannot start any token") {
			e.Hint = "is there a tab? YAML is indented with spaces; a value that starts with @, % or ` needs quotes"
		}
		return nil, e
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, nil
	}
	if n := follow(doc.Content[0]); !isNull(n) {
		return n, nil
	}
	return nil, nil
}

// follow goes from an alias to what it stands for.
func follow(n *yaml.Node) *yaml.Node {
	for i := 0; n.Kind == yaml.AliasNode && n.Alias != nil && i < maxDepth; i++ {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// setPort records the port of a host that is written as name:port.
func setPort(h *host, port int, file string, line int) {
	if port != 0 {
		h.vars["ansible_port"] = value{text: strconv.Itoa(port), file: file, line: line}
	}
}
