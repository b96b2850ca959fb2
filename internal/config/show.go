package config

import (
	"fmt"
	"regexp"
	"strings"
)

// maxShown is how much of a value a message repeats, in bytes.
const maxShown = 80

// credentials are what stands before an @ that no digest follows. The first
// part of that may be a password, whatever the field is meant for.
var credentials = regexp.MustCompile(`^(.*://)?.*@`)

var digestPart = regexp.MustCompile(`@[a-z0-9+._-]+:[0-9a-fA-F]+$`)

// show quotes a value of the spec for a message: short, on one line, and without
// the places in which people put passwords (user:password@, ?token=).
func show(s string) string { return fmt.Sprintf("%q", clip(s)) }

// clip is show without the quotes, for values that are known to be printable.
func clip(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i] + "…"
	}
	digest := digestPart.FindString(s)
	s = strings.TrimSuffix(s, digest)
	if strings.Contains(s, "@") {
		s = credentials.ReplaceAllString(s, "${1}…@")
	}
	s += digest
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return s
}
