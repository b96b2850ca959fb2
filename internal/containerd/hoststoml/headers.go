package hoststoml

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

// headers reads a header table. Problems name headers, never their values.
func (p *parser) headers(h *Host, n *node) {
	if !n.table || n.arrayTable {
		p.discard(n, "HST002", "write a table [header]", "header is not a table")
		return
	}
	for _, c := range n.children {
		if slices.Contains(fieldNames, c.key) || c.key == "server" {
			p.at(c, "HST017", "move it above the header table", "%s stands inside a header table and is sent as an HTTP header", c.key)
		}
		var values []string
		ok := false
		switch v := c.value.(type) {
		case string:
			values, ok = []string{v}, true
		case []any:
			values, ok = texts(v)
		}
		if !ok {
			p.discard(c, "HST002", "write a string in quotes", "header %q is neither a string nor a list of strings", c.key)
			continue
		}
		if !validHeaderName(c.key) || !allOf(values, validHeaderValue) {
			p.at(c, "HST028", "remove control characters", "header %q cannot be sent over HTTP, so every request to this host fails", c.key)
		}
		for _, v := range values {
			h.Headers = append(h.Headers, config.Header{Name: c.key, Value: secret.New(v)})
		}
	}
	slices.SortStableFunc(h.Headers, func(a, b config.Header) int { return strings.Compare(a.Name, b.Name) })
}

func allOf(all []string, good func(string) bool) bool {
	return !slices.ContainsFunc(all, func(s string) bool { return !good(s) })
}

// addHeaders gives h the headers of the endpoint, and the credential as Basic.
func (h *Host) addHeaders(e config.Endpoint, auth *config.Auth) error {
	names := map[string]bool{}
	for _, x := range e.Headers {
		low := strings.ToLower(x.Name)
		switch {
		case !validHeaderName(x.Name):
			return &Error{Text: fmt.Sprintf("endpoint %q: %q is not the name of an HTTP header", shown(e.URL), x.Name)}
		case !writable(x.Value.Reveal()):
			return &Error{Text: fmt.Sprintf("endpoint %q: the value of header %q holds a line end, a control character or invalid UTF-8", shown(e.URL), x.Name)}
		case names[low] || (low == "authorization" && auth != nil):
			return &Error{Text: fmt.Sprintf("endpoint %q has two values for header %q", shown(e.URL), x.Name), Hint: "leave Authorization to auth"}
		}
		names[low] = true
		h.Headers = append(h.Headers, x)
	}
	if auth != nil {
		if auth.Username == "" || strings.Contains(auth.Username, ":") {
			return &Error{Text: fmt.Sprintf("user name %q cannot be sent as a Basic credential", auth.Username), Hint: "a user name is not empty and holds no colon"}
		}
		basic := base64.StdEncoding.EncodeToString([]byte(auth.Username + ":" + auth.Password.Reveal()))
		h.Headers = append(h.Headers, config.Header{Name: "Authorization", Value: secret.New("Basic " + basic)})
	}
	slices.SortFunc(h.Headers, func(a, b config.Header) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func headerNames(h *Host) []string {
	var all []string
	for _, x := range h.Headers {
		all = append(all, x.Name)
	}
	return all
}

// writable reports whether a header value can stand in the file and be sent.
func writable(s string) bool { return utf8.ValidString(s) && validHeaderValue(s) }

// validHeaderName reports whether s is a token of RFC 9110, section 5.6.2.
func validHeaderName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// validHeaderValue reports whether net/http sends s: no control character but tab.
func validHeaderValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
