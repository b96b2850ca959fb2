package inventory

import (
	"errors"
	"strings"
)

var errQuote = errors.New("a quote is not closed")

// words splits a line as Python's shlex does in POSIX mode, because Ansible reads
// host lines and SSH arguments with it. With comments, an unquoted # ends the
// line, even within a word.
func words(line string, comments bool) ([]string, error) {
	var out []string
	var word strings.Builder
	in := false // within a word; "" is a word too
	flush := func() {
		if in {
			out = append(out, word.String())
			word.Reset()
			in = false
		}
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			flush()
		case c == '#' && comments:
			flush()
			return out, nil
		case c == '\\':
			i++
			if i == len(line) {
				return nil, errors.New("a backslash stands at the end")
			}
			in = true
			word.WriteByte(line[i])
		case c == '\'' || c == '"':
			in = true
			n, ok := quoted(line[i:], &word)
			if !ok {
				return nil, errQuote
			}
			i += n - 1
		default:
			in = true
			word.WriteByte(c)
		}
	}
	flush()
	return out, nil
}

// quoted reads one quoted part, which s starts with, and returns its length. In
// double quotes a backslash protects only " and \.
func quoted(s string, word *strings.Builder) (int, bool) {
	q := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == q:
			return i + 1, true
		case s[i] == '\\' && q == '"' && i+1 < len(s):
			i++
			if s[i] != '"' && s[i] != '\\' {
				word.WriteByte('\\')
			}
			word.WriteByte(s[i])
		default:
			word.WriteByte(s[i])
		}
	}
	return 0, false
}
