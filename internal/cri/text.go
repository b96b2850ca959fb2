package cri

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds every text that is taken over from the daemon, in bytes.
const maxText = 1024

var (
	// A URL as it stands in error texts: up to white space or a quote.
	urlRE = regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*:)?//[^\s"'<>` + "`" + `]+`)
	// Credentials of a header, if ever one is printed.
	headerRE = regexp.MustCompile(`(?i)\b(basic|bearer)\s+[a-z0-9+/=_.~-]{6,}`)
	// What may stay of a URL's query: it names no secret and says what was asked.
	queryRE = regexp.MustCompile(`^(ns|scope|service)=`)
)

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
	text = headerRE.ReplaceAllString(text, "$1 ***")
	text = urlRE.ReplaceAllStringFunc(text, cleanURL)
	return shorten(text)
}

// cleanURL works on text and not on url.Parse, which refuses just those URLs
// whose password was not escaped.
func cleanURL(u string) string {
	start := strings.Index(u, "//") + 2
	head, rest := u[:start], u[start:]
	// Before the query is looked for: a password may hold a question mark.
	rest = rest[lastUserinfo(rest)+1:]
	rest, query, asked := strings.Cut(rest, "?")
	keep := []string{}
	if asked {
		for part := range strings.SplitSeq(query, "&") {
			if queryRE.MatchString(part) {
				keep = append(keep, part)
			}
		}
		// What follows the URL in the text, such as the colon before the cause.
		if strings.HasSuffix(query, ":") && (len(keep) == 0 || !strings.HasSuffix(keep[len(keep)-1], ":")) {
			rest += ":"
		}
	}
	if len(keep) > 0 {
		rest += "?" + strings.Join(keep, "&")
	}
	return head + rest
}

// lastUserinfo is where user information ends in the part of a URL behind //,
// or -1. An @ before a digest is not one.
func lastUserinfo(s string) int {
	for {
		at := strings.LastIndexByte(s, '@')
		if at < 0 || !strings.HasPrefix(s[at+1:], "sha256:") && !strings.HasPrefix(s[at+1:], "sha512:") {
			return at
		}
		s = s[:at]
	}
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
