package inventory

import (
	"regexp"
	"strings"
)

var (
	iniSection = regexp.MustCompile(`^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$`)
	iniChild   = regexp.MustCompile(`^([^:\]\s]+)\s*(?:#.*)?$`)
	pyNumber   = regexp.MustCompile(`^([+-]?\d+(?:\.\d+)?)\s*#.*$`)
)

// readINI adds an inventory in Ansible's INI form to t.
func readINI(t *tree, file string, text []byte) error {
	p := iniParser{t: t, file: file, group: "ungrouped", state: "hosts", declared: map[string]bool{"all": true, "ungrouped": true}, wanted: map[string]iniUse{}}
	for name := range t.groups {
		p.declared[name] = true
	}
	for i, line := range strings.Split(string(text), "\n") {
		p.line = i + 1
		if err := p.read(strings.TrimSpace(line)); err != nil {
			return err
		}
	}
	return p.finish()
}

type iniParser struct {
	t        *tree
	file     string
	line     int
	group    string
	state    string
	declared map[string]bool
	// wanted holds groups that were used and not declared yet, in order of use.
	wanted map[string]iniUse
	order  []string
}

// iniUse is the first use of a group before its declaration.
type iniUse struct {
	line    int
	section string
}

func (p *iniParser) fail(format string, args ...any) *Error {
	return errorAt(p.file, p.line, format, args...)
}

func (p *iniParser) read(line string) error {
	if line == "" || line[0] == '#' || line[0] == ';' {
		return nil
	}
	if m := iniSection.FindStringSubmatch(line); m != nil {
		return p.section(m[1], m[2])
	}
	if line[0] == '[' && strings.HasSuffix(line, "]") {
		return p.fail("invalid section %q", clip(line)).hint("a section is [group], [group:children] or [group:vars], without spaces")
	}
	switch p.state {
	case "children":
		return p.child(line)
	case "vars":
		key, val, found := strings.Cut(line, "=")
		if !found {
			return p.fail("variable of group %q is not written as key=value", p.group)
		}
		p.t.group(p.group).vars[strings.TrimSpace(key)] = p.value(strings.TrimSpace(val))
		return nil
	}
	return p.host(line)
}

func (p *iniParser) section(name, state string) error {
	if state == "" {
		state = "hosts"
	}
	if state != "hosts" && state != "children" && state != "vars" {
		return p.fail("section [%s:%s] has an unknown type", name, state).hint("known are :children and :vars")
	}
	p.group, p.state = name, state
	p.t.group(name)
	if state == "vars" {
		p.want(name, "["+name+":vars]")
	} else {
		p.declared[name] = true
	}
	return nil
}

func (p *iniParser) want(name, section string) {
	if _, seen := p.wanted[name]; !seen && !p.declared[name] {
		p.wanted[name] = iniUse{p.line, section}
		p.order = append(p.order, name)
	}
}

func (p *iniParser) child(line string) error {
	m := iniChild.FindStringSubmatch(line)
	if m == nil {
		return p.fail("%q is not the name of a group", clip(line)).hint("a :children section holds one group name a line")
	}
	p.want(m[1], "["+p.group+":children]")
	if err := p.t.addChild(p.group, m[1]); err != nil {
		return p.fail("%s", err)
	}
	return nil
}

// host reads "name key=value …". Errors never show a value: it may be a password.
func (p *iniParser) host(line string) error {
	tokens, err := words(line, true)
	if err != nil {
		return p.fail("host line cannot be split into words: %s", err)
	}
	if len(tokens) == 0 {
		return nil
	}
	if tokens[0] == "---" {
		return p.fail(`"---" is not a host; this looks like YAML`).hint("give a YAML inventory the ending .yaml")
	}
	names, port, err := hostPattern(tokens[0])
	if err != nil {
		return p.fail("%s", err)
	}
	for i, tok := range tokens[1:] {
		if !strings.Contains(tok, "=") {
			return p.fail("word %d after host %q is not written as key=value", i+1, clip(tokens[0])).
				hint("put a value with spaces into quotes; is this an inventory at all?")
		}
	}
	for _, name := range names {
		h, err := p.t.addHost(p.group, name)
		if err != nil {
			return p.fail("%s", err)
		}
		setPort(h, port, p.file, p.line)
		for _, tok := range tokens[1:] {
			key, val, _ := strings.Cut(tok, "=")
			if err := p.t.set(h, key, p.value(val)); err != nil {
				return p.fail("%s", err)
			}
		}
	}
	return nil
}

func (p *iniParser) finish() error {
	for _, name := range p.order {
		if use := p.wanted[name]; !p.declared[name] {
			return errorAt(p.file, use.line, "section %s names group %q, which is not defined", use.section, name).
				hint("add a line [" + name + "]")
		}
	}
	return nil
}

// value reads the right side of key=value. Ansible takes it for a Python literal
// when it is one: quotes go away, None is no value, a comment ends a number.
func (p *iniParser) value(s string) value {
	v := value{text: s, file: p.file, line: p.line}
	if s == "None" {
		v.kind, v.text = null, ""
		return v
	}
	if m := pyNumber.FindStringSubmatch(s); m != nil {
		v.text = m[1]
		return v
	}
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') {
		end := strings.IndexByte(s[1:], s[0]) + 1
		rest := ""
		if end > 0 {
			rest = strings.TrimSpace(s[end+1:])
		}
		if end > 0 && !strings.Contains(s[:end], `\`) && (rest == "" || rest[0] == '#') {
			v.text = s[1:end]
		}
	}
	return v
}

// hostPattern reads one host of an inventory: a name or a range, and perhaps a port.
func hostPattern(s string) (names []string, port int, err error) {
	name, port, err := splitPort(s)
	if err != nil {
		return nil, 0, err
	}
	if strings.Contains(name, "::") { // IPv6, with or without brackets
		return []string{name}, port, nil
	}
	names, err = expand(name)
	return names, port, err
}

// clip shortens input that is shown in an error.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
