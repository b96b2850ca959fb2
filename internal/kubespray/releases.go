package kubespray

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// releasesJSON is made by TestReleases with KUBESPRAY_DIR set and -update: one
// profile a tag, each with the commit that was probed.
//
//go:embed releases.json
var releasesJSON []byte

// Release is one tag of Kubespray and what was probed there.
type Release struct {
	Version string  `json:"version"`
	Commit  string  `json:"commit"`
	Profile Profile `json:"profile"`
}

// Releases are the tags that are known, oldest first.
var Releases = sync.OnceValue(func() []Release {
	var all []Release
	if err := json.Unmarshal(releasesJSON, &all); err != nil {
		panic("releases.json: " + err.Error()) // a test reads it
	}
	for i := range all {
		all[i].Profile.Release = all[i].Version
	}
	return all
})

// UnknownReleaseError tells that a release is not in the table.
type UnknownReleaseError struct{ Version string }

// Error is one line.
func (e *UnknownReleaseError) Error() string {
	return fmt.Sprintf("Kubespray release %q is not known", e.Version)
}

// Hint says what is known, and what to do for another one.
func (e *UnknownReleaseError) Hint() string {
	all := Releases()
	return fmt.Sprintf("known are %s to %s; for any other give the checkout itself by --kubespray DIR", all[0].Version, all[len(all)-1].Version)
}

// ForVersion finds a release such as "2.27.1" or "v2.27.1"; "2.27" is the newest
// of that line. Another one is an *UnknownReleaseError.
func ForVersion(version string) (Profile, error) {
	want := strings.TrimPrefix(strings.TrimSpace(version), "v")
	for _, r := range slices.Backward(Releases()) {
		if r.Version == want || want != "" && strings.HasPrefix(r.Version, want+".") && strings.Count(want, ".") == 1 {
			return r.Profile, nil
		}
	}
	return Profile{}, &UnknownReleaseError{Version: version}
}
