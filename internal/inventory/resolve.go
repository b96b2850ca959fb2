package inventory

import (
	"fmt"
	"regexp"
	"strings"
)

// scope is what a template of one host may refer to.
type scope struct {
	host string
	vars layers
	// magic are inventory_hostname, inventory_dir and the like.
	magic map[string]string
	env   func(string) string
}

var (
	jinjaVar     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	jinjaString  = regexp.MustCompile(`^(?:'([^'\\]*)'|"([^"\\]*)")$`)
	jinjaDefault = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)\s*\|\s*(?:default|d)\s*\(\s*([^()|,]+?)\s*\)$`)
	jinjaEnv     = regexp.MustCompile(`^lookup\(\s*['"](?:ansible\.builtin\.)?env['"]\s*,\s*['"]([A-Za-z_][A-Za-z0-9_]*)['"]\s*\)$`)
)

// text gives the text of a variable with simple references filled in; found is
// false when the variable is absent or null. What needs Ansible (filters, vault,
// facts) is an error with the file and the variable's name.
func (s scope) text(name string) (text string, found bool, err error) {
	return s.lookup(name, 0)
}

func (s scope) lookup(name string, depth int) (string, bool, error) {
	v, ok := s.vars.get(name)
	if !ok {
		m, ok := s.magic[name]
		return m, ok, nil
	}
	fail := func(format string, args ...any) error {
		e := errorAt(v.file, v.line, "%s of host %q %s", name, s.host, fmt.Sprintf(format, args...))
		e.foreign = true
		return e
	}
	switch v.kind {
	case null:
		return "", false, nil
	case unsafe:
		return v.text, true, nil
	case complex:
		return "", false, fail("is a list or a mapping where one value is needed")
	case vaulted:
		e := fail("is encrypted by ansible-vault").(*Error)
		return "", false, e.hint("install ansible-core and set ANSIBLE_VAULT_PASSWORD_FILE, or set the variable in clear or on the command line")
	}
	if !isTemplate(v.text) {
		return v.text, true, nil
	}
	if depth > maxDepth {
		return "", false, fail("refers to itself")
	}
	out, bad, err := s.template(v.text, depth)
	switch {
	case err != nil:
		return "", false, err
	case bad != "":
		e := fail("has a template that only Ansible can evaluate: %s", bad).(*Error)
		return "", false, e.hint("install ansible-core, or write the value without a template")
	}
	return out, true, nil
}

func isTemplate(s string) bool {
	return strings.Contains(s, "{{") || strings.Contains(s, "{%") || strings.Contains(s, "{#")
}

// template fills in {{ … }}; bad names what it cannot do.
func (s scope) template(text string, depth int) (out, bad string, err error) {
	if strings.Contains(text, "{%") || strings.Contains(text, "{#") {
		return "", "a statement or a comment", nil
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{{")
		b.WriteString(before)
		if !found {
			return b.String(), "", nil
		}
		expr, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return "", "{{ without }}", nil
		}
		val, bad, err := s.expr(strings.TrimSpace(strings.Trim(expr, "-")), depth)
		if bad != "" || err != nil {
			return "", bad, err
		}
		if b.WriteString(val); b.Len() > 1<<16 {
			return "", "it unfolds to more than 64 KiB", nil
		}
		text = after
	}
}

func (s scope) expr(e string, depth int) (out, bad string, err error) {
	if m := jinjaString.FindStringSubmatch(e); m != nil {
		return m[1] + m[2], "", nil
	}
	if m := jinjaEnv.FindStringSubmatch(e); m != nil {
		return s.env(m[1]), "", nil
	}
	if m := jinjaDefault.FindStringSubmatch(e); m != nil {
		val, found, err := s.lookup(m[1], depth+1)
		if found || err != nil {
			return val, "", err
		}
		return s.expr(m[2], depth+1)
	}
	if !jinjaVar.MatchString(e) {
		return "", "an expression", nil
	}
	val, found, err := s.lookup(e, depth+1)
	if err == nil && !found {
		return "", "variable " + e + " is not known here", nil
	}
	return val, "", err
}
