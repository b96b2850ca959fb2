package impact

import (
	"strconv"
	"strings"

	"github.com/pullway/pullway/internal/config"
)

// Policy is when the kubelet pulls.
type Policy string

// The values of Policy.
const (
	Always       Policy = "Always"
	IfNotPresent Policy = "IfNotPresent"
	Never        Policy = "Never"
)

// EffectivePolicy is the pull policy that holds for a container. Where none is
// written it is Always for the tag latest and for no tag, else IfNotPresent; the
// admission plugin AlwaysPullImages makes each Always.
func EffectivePolicy(written string, image config.Image, alwaysPull bool) Policy {
	switch p := Policy(written); {
	case alwaysPull:
		return Always
	case p == Always || p == IfNotPresent || p == Never:
		return p
	case image.Digest == "" && image.Tag == "latest":
		return Always
	}
	return IfNotPresent
}

// rechecks reports whether the kubelet of a version asks the registry again about
// an image that is present, when the pod's credential is not on record for it
// (KEP-2535: KubeletEnsureSecretPulledImages is on from 1.35).
func rechecks(kubelet string) bool {
	major, rest, _ := strings.Cut(strings.TrimPrefix(kubelet, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(strings.TrimRight(minor, "+"))
	return errA == nil && errB == nil && (a > 1 || a == 1 && b >= 35)
}
