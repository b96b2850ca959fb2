package inventory

import (
	"slices"

	"github.com/pullway/pullway/internal/spelling"
)

// nearest returns the candidate with the fewest changed letters, or "" when none
// is near: at most a third of the letters, and never more than four. Of equals
// the first in the alphabet is taken.
func nearest(name string, candidates []string) string {
	if len(name) > 100 {
		return ""
	}
	best, limit := "", min(4, max(1, len(name)/3))+1
	slices.Sort(candidates)
	for _, c := range candidates {
		if d := len(c) - len(name); d >= limit || -d >= limit {
			continue
		}
		if d := spelling.Distance(name, c); d < limit {
			best, limit = c, d
		}
	}
	return best
}
