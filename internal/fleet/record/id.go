package record

import (
	"fmt"
	"io"
	"regexp"
	"time"
)

// idForm is what a run id looks like. It becomes a folder's name, so nothing
// else is ever made a path.
var idForm = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$`)

// NewID makes the id of a run that starts at now: ids sort by time, to the
// second, and four hex digits of random keep two of one second apart. Pass
// crypto/rand.Reader.
func NewID(now time.Time, random io.Reader) (string, error) {
	b := make([]byte, 2)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("random number for a run id: %w", err)
	}
	return now.UTC().Format("20060102T150405Z") + fmt.Sprintf("-%x", b), nil
}

// ValidID reports whether s has the form of a run id.
func ValidID(s string) bool { return idForm.MatchString(s) }
