package protocol

import "fmt"

// Size is a number of bytes for people: 512 B, 51.2 MB, 1.2 GB (powers of ten).
type Size int64

// String says it in three digits or so.
func (s Size) String() string {
	n, unit := float64(s), "B"
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if n < 999.5 {
			break
		}
		n, unit = n/1000, u
	}
	if unit == "B" || n >= 99.95 {
		return fmt.Sprintf("%.0f %s", n, unit)
	}
	return fmt.Sprintf("%.1f %s", n, unit)
}
