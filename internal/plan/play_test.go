package plan

import (
	"slices"
	"testing"

	"github.com/pullway/pullway/internal/containerd"
)

var k3s = containerd.Distribution{Name: "k3s"}

func TestForPlay(t *testing.T) {
	well := func(change func(*Observed)) Observed {
		o := observe(t, "1.7.27", nil)
		change(&o)
		return o
	}
	cases := map[string]struct {
		observed  Observed
		force     bool
		refusedBy []string
		warned    []string
	}{
		"a node like any other": {observed: well(func(*Observed) {})},
		"containerd of somebody else": {observed: well(func(o *Observed) { o.Distribution = k3s }),
			refusedBy: []string{"distribution"}},
		"a configuration that Kubespray does not write": {observed: well(func(o *Observed) { o.ConfigFile = "/opt/containerd.toml" }),
			refusedBy: []string{"kubespray-elsewhere"}},
		"a restart would end all containers": {observed: well(func(o *Observed) { o.KillMode = "mixed" }), refusedBy: []string{"kill-mode"}},
		"and that is wanted":                 {observed: well(func(o *Observed) { o.KillMode = "mixed" }), force: true, warned: []string{"kill-mode"}},
		"CRI is not well, which the play may mend": {observed: well(func(o *Observed) { o.Healthy, o.Health = false, "no CRI plugin" }),
			warned: []string{"unwell"}},
		"containerd does not run": {observed: well(func(o *Observed) { o.Running, o.Healthy, o.KillMode = false, false, "" }),
			warned: []string{"unwell"}},
	}
	ids := func(all []Notice) (ids []string) {
		for _, n := range all {
			ids = append(ids, n.ID)
		}
		return ids
	}
	for name, c := range cases {
		n := ForPlay(c.observed, Options{Force: c.force, Kubespray: &Kubespray{HostsDir: "/etc/containerd/certs.d"}})
		if !slices.Equal(ids(n.Problems), c.refusedBy) || !slices.Equal(ids(n.Warnings), c.warned) {
			t.Errorf("%s: problems %v, warnings %v", name, n.Problems, n.Warnings)
		}
		if n.NothingToDo() || n.CanApply() != (len(c.refusedBy) == 0) || n.Fingerprint == "" {
			t.Errorf("%s: nothing to do %t, can apply %t", name, n.NothingToDo(), n.CanApply())
		}
	}
}
