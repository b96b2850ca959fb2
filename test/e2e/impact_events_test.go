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
	d := decode[report.Doctor](w.t, w.o.must(0, "doctor", "--kubeconfig", w.l.Kube().AdminKubeconfig(), "-o", "json"))
	if d.Events == nil || d.Events.Unread != "" || d.Events.More != 0 {
		w.t.Errorf("events: %+v", d.Events)
		return
	}
	failed := 0
	for _, s := range shapes {
		image := w.refs[s.name]
		if s.form == byNone {
			image += ":latest"
		}
		i := slices.IndexFunc(d.Events.Pulls, func(p doctor.FailedPull) bool { return p.Image == image && p.Node == now[s.name].node })
		switch got := seen[s.name]; {
		case strings.HasSuffix(got.how, "ErrImagePull"):
			failed++
			if i < 0 {
				w.t.Errorf("%s (%s): doctor does not name %s on %s, which was seen: %s", s.name, s.text(), image, now[s.name].node, got.how)
				continue
			}
			p := d.Events.Pulls[i]
			if s.host == goneHost && !s.missing && !strings.Contains(p.Text, "connection refused") {
				w.t.Errorf("%s (%s): doctor says %q of a port where nothing listens", s.name, s.text(), p.Text)
			}
			w.t.Logf("%s on %s: %v, %d times: %s", p.Image, p.Node, p.Rules, p.Times, p.Text)
		case got.verdict == impact.Safe && i >= 0:
			w.t.Errorf("%s (%s) runs, and doctor says %+v", s.name, s.text(), d.Events.Pulls[i])
		}
	}
	if failed == 0 {
		w.t.Error("no shape failed to pull")
	}
}
