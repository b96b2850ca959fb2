package inventory

import (
	"errors"
	"os"
	"strings"
)

// view is an inventory as both readers give it: groups and hosts, and a way to
// all variables of a host once the groups are final.
type view struct {
	*tree
	warnings []string
	// passed are warnings about files that this reader alone could not read.
	passed []string
	// resolve returns the variables of every host named, by name.
	resolve func(hosts []string) (map[string]layers, error)
}

// readBuiltIn reads an inventory without Ansible.
func readBuiltIn(src sources) (*view, error) {
	t := newTree()
	v := &view{tree: t, warnings: append([]string(nil), src.warnings...)}
	var first error
	parsed := false
	for _, file := range src.files {
		warnings, err := readFile(t, file)
		v.warnings = append(v.warnings, warnings...)
		if len(t.groups) > maxGroups {
			return nil, errorAt(file, 0, "more than %d groups", maxGroups)
		}
		if err == nil {
			parsed = true
			continue
		}
		if first == nil {
			first = err
		}
		var e *Error
		if !src.isDir || (errors.As(err, &e) && e.strict) {
			return nil, err
		}
		// Ansible reads what it can of a directory.
		v.passed = append(v.passed, "passed over: "+err.Error())
	}
	if !parsed {
		return nil, first
	}
	files := &varFiles{dir: src.dir, cache: map[string]vars{}}
	v.resolve = func(hosts []string) (map[string]layers, error) {
		groups := t.groupsOf()
		out := map[string]layers{}
		for _, h := range hosts {
			all, err := files.hostVars(t, h, groups[h])
			if err != nil {
				return nil, err
			}
			out[h] = all
		}
		v.warnings = append(v.warnings, files.warnings...)
		return out, nil
	}
	return v, nil
}

// readFile adds one inventory file to t.
func readFile(t *tree, file string) ([]string, error) {
	text, err := readText(file)
	if err != nil {
		return nil, err
	}
	if isVault(text) {
		e := errorAt(file, 1, "the inventory is encrypted by ansible-vault")
		e.foreign = true
		return nil, e.hint("install ansible-core and set ANSIBLE_VAULT_PASSWORD_FILE, or give a decrypted copy")
	}
	if isScript(file, text) {
		e := errorAt(file, 1, "this is a program (a dynamic inventory)")
		e.foreign = true
		return nil, e.hint("install ansible-core to run it, or save what ansible-inventory --list --yaml prints as the inventory")
	}
	if isYAML(file) {
		return readYAML(t, file, text)
	}
	if looksLikeYAML(text) {
		return readYAML(t, file, text)
	}
	return nil, readINI(t, file, text)
}

// isScript follows Ansible: executable, and with a shebang.
func isScript(file string, text []byte) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode()&0o111 != 0 && strings.HasPrefix(string(text), "#!")
}

// looksLikeYAML decides about a file without a telling ending: the first line
// that says something is "---" or ends in a colon.
func looksLikeYAML(text []byte) bool {
	for _, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		return line == "---" || (strings.HasSuffix(line, ":") && !strings.ContainsAny(line, " \t=[")) || line[0] == '{'
	}
	return false
}
