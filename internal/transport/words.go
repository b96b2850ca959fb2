package transport

import "fmt"

// SplitArgs splits a command line such as ansible_ssh_common_args into words as
// a POSIX shell does: blanks, single and double quotes, backslashes. Nothing is
// expanded. It fails on a quote that is not closed.
func SplitArgs(s string) ([]string, error) {
	var words []string
	var word []byte
	inWord := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\r':
			if inWord {
				words, word, inWord = append(words, string(word)), word[:0], false
			}
		case '\'', '"':
			end := closing(s, i)
			if end < 0 {
				return nil, fmt.Errorf("quote at character %d of the SSH arguments is not closed", i+1)
			}
			word, inWord = appendQuoted(word, s[i+1:end], c), true
			i = end
		case '\\':
			if i+1 < len(s) {
				i++
				word = append(word, s[i])
			}
			inWord = true
		default:
			word, inWord = append(word, c), true
		}
	}
	if inWord {
		words = append(words, string(word))
	}
	return words, nil
}

// closing finds the quote that closes the one at s[start], or -1.
func closing(s string, start int) int {
	for i := start + 1; i < len(s); i++ {
		switch {
		case s[i] == s[start]:
			return i
		case s[i] == '\\' && s[start] == '"':
			i++
		}
	}
	return -1
}

// appendQuoted adds the inside of a quoted piece; within double quotes a
// backslash protects a quote and a backslash.
func appendQuoted(word []byte, inside string, quote byte) []byte {
	for i := 0; i < len(inside); i++ {
		if quote == '"' && inside[i] == '\\' && i+1 < len(inside) && (inside[i+1] == '"' || inside[i+1] == '\\') {
			i++
		}
		word = append(word, inside[i])
	}
	return word
}
