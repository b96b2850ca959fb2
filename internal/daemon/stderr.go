package daemon

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	maxLine     = 1024
	maxWarnings = 50
)

var (
	// 1.x: "failed to load TOML: /etc/containerd/config.toml: (3, 13): reason".
	oldErrorRE = regexp.MustCompile(`^(?:failed to load TOML(?: from)?:? )?(?:(/?[^ :]+): )?\((\d+), (\d+)\): (.*)$`)
	// 2.x: "failed to unmarshal TOML at row 3 column 24: reason".
	newErrorRE = regexp.MustCompile(`^failed to unmarshal TOML at row (\d+) column (\d+): (.*)$`)
	// Texts in which a decoder repeats the value that it could not take.
	valueRE = regexp.MustCompile(`(Can't convert ).*(\(\[?\]?[a-z])`)
	quoteRE = regexp.MustCompile(`\b(parsing|got|duration|convert|value|number|string|token) ("(?:[^"\\]|\\.)*"|'[^']*')`)
	fieldRE = regexp.MustCompile(`([a-z]+)=("(?:[^"\\]|\\.)*"|\S*)`)
)

// parseStderr reads what `containerd config dump` says on standard error: log
// lines of logrus and, last, the error of the command.
func parseStderr(text string) Report {
	var r Report
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if reason, ok := strings.CutPrefix(line, "containerd: "); ok {
			r.setError(oneLine(reason))
			continue
		}
		if !strings.HasPrefix(line, "time=") {
			continue
		}
		fields := logFields(line)
		switch fields["level"] {
		case "warning":
			// Every file below the newest version says so; nobody has to act on it.
			if strings.HasPrefix(fields["msg"], "Configuration migrated from version") {
				continue
			}
			if w := describe(fields); len(r.Warnings) < maxWarnings && !slices.Contains(r.Warnings, w) {
				r.Warnings = append(r.Warnings, w)
			}
		case "error", "fatal":
			if file := fields["file"]; file != "" {
				r.File = oneLine(file)
				r.Row, _ = strconv.Atoi(fields["row"])
				r.Column, _ = strconv.Atoi(fields["column"])
			}
		}
	}
	return r
}

func (r *Report) setError(text string) {
	if m := oldErrorRE.FindStringSubmatch(text); m != nil {
		if m[1] != "" {
			r.File = m[1]
		}
		r.Row, _ = strconv.Atoi(m[2])
		r.Column, _ = strconv.Atoi(m[3])
		text = m[4]
	} else if m := newErrorRE.FindStringSubmatch(text); m != nil {
		r.Row, _ = strconv.Atoi(m[1])
		r.Column, _ = strconv.Atoi(m[2])
		text = m[3]
	}
	r.Error = withoutValues(text)
}

// describe makes one line of a log line: its message, then what it is about.
func describe(fields map[string]string) string {
	text := fields["msg"]
	for _, key := range []string{"error", "key", "plugin", "file"} {
		if fields[key] != "" {
			text += ", " + key + " " + fields[key]
		}
	}
	return withoutValues(text)
}

// withoutValues masks what a decoder repeats of the file: it may be a password.
func withoutValues(text string) string {
	text = valueRE.ReplaceAllString(text, "$1***$2")
	text = quoteRE.ReplaceAllString(text, `$1 "***"`)
	return oneLine(text)
}

// logFields splits a line of logrus's text format.
func logFields(line string) map[string]string {
	fields := map[string]string{}
	for _, m := range fieldRE.FindAllStringSubmatch(line, -1) {
		value := m[2]
		if plain, err := strconv.Unquote(value); err == nil && strings.HasPrefix(value, `"`) {
			value = plain
		}
		if _, seen := fields[m[1]]; !seen {
			fields[m[1]] = value
		}
	}
	return fields
}

// oneLine turns runs of white space and control characters into one blank and
// bounds the result.
func oneLine(text string) string {
	text = strings.ToValidUTF8(text, "?")
	text = strings.Join(strings.FieldsFunc(text, func(c rune) bool {
		return unicode.IsSpace(c) || unicode.IsControl(c)
	}), " ")
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	return text
}
