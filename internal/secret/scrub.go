package secret

import (
	"regexp"
	"strings"
)

var (
	// A URL as it stands in error texts: up to white space or a quote.
	urlRE = regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*:)?//[^\s"'<>` + "`" + `]+`)
	// Credentials of a header, if ever one is printed.
	headerRE = regexp.MustCompile(`(?i)\b(basic|bearer)\s+[a-z0-9+/=_.~-]{6,}`)
	// Whatever else follows the name of that header, or a name that says secret. In
	// small letters it is a word of errors, too: require authorization: no basic auth.
	namedRE = regexp.MustCompile(`(Authorization["']?\s*[:=]\s*["'\[]*|(?i:authorization)["']?(?:=["'\[]*|\s*:\s*["'\[]+)|(?i:["']?[a-z_-]*(?:password|passwd|secret|token)["']?(?:=["']?|\s*:\s*["'])))(?:(?i:basic|bearer)\s+)?[^\s"',;&\]}]+`)
	// What may stay of a URL's query: it names no secret and says what was asked.
	queryRE = regexp.MustCompile(`^(ns|scope|service)=`)
)

// Scrub takes what may be a credential out of one line of foreign text, such as a
// daemon's log: user and password in URLs, queries that may carry a signature, the
// value of an Authorization header, and values whose name says password or token.
// It knows text by its form, so it is for texts that are to hold no secret anyway.
func Scrub(line string) string {
	line = headerRE.ReplaceAllString(line, "$1 "+Mask)
	line = urlRE.ReplaceAllStringFunc(line, scrubURL)
	return namedRE.ReplaceAllStringFunc(line, func(s string) string {
		if strings.HasSuffix(s, Mask) {
			return s
		}
		return namedRE.FindStringSubmatch(s)[1] + Mask
	})
}

// scrubURL works on text and not on url.Parse, which refuses just those URLs
// whose password was not escaped.
func scrubURL(u string) string {
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
