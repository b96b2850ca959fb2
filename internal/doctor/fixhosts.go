package doctor

import (
	"bytes"
	"regexp"
	"strings"
)

var (
	hubURL    = regexp.MustCompile(`(["'])https?://(?:docker\.io|index\.docker\.io|hub\.docker\.com|www\.docker\.com)/?(["'])`)
	referrers = regexp.MustCompile(`(?i)\s*,\s*["']referrers["']|["']referrers["']\s*,\s*`)
)

// mendHosts mends one line of a hosts.toml, or adds one. Line ends and everything
// else stay as they are.
func mendHosts(f Finding, data []byte) ([]byte, bool) {
	eol := "\n"
	if bytes.Contains(data, []byte("\r\n")) {
		eol = "\r\n"
	}
	if f.Rule == "HST003" {
		text := string(data)
		if !strings.HasSuffix(text, "\n") {
			text += eol
		}
		return []byte(text + eol + "[host]" + eol), true
	}
	lines := strings.SplitAfter(string(data), "\n")
	if f.Line < 1 || f.Line > len(lines) {
		return nil, false
	}
	at := &lines[f.Line-1]
	switch f.Rule {
	case "HST007":
		// Every line that names it, or a host would come apart from its tables.
		return hubURL.ReplaceAll(data, []byte("${1}https://registry-1.docker.io${2}")), true
	case "HST008":
		indent := ""
		if strings.HasPrefix(strings.TrimSpace(*at), "[") {
			if indent = "  "; f.Line < len(lines) {
				next := lines[f.Line]
				if strings.Contains(next, "=") {
					indent = next[:len(next)-len(strings.TrimLeft(next, " \t"))]
				}
			}
		}
		if !strings.HasSuffix(*at, "\n") {
			*at += eol
		}
		*at += indent + "override_path = true" + eol
	case "HST011":
		short := referrers.ReplaceAllString(*at, "")
		if short == *at {
			return nil, false
		}
		*at = short
	case "HST026":
		end := f.Column - 1
		for end >= 0 && end < len(*at) && (isKey((*at)[end])) {
			end++
		}
		if f.Column < 1 || end <= f.Column-1 {
			return nil, false
		}
		*at = (*at)[:f.Column-1] + strings.ToLower((*at)[f.Column-1:end]) + (*at)[end:]
	default:
		return nil, false
	}
	return []byte(strings.Join(lines, "")), true
}

func isKey(c byte) bool {
	return c == '_' || c == '-' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
