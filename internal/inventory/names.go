package inventory

import (
	"fmt"
	"strings"
)

// FromNames reads the nodes given on the command line: a,b,user@c:2222,
// node[01:20], [fd00::1]:22. Commas and white space part them, except within
// brackets. Names must be unique; at most 20000 nodes come out.
func FromNames(spec string) ([]Node, error) {
	const hint = "write --nodes a,b,user@c:2222,node[01:20],[2001:db8::1]:22"
	fail := func(err error) error { return (&Error{Text: err.Error()}).hint(hint) }
	if len(spec) > maxFile {
		return nil, fail(fmt.Errorf("the list of nodes is larger than %d MiB", maxFile>>20))
	}
	var out []Node
	seen := map[string]bool{}
	for _, item := range splitOutside(spec, ", \t\r\n") {
		nodes, err := namedNodes(item)
		if err != nil {
			return nil, fail(err)
		}
		for _, n := range nodes {
			if seen[n.Name] {
				return nil, fail(fmt.Errorf("node %q is named twice", clip(n.Name)))
			}
			seen[n.Name] = true
			out = append(out, n)
		}
		if len(out) > maxHosts {
			return nil, fail(fmt.Errorf("more than %d nodes", maxHosts))
		}
	}
	if len(out) == 0 {
		return nil, fail(fmt.Errorf("no node is named"))
	}
	return out, nil
}

func namedNodes(item string) ([]Node, error) {
	user, rest := "", item
	if i := strings.LastIndexByte(item, '@'); i >= 0 {
		if user, rest = item[:i], item[i+1:]; user == "" {
			return nil, fmt.Errorf("node %q has an empty user name", clip(item))
		}
	}
	names, port, err := hostPattern(rest)
	if err != nil {
		return nil, err
	}
	var out []Node
	for _, name := range names {
		if strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") && strings.Contains(name, ":") {
			name = name[1 : len(name)-1]
		}
		if !plainHost(name) {
			return nil, fmt.Errorf("%q is not a host name or address", clip(name))
		}
		if !plainWord(user) {
			return nil, fmt.Errorf("%q is not a user name", clip(user))
		}
		out = append(out, Node{Name: name, Host: name, Port: port, User: user})
	}
	return out, nil
}

// plainHost accepts host names, IPv4 and IPv6 addresses with a zone.
func plainHost(s string) bool {
	if s == "" || len(s) > 255 || s[0] == '-' || s[0] == '.' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return r >= 0x80 || !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-:%", r))
	}) < 0
}

// plainWord accepts what may stand before @; empty is none.
func plainWord(s string) bool {
	return len(s) <= 255 && !strings.HasPrefix(s, "-") &&
		strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`'"$;&|<>()[]{}*?!`+"`", r) }) < 0
}

// splitOutside cuts s at any byte of seps that is not within brackets and drops
// empty parts.
func splitOutside(s, seps string) []string {
	var out []string
	depth, start := 0, 0
	for i := 0; i <= len(s); i++ {
		switch {
		case i == len(s) || (depth == 0 && strings.IndexByte(seps, s[i]) >= 0):
			if i > start {
				out = append(out, s[start:i])
			}
			start = i + 1
		case s[i] == '[':
			depth++
		case s[i] == ']':
			depth = max(depth-1, 0)
		}
	}
	return out
}
