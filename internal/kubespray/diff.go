package kubespray

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/pullway/pullway/internal/secret"
)

// Diff shows a change as a unified diff in which no credential stands: values of
// keys that may hold one are ***, but for templates, and vaulted texts are left out.
func (c FileChange) Diff() string {
	from := c.Path
	if c.Before == nil {
		from = "/dev/null"
	}
	d := diff.Diff(from, Mask(c.Before), c.Path, Mask(c.After))
	if len(d) == 0 && !bytes.Equal(c.Before, c.After) {
		return "(only secret values change)\n"
	}
	// The first line repeats the names as a command.
	_, rest, _ := strings.Cut(string(d), "\n")
	return rest
}

var (
	secretKey    = regexp.MustCompile(`(?i)^(\s*(?:-\s+)?["']?[\w.-]*(?:passw(?:or)?d|pass|auth|authorization|token|secret|credential|api_?key|private_?key)s?["']?\s*:)(\s.*?|)(\r?)$`)
	secretInline = regexp.MustCompile(`(?i)([{,]\s*["']?[\w.-]*(?:passw(?:or)?d|pass|auth|authorization|token|secret)["']?\s*:\s*)("(?:[^"\\]|\\.)*"|'[^']*'|\[[^\]]*\]|[^,}\]]+)`)
	userinfo     = regexp.MustCompile(`(://[^/\s"':@]*):[^/\s"'@]*@`)
)

// Mask returns a file of variables without credentials. It goes by lines and by
// names, so it also serves files that are no YAML.
func Mask(file []byte) []byte {
	var out strings.Builder
	hidden := -1 // the indentation of the key whose lines are hidden
	for line := range strings.Lines(string(file)) {
		body := strings.TrimSuffix(line, "\n")
		end := line[len(body):]
		indent := len(body) - len(strings.TrimLeft(body, " "))
		if hidden >= 0 && (strings.TrimSpace(body) == "" || indent > hidden) {
			out.WriteString(strings.Repeat(" ", indent) + secret.Mask + end)
			continue
		}
		hidden = -1
		body = secretInline.ReplaceAllStringFunc(body, func(s string) string {
			m := secretInline.FindStringSubmatch(s)
			if isJinja(m[2]) {
				return s
			}
			return m[1] + secret.Mask
		})
		if m := secretKey.FindStringSubmatch(body); m != nil {
			body = m[1] + maskedValue(m[2]) + m[3]
			if v := strings.TrimSpace(m[2]); strings.HasPrefix(v, "!vault") || strings.HasPrefix(v, "|") || strings.HasPrefix(v, ">") {
				hidden = indent
			}
		} else if strings.Contains(body, "!vault") {
			hidden = indent
		}
		out.WriteString(userinfo.ReplaceAllString(body, "$1:"+secret.Mask+"@") + end)
	}
	return []byte(out.String())
}

// maskedValue hides what stands after a key; templates, block marks and groups stay.
func maskedValue(v string) string {
	t := strings.TrimSpace(v)
	plain, _, _ := strings.Cut(t, " #")
	switch {
	case t == "", isJinja(t), strings.HasPrefix(t, "!vault"), strings.HasPrefix(t, "|"), strings.HasPrefix(t, ">"), strings.HasPrefix(t, "#"):
		return v
	case plain == "[]", plain == "{}", strings.HasPrefix(t, "{"):
		return v // what is inside was masked by its own keys
	}
	return " " + secret.Mask
}
