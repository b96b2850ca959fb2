package inventory

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Limit picks nodes by one of Ansible's patterns: names and groups parted by
// commas or colons, & for "and in", ! for "but not", globs (node*), ~ before a
// regular expression, ranges (node[01:20]) and positions (kube_node[0],
// kube_node[0:3], both ends included). The order of nodes stays. An empty
// pattern and "all" pick every node.
//
// Unlike Ansible, a name that fits nothing is an error, which names the nearest
// one, and so is a pattern that picks no node.
func Limit(nodes []Node, pattern string) ([]Node, error) {
	l := newLimiter(nodes)
	var first, and, not []string
	parts := splitPattern(pattern)
	if len(parts) > 1000 {
		return nil, &Error{Text: "the limit has more than 1000 parts"}
	}
	for _, p := range parts {
		switch p[0] {
		case '&':
			and = append(and, p[1:])
		case '!':
			not = append(not, p[1:])
		default:
			first = append(first, p)
		}
	}
	if len(first) == 0 {
		first = []string{"all"}
	}
	picked := make([]bool, len(nodes))
	for _, step := range []struct {
		parts []string
		apply func(picked, match bool) bool
	}{
		{first, func(p, m bool) bool { return p || m }},
		{and, func(p, m bool) bool { return p && m }},
		{not, func(p, m bool) bool { return p && !m }},
	} {
		for _, part := range step.parts {
			match, err := l.match(part)
			if err != nil {
				return nil, err
			}
			for i := range picked {
				picked[i] = step.apply(picked[i], match[i])
			}
		}
	}
	var out []Node
	for i, n := range nodes {
		if picked[i] {
			out = append(out, n)
		}
	}
	if len(out) == 0 {
		return nil, (&Error{Text: fmt.Sprintf("limit %q leaves no node", clip(pattern))}).hint("the inventory has " + strconv.Itoa(len(nodes)) + " nodes")
	}
	return out, nil
}

// splitPattern parts a pattern at commas, and at colons when there is no comma.
// A single IPv6 address stays whole.
func splitPattern(pattern string) []string {
	seps := ":"
	if strings.Contains(pattern, ",") {
		seps = ","
	} else if strings.Contains(pattern, "::") {
		seps = " "
	}
	var out []string
	for _, p := range splitOutside(pattern, seps) {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

type limiter struct {
	nodes  []Node
	byName map[string]int
	groups map[string][]int
}

func newLimiter(nodes []Node) *limiter {
	l := &limiter{nodes: nodes, byName: map[string]int{}, groups: map[string][]int{"all": nil}}
	for i, n := range nodes {
		l.byName[n.Name] = i
		l.groups["all"] = append(l.groups["all"], i)
		for _, g := range n.Groups {
			l.groups[g] = append(l.groups[g], i)
		}
	}
	return l
}

var subscript = regexp.MustCompile(`^(.+)\[(?:(-?\d{1,6})|(\d{1,6})[:-](\d{0,6}))\]$`)

// match tells for each node whether one part of a pattern means it.
func (l *limiter) match(part string) ([]bool, error) {
	out := make([]bool, len(l.nodes))
	set := func(is []int) {
		for _, i := range is {
			out[i] = true
		}
	}
	if part == "" {
		return nil, &Error{Text: "limit has a ! or & with nothing behind it"}
	}
	if part[0] == '@' {
		return nil, (&Error{Text: fmt.Sprintf("limit %q: files of limits are not read", clip(part))}).hint("give the names, parted by commas")
	}
	m := subscript.FindStringSubmatch(part)
	if _, isNode := l.byName[part]; m != nil && part[0] != '~' && !isNode {
		is, err := l.find(m[1])
		if err != nil {
			return nil, err
		}
		if is != nil {
			chosen := cut(is, m)
			if chosen == nil {
				return nil, &Error{Text: fmt.Sprintf("limit %q: %q has only %d nodes", clip(part), clip(m[1]), len(is))}
			}
			set(chosen)
			return out, nil
		}
	}
	if is, err := l.find(part); is != nil || err != nil {
		set(is)
		return out, err
	}
	names, err := expand(part)
	if err != nil {
		return nil, &Error{Text: "limit: " + err.Error()}
	}
	for _, name := range names {
		i, ok := l.byName[name]
		if !ok {
			e := &Error{Text: fmt.Sprintf("limit: no node or group is called %q", clip(name))}
			if near := nearest(name, l.candidates()); near != "" {
				e.Hint = fmt.Sprintf("did you mean %q?", near)
			}
			return nil, e
		}
		out[i] = true
	}
	return out, nil
}

// find looks up a part that is a name, a group, a glob or a regular expression;
// nil when it fits nothing. A pattern may fit groups and nodes.
func (l *limiter) find(part string) ([]int, error) {
	if i, ok := l.byName[part]; ok {
		return []int{i}, nil
	}
	if is, ok := l.groups[part]; ok {
		return is, nil
	}
	var fits func(string) bool
	switch {
	case part[0] == '~':
		re, err := regexp.Compile("^(?:" + part[1:] + ")")
		if err != nil {
			return nil, (&Error{Text: fmt.Sprintf("limit %q is not a regular expression", clip(part))}).hint("~ starts one; Go's syntax counts")
		}
		fits = re.MatchString
	case strings.ContainsAny(part, "*?["):
		if _, _, isRange := findRange(part); isRange {
			return nil, nil
		}
		glob := strings.ReplaceAll(part, "[!", "[^")
		if _, err := path.Match(glob, ""); err != nil {
			return nil, &Error{Text: fmt.Sprintf("limit %q is not a valid glob", clip(part))}
		}
		fits = func(s string) bool { ok, _ := path.Match(glob, s); return ok }
	default:
		return nil, nil
	}
	in := make([]bool, len(l.nodes))
	for g, is := range l.groups {
		if g != "all" && fits(g) {
			for _, i := range is {
				in[i] = true
			}
		}
	}
	var out []int
	for i, n := range l.nodes {
		if in[i] || fits(n.Name) {
			out = append(out, i)
		}
	}
	return out, nil
}

// cut applies a position, [n] or [from:to] with both ends included.
func cut(is []int, m []string) []int {
	if m[2] != "" {
		n, _ := strconv.Atoi(m[2])
		if n < 0 {
			n += len(is)
		}
		if n < 0 || n >= len(is) {
			return nil
		}
		return is[n : n+1]
	}
	from, _ := strconv.Atoi(m[3])
	to := len(is) - 1
	if m[4] != "" {
		n, _ := strconv.Atoi(m[4])
		to = min(n, to)
	}
	if from > to {
		return nil
	}
	return is[from : to+1]
}

func (l *limiter) candidates() []string {
	var out []string
	for g := range l.groups {
		out = append(out, g)
	}
	for _, n := range l.nodes {
		out = append(out, n.Name)
	}
	return out
}
