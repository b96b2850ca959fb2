// Package terminal knows which characters drive a terminal, or hide and reorder
// what stands beside them. What nodes, registries and files of others say may hold
// any of them.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Drives reports whether r is no text to look at: control characters (C0, DEL and
// C1, of which U+009B begins an escape sequence on some terminals), format
// characters (bidirectional overrides, zero-width and tag characters), line and
// paragraph separators, private use, and what is no character at all.
func Drives(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp)
}

// Clean replaces every such character by "?"; a tab stays. The result is one line.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && Drives(r) {
			return '?'
		}
		return r
	}, s)
}

// EscapeJSON returns a writer that passes JSON on with each such character of its
// strings written as \uXXXX, which means the same to a program. encoding/json
// itself escapes only C0 and the separators. A Write must end where a character
// ends, as each of json.Encoder does.
func EscapeJSON(w io.Writer) io.Writer { return escaper{w} }

type escaper struct{ w io.Writer }

func (e escaper) Write(p []byte) (int, error) {
	from := 0
	for i := 0; i < len(p); {
		if p[i] < 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRune(p[i:])
		if !Drives(r) || r == utf8.RuneError {
			i += n
			continue
		}
		if _, err := e.w.Write(p[from:i]); err != nil {
			return from, err
		}
		if _, err := io.WriteString(e.w, escaped(r)); err != nil {
			return i, err
		}
		i += n
		from = i
	}
	if _, err := e.w.Write(p[from:]); err != nil {
		return from, err
	}
	return len(p), nil
}

func escaped(r rune) string {
	if r <= 0xffff {
		return fmt.Sprintf(`\u%04x`, r)
	}
	r -= 0x10000
	return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
}
