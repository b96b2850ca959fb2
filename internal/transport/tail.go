package transport

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// tailSize is how much of a node's standard error is kept.
const tailSize = 8 << 10

// tail keeps the last tailSize bytes that were written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if over := len(p) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], p[over:]...)
		return len(p), nil
	}
	if over := len(t.buf) + len(p) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	t.buf = append(t.buf, p...)
	return len(p), nil
}

// String returns the text, fit for a terminal.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return clean(string(t.buf))
}

// lastLine returns the last line that says something.
func (t *tail) lastLine() string {
	lines := strings.Split(strings.TrimSpace(t.String()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// clean takes out what could drive a terminal or is no text; newlines and tabs stay.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, s)
}

// maxLine bounds a line that ends up in an error.
const maxLine = 1024

// oneLine makes one clean, bounded line of s.
func oneLine(s string) string {
	if len(s) > maxLine {
		s = s[:maxLine] + "…"
	}
	return strings.Join(strings.Fields(clean(s)), " ")
}
