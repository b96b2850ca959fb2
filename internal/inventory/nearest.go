package inventory

import "slices"

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
		if d := distance(name, c); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance counts the letters to add, drop or change to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := diagonal
			if a[i-1] != b[j-1] {
				change++
			}
			diagonal = row[j]
			row[j] = min(change, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
