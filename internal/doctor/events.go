package doctor

import (
	"regexp"
	"slices"
	"time"
)

// Event is an event that kubelet told of a pod: reason Failed or BackOff.
type Event struct {
	// Node is its name in Kubernetes.
	Node    string
	Message string
	// At is when it was told the last time, Times how often.
	At    time.Time
	Times int
}

// quotedImageRE finds the image that kubelet speaks of: it writes Failed to pull
// image "X": reason, and Back-off pulling image "X", since Kubernetes 1.33 with the
// reason behind it.
var quotedImageRE = regexp.MustCompile(`^(Failed to pull image|Back-off pulling image) "([^"\\]+)"(?:: )?((?s:.*))$`)

// KubeletPulls finds the pulls that failed in events of kubelet, each image on each
// node once, and the rules that their errors are of. Events of other things are passed
// over. more counts what was left out.
func KubeletPulls(events []Event) (all []FailedPull, more int) {
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	f := pulls{by: map[string]*pull{}}
	for _, e := range events {
		m := quotedImageRE.FindStringSubmatch(e.Message)
		if m == nil {
			continue
		}
		image, node, text := fullName(m[2]), shown(e.Node), m[3]
		known := f.by[node+"\x00"+image]
		switch {
		case m[1] == "Back-off pulling image" && known != nil && known.text != noReason:
			// It repeats a failure that was told with its reason.
			known.At = e.At
			continue
		case text == "":
			text = noReason
		}
		p := f.failed(node, image, e.At, text)
		p.Times += max(1, e.Times) - 1
	}
	return f.told()
}

// noReason is told of a pull whose event with the reason is gone.
const noReason = "kubelet waits before it tries again (ImagePullBackOff); the event with the reason is gone"
