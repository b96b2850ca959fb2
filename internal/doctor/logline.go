package doctor

import (
	"encoding/json"
	"strconv"
	"strings"
)

// logLine is what counts of one line of containerd's log.
type logLine struct{ Msg, Err string }

// parseLogLine reads a line in either form that containerd writes: key=value pairs,
// as it does by itself, or JSON.
func parseLogLine(line string) (l logLine) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "{") {
		var j struct{ Msg, Error string }
		if json.Unmarshal([]byte(line), &j) == nil {
			return logLine{j.Msg, j.Error}
		}
		return logLine{}
	}
	for line != "" {
		key, rest, found := strings.Cut(line, "=")
		if !found {
			break
		}
		var value string
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			value, _ = strconv.Unquote(quoted)
			rest = rest[len(quoted):]
		} else {
			value, rest, _ = strings.Cut(rest, " ")
		}
		switch key {
		case "msg":
			l.Msg = value
		case "error":
			l.Err = value
		}
		line = strings.TrimLeft(rest, " ")
	}
	return l
}
