package record

import (
	"fmt"
	"regexp"
	"time"
)

// idForm is what a run id looks like. It becomes a folder's name, so nothing
// else is ever made a path.
var idForm = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$`)

// NewID makes the id of a run that starts at now. Ids sort by time: the four hex
// digits are the fraction of the second, in steps of 15 microseconds, because
// "last" has to be the last also when two runs begin in one second.
func NewID(now time.Time) string {
	now = now.UTC()
	return now.Format("20060102T150405Z") + fmt.Sprintf("-%04x", now.Nanosecond()*0x10000/int(time.Second))
}

// ValidID reports whether s has the form of a run id.
func ValidID(s string) bool { return idForm.MatchString(s) }
