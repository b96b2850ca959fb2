package cri

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pullway/pullway/internal/secret"
)

// maxText bounds every text that is taken over from the daemon, in bytes.
const maxText = 1024

// clean makes one line of a daemon's text that is fit for people: no control
// characters, no user or password in URLs, no query that may carry a signature,
// no credential of a header, at most maxText bytes.
func clean(text string) string {
	// Cut first, so that the work is bounded, but far behind what is shown: a
	// secret that the cut would split must not lose the mark it is known by.
	if len(text) > 16*maxText {
		text = text[:16*maxText]
	}
	text = oneLine(text)
	return shorten(secret.Scrub(text))
}

// oneLine turns runs of white space and control characters into one blank.
func oneLine(text string) string {
	text = strings.ToValidUTF8(text, "?")
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	}), " ")
}

func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	cut := maxText - len("…")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// socketText leaves of grpc's text for a socket that is away what matters.
func socketText(text string) string {
	for _, known := range []string{"connect: no such file or directory", "connect: connection refused", "connect: permission denied"} {
		if strings.Contains(text, known) {
			return "no daemon answers on the socket: " + strings.TrimPrefix(known, "connect: ")
		}
	}
	return text
}
