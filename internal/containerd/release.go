// Package containerd holds what is known of containerd releases: how their
// versions compare, what each can and cannot do, and how a running daemon is
// recognised. It is pure: it reads no file and reaches no network. Its two
// sub-packages know one file format each: configtoml and hoststoml.
package containerd

import (
	"fmt"
	"regexp"
	"strconv"
)

// Release is a containerd release such as 1.6.20 or 2.4.2. Distribution
// suffixes (~ds1, +unknown, -k3s1) are kept apart in Suffix and never compared;
// a pre-release counts as the release it leads to.
type Release struct {
	Major, Minor, Patch int
	Suffix              string
}

var releaseRE = regexp.MustCompile(`\bv?(\d{1,4})\.(\d{1,4})\.(\d{1,4})([-~+][0-9A-Za-z.~+-]*)?`)

// ParseRelease finds the release in text such as "1.6.20~ds1", "v2.4.2+unknown"
// or the whole line of `containerd --version`.
func ParseRelease(text string) (Release, error) {
	m := releaseRE.FindStringSubmatch(text)
	if m == nil {
		return Release{}, fmt.Errorf("no containerd release in %q", text)
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v }
	return Release{Major: n(1), Minor: n(2), Patch: n(3), Suffix: m[4]}, nil
}

// String returns "1.6.20", without suffix; "unknown" for the zero Release.
func (r Release) String() string {
	if r == (Release{}) {
		return "unknown"
	}
	return fmt.Sprintf("%d.%d.%d", r.Major, r.Minor, r.Patch)
}

// Compare returns -1, 0 or 1 as r is older than, the same as or newer than o.
func (r Release) Compare(o Release) int {
	for _, d := range [...]int{r.Major - o.Major, r.Minor - o.Minor, r.Patch - o.Patch} {
		if d < 0 {
			return -1
		}
		if d > 0 {
			return 1
		}
	}
	return 0
}

// AtLeast reports whether r is this release or a newer one.
func (r Release) AtLeast(major, minor, patch int) bool {
	return r.Compare(Release{Major: major, Minor: minor, Patch: patch}) >= 0
}

// In reports whether r is of the line major.minor with first <= patch <= last.
func (r Release) In(major, minor, first, last int) bool {
	return r.Major == major && r.Minor == minor && r.Patch >= first && r.Patch <= last
}
