package inventory

import (
	"fmt"
	"strconv"
	"strings"
)

// expand turns node[01:20], rack[a:f]-[1:3] or node[0:10:2] into names, as
// Ansible does. A text without a range gives itself.
func expand(pattern string) ([]string, error) {
	done := []string{}
	todo := []string{pattern}
	for len(todo) > 0 {
		p := todo[0]
		todo = todo[1:]
		open, end, found := findRange(p)
		if !found {
			done = append(done, p)
			continue
		}
		items, err := rangeItems(p[open+1 : end])
		if err != nil {
			return nil, fmt.Errorf("range %q in %q: %w", p[open:end+1], pattern, err)
		}
		if len(items)*(len(todo)+len(done)+1) > maxHosts {
			return nil, fmt.Errorf("range %q: more than %d hosts", pattern, maxHosts)
		}
		next := make([]string, 0, len(items)+len(todo))
		for _, it := range items {
			next = append(next, p[:open]+it+p[end+1:])
		}
		todo = append(next, todo...)
		if len(todo)+len(done) > maxHosts {
			return nil, fmt.Errorf("range %q: more than %d hosts", pattern, maxHosts)
		}
	}
	return done, nil
}

// findRange finds the first [ with a : and a ] after it, in this order.
func findRange(p string) (open, end int, found bool) {
	open = strings.IndexByte(p, '[')
	end = strings.IndexByte(p, ']')
	colon := strings.IndexByte(p, ':')
	return open, end, open >= 0 && open < colon && colon < end
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func rangeItems(spec string) ([]string, error) {
	parts := strings.Split(spec, ":")
	if len(parts) > 3 {
		return nil, fmt.Errorf("it must be begin:end or begin:end:step")
	}
	begin, end, step := parts[0], parts[1], 1
	if len(parts) == 3 {
		n, err := strconv.Atoi(parts[2])
		if err != nil || n < 1 {
			return nil, fmt.Errorf("the step must be a number above 0")
		}
		step = n
	}
	if begin == "" {
		begin = "0"
	}
	if end == "" {
		return nil, fmt.Errorf("the end is missing")
	}
	if i, j := letter(begin), letter(end); i >= 0 && j >= 0 {
		if i > j {
			return nil, fmt.Errorf("the begin comes after the end")
		}
		var out []string
		for ; i <= j; i += step {
			out = append(out, letters[i:i+1])
		}
		return out, nil
	}
	return numbers(begin, end, step)
}

func letter(s string) int {
	if len(s) != 1 {
		return -1
	}
	return strings.Index(letters, s)
}

func numbers(begin, end string, step int) ([]string, error) {
	i, err1 := strconv.ParseUint(begin, 10, 31)
	j, err2 := strconv.ParseUint(end, 10, 31)
	switch {
	case err1 != nil || err2 != nil:
		return nil, fmt.Errorf("begin and end must be two numbers or two letters")
	case i > j:
		return nil, fmt.Errorf("the begin comes after the end")
	case (j-i)/uint64(step) >= maxHosts:
		return nil, fmt.Errorf("more than %d hosts", maxHosts)
	}
	width := 0
	if len(begin) > 1 && begin[0] == '0' {
		if width = len(begin); width != len(end) {
			return nil, fmt.Errorf("begin and end must have the same number of digits")
		}
	}
	var out []string
	for ; i <= j; i += uint64(step) {
		out = append(out, fmt.Sprintf("%0*d", width, i))
	}
	return out, nil
}

// splitPort cuts a port off name:22 or [address]:22. What has no port, such as a
// bare IPv6 address, stays whole; port is then 0.
func splitPort(s string) (name string, port int, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, 0, nil
	}
	head, tail := s[:i], s[i+1:]
	if tail == "" || strings.Trim(tail, "0123456789") != "" {
		if tail == "" && !strings.Contains(head, ":") {
			return "", 0, fmt.Errorf("%q ends in a colon without a port", s)
		}
		return s, 0, nil
	}
	bracketed := strings.HasPrefix(head, "[") && strings.HasSuffix(head, "]") && strings.Count(head, "[") == 1
	if !bracketed && colonOutsideBrackets(head) {
		return s, 0, nil
	}
	n, err := strconv.Atoi(tail)
	if err != nil || n < 1 || n > 65535 {
		return "", 0, fmt.Errorf("port %q in %q is not between 1 and 65535", tail, s)
	}
	if bracketed {
		if _, _, isRange := findRange(head); !isRange || strings.Count(head, ":") > 2 || strings.Contains(head, "::") {
			head = head[1 : len(head)-1]
		}
	}
	return head, n, nil
}

func colonOutsideBrackets(s string) bool {
	depth := 0
	for _, r := range s {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case r == ':' && depth == 0:
			return true
		}
	}
	return depth != 0
}
