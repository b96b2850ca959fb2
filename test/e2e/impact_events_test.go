//go:build e2e

package e2e

import (
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/report"
)

// told: doctor names every image that a kubelet told Kubernetes it cannot pull, with its
// node and the reason, and none of a shape that runs.
func (w *truth) told(seen map[string]observed) {
	w.t.Helper()
	now := w.look()
	var pulls []doctor.FailedPull
	of := func(s shape) int {
		image := w.refs[s.name]
		if s.form == byNone {
			image += ":latest"
		}
		return slices.IndexFunc(pulls, func(p doctor.FailedPull) bool { return p.Image == image && p.Node == now[s.name].node })
	}
	failed := func(s shape) bool { return strings.HasSuffix(seen[s.name].how, "ErrImagePull") }
	if !slices.ContainsFunc(shapes, failed) {
		w.t.Error("no shape failed to pull")
	}
	// A kubelet tells of a pull a little after the pod's own state does.
	w.until("doctor to name what could not be pulled", func() (bool, string) {
		d := decode[report.Doctor](w.t, w.o.must(0, "doctor", "--kubeconfig", w.l.Kube().AdminKubeconfig(), "-o", "json"))
		if d.Events == nil || d.Events.Unread != "" || d.Events.More != 0 {
			w.t.Fatalf("events: %+v", d.Events)
		}
		pulls = d.Events.Pulls
		for _, s := range shapes {
			if failed(s) && of(s) < 0 {
				return false, w.refs[s.name] + " on " + now[s.name].node
			}
		}
		return true, ""
	})
	for _, s := range shapes {
		i := of(s)
		switch {
		case failed(s):
			p := pulls[i]
			if s.host == goneHost && !s.missing && !strings.Contains(p.Text, "connection refused") {
				w.t.Errorf("%s (%s): doctor says %q of a port where nothing listens", s.name, s.text(), p.Text)
			}
			w.t.Logf("%s on %s: %v, %d times: %s", p.Image, p.Node, p.Rules, p.Times, p.Text)
		case seen[s.name].verdict == impact.Safe && i >= 0:
			w.t.Errorf("%s (%s) runs, and doctor says %+v", s.name, s.text(), pulls[i])
		}
	}
}
