package hoststoml

import (
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/pullway/pullway/internal/secret"
)

// Mask returns a hosts.toml that may be shown: every header value and
// everything that is not known to be harmless is replaced by ***, line by line.
// It works by what may stay, not by what must go, so that files which do not
// parse, which hold keys of other programs, or which have a password in a comment
// are safe too. Lines keep their number. In a file that parses, no header value
// of three bytes or more survives anywhere, not even where the same text stands
// as a harmless value.
func Mask(data []byte) []byte {
	var out strings.Builder
	secrets := headerValues(data)
	m := masker{}
	for line := range strings.Lines(string(data)) {
		body := strings.TrimRight(line, "\r\n")
		shown := m.line(body)
		if holds(shown, secrets) {
			shown = secret.Mask
		}
		out.WriteString(shown + line[len(body):])
	}
	return []byte(out.String())
}

// masker walks over the lines of a file. It knows just enough of TOML to tell in
// which table a line stands.
type masker struct {
	// closed is true from a header table, an unknown table or a value that may go
	// on over several lines, up to the next table that is known.
	closed bool
	// doubt is true from any line that was hidden, up to the next table: comments
	// behind it may be a part of what was hidden.
	doubt bool
	// inList is true inside a list of file names that was opened on a line before.
	inList bool
}

var (
	// [host], [header], [host."URL"], [host."URL".header]
	tableRE = regexp.MustCompile(`^\s*\[\s*(host|header|host\s*\.\s*(?:"(?:https?://[^"\\@#?]*|[A-Za-z0-9.:\-]*)"|'(?:https?://[^'@#?]*|[A-Za-z0-9.:\-]*)'|[A-Za-z0-9_-]+)(?:\s*\.\s*header)?)\s*\]\s*(#.*)?$`)
	// Keys whose value on the same line may be shown: no second "=", no comment,
	// no "@", which would end a password in a URL, and no multi-line string.
	openRE = regexp.MustCompile(`^\s*(?:server|capabilities|ca|client|skip_verify|override_path|dial_timeout)\s*=\s*[^=#@]*$`)
	// One line of a list of file names or capabilities.
	itemRE = regexp.MustCompile(`^\s*\[?\s*(?:["'][A-Za-z0-9_./-]{0,200}["']\s*,?\s*){0,2}\]?\s*,?\s*$`)
	// Names whose value is not shown, and which may be shown themselves.
	hiddenRE = regexp.MustCompile(`^\s*(?:(?i:authorization|proxy-authorization|cookie|user-agent|accept|x-[a-z-]{1,40})|server|capabilities|ca|client|skip_verify|override_path|dial_timeout|username|password|auth|header)\s*=\s*`)
	// Names of keys and tables that hold credentials.
	credentialRE = regexp.MustCompile(`(?i)header|auth|passw|secret|token|credential|api[-_]?key|cookie`)
	// A credential in the place of a harmless value.
	schemeRE = regexp.MustCompile(`(?i)\b(?:basic|bearer)\s|"""|'''`)
	// Words and runs of letters that make a comment or an item look like a credential.
	suspectRE = regexp.MustCompile(`(?i)authori[sz]|\bbasic\b|\bbearer\b|passw|secret|token|credential|api[-_]?key|[A-Za-z0-9+/_-]{24,}`)
)

func (m *masker) line(s string) string {
	trimmed := strings.TrimSpace(s)
	switch {
	case trimmed == "" || trimmed == header:
		return s
	case strings.HasPrefix(trimmed, "#"):
		if m.closed || m.doubt || m.inList || strings.ContainsAny(trimmed, "=@:") || suspectRE.MatchString(trimmed) {
			m.doubt = true
			return "# " + secret.Mask
		}
		return s
	}
	if t := tableRE.FindStringSubmatch(s); t != nil {
		m.inList, m.doubt, m.closed = false, false, strings.HasSuffix(t[1], "header")
		if t[2] != "" {
			return strings.TrimSuffix(s, t[2]) + "# " + secret.Mask
		}
		return s
	}
	if m.inList && itemRE.MatchString(s) && !suspectRE.MatchString(strings.ReplaceAll(s, "/", " ")) {
		m.inList = !strings.HasPrefix(trimmed, "]")
		return s
	}
	m.inList = false
	if strings.HasPrefix(trimmed, "[") {
		m.closed = true
		return secret.Mask
	}
	if !m.closed && openRE.MatchString(s) && !schemeRE.MatchString(s) {
		m.inList = strings.Count(s, "[") > strings.Count(s, "]")
		return s
	}
	m.doubt = true
	name := hiddenRE.FindString(s)
	value := s[len(name):]
	if schemeRE.MatchString(value) || unfinished(value) {
		m.closed = true
	}
	return name + secret.Mask
}

// unfinished reports whether a value may go on in the next line.
func unfinished(value string) bool {
	return strings.Count(value, "[") > strings.Count(value, "]") || strings.Count(value, "{") > strings.Count(value, "}") ||
		strings.Count(value, `"`)%2 == 1 || strings.Count(value, "'")%2 == 1
}

func holds(s string, secrets []string) bool {
	for _, x := range secrets {
		if strings.Contains(s, x) {
			return true
		}
	}
	return false
}

// headerValues finds every line of every string under a key named header, and
// every string under a name that speaks of a credential, in a file that parses.
func headerValues(data []byte) []string {
	if len(data) > MaxSize {
		return nil
	}
	var root map[string]any
	if toml.Unmarshal(data, &root) != nil {
		return nil
	}
	var all []string
	var walk func(v any, parent string, inside bool)
	walk = func(v any, parent string, inside bool) {
		switch v := v.(type) {
		case map[string]any:
			for k, c := range v {
				// A key under host is a URL, whatever words are in it.
				walk(c, k, inside || (parent != "host" && credentialRE.MatchString(k)))
			}
		case []any:
			for _, c := range v {
				walk(c, parent, inside)
			}
		case string:
			if !inside {
				return
			}
			for line := range strings.Lines(v) {
				if line = strings.TrimRight(line, "\r\n"); len(line) >= 3 {
					all = append(all, line)
				}
			}
		}
	}
	walk(root, "", false)
	return all
}
