package plan

import (
	"slices"
	"strings"
	"testing"
)

func TestForFix(t *testing.T) {
	const hosts = "/etc/containerd/certs.d/r.lan/hosts.toml"
	host := Mended{Path: hosts, Before: []byte("server = \"http://r.lan\"\n"), After: []byte("server = \"http://r.lan\"\n\n[host]\n"), Mode: 0o640, Rules: []string{"HST003"}}
	well := func(change func(*Observed)) Observed {
		o := observe(t, "1.7.27", memory{"/etc/containerd/config.toml": "version = 2\n"})
		change(&o)
		return o
	}
	config := func(o Observed) Mended {
		before := o.Tree.Files[0].Data
		return Mended{Path: o.ConfigFile, Before: before, After: append(slices.Clone(before), "\n# mended\n"...), Mode: 0o644, Rules: []string{"CFG014", "CFG016"}, Restart: true}
	}
	broken := func(o Observed) Mended {
		m := config(o)
		m.After = []byte("version = \n")
		return m
	}
	none := func(*Observed) {}
	cases := map[string]struct {
		change    func(*Observed)
		files     func(Observed) []Mended
		force     bool
		restart   bool
		refusedBy []string
		warned    []string
	}{
		"nothing to mend":                      {change: none, files: func(Observed) []Mended { return nil }},
		"a host directory":                     {change: none, files: func(Observed) []Mended { return []Mended{host} }},
		"a host directory, CRI is not well":    {change: func(o *Observed) { o.Healthy = false }, files: func(Observed) []Mended { return []Mended{host} }},
		"the configuration":                    {change: none, restart: true, files: func(o Observed) []Mended { return []Mended{config(o)} }},
		"containerd of somebody else":          {change: func(o *Observed) { o.Distribution = k3s }, files: func(Observed) []Mended { return []Mended{host} }, refusedBy: []string{"distribution"}},
		"somebody else's, and nothing to mend": {change: func(o *Observed) { o.Distribution = k3s }, files: func(Observed) []Mended { return nil }},
		"a link": {change: none, files: func(Observed) []Mended {
			m := host
			m.Odd = "it is a symbolic link"
			return []Mended{m}
		}, refusedBy: []string{"not-a-file"}},
		"what would not start": {change: none, restart: true, files: func(o Observed) []Mended { return []Mended{broken(o)} }, refusedBy: []string{"CFG007"}},
		"a restart would end all containers": {change: func(o *Observed) { o.KillMode = "mixed" }, restart: true,
			files: func(o Observed) []Mended { return []Mended{config(o)} }, refusedBy: []string{"kill-mode"}},
		"and that is wanted": {change: func(o *Observed) { o.KillMode = "mixed" }, restart: true, force: true,
			files: func(o Observed) []Mended { return []Mended{config(o)} }, warned: []string{"kill-mode"}},
		"a file that somebody writes again": {change: none, files: func(Observed) []Mended {
			m := host
			m.Before = append([]byte("# DO NOT EDIT. This file is managed by k3s\n"), m.Before...)
			return []Mended{m}
		}},
	}
	ids := func(all []Notice) (ids []string) {
		for _, n := range all {
			ids = append(ids, n.ID)
		}
		return ids
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := well(c.change)
			files := c.files(o)
			m := ForFix(o, files, Options{Force: c.force, Key: []byte("k")})
			if !slices.Equal(ids(m.Node.Problems), c.refusedBy) || c.warned != nil && !slices.Equal(ids(m.Node.Warnings), c.warned) {
				t.Errorf("problems %v, warnings %v", m.Node.Problems, m.Node.Warnings)
			}
			if len(m.Node.Changes) != len(files) || m.Node.Restart.Needed != c.restart || len(m.Node.Restart.Reasons) == 0 {
				t.Errorf("%d changes, restart %+v", len(m.Node.Changes), m.Node.Restart)
			}
			if m.Node.NothingToDo() != (len(files) == 0) || m.Node.CanApply() != (len(files) > 0 && len(c.refusedBy) == 0) {
				t.Errorf("nothing to do %t, can apply %t", m.Node.NothingToDo(), m.Node.CanApply())
			}
			if again := ForFix(o, files, Options{Force: c.force, Key: []byte("k")}); again.Node.Fingerprint != m.Node.Fingerprint {
				t.Error("another fingerprint for the same")
			}
		})
	}
}

// Whatever is done to the node or to a fix is another plan.
func TestForFixFingerprint(t *testing.T) {
	file := Mended{Path: "/etc/containerd/certs.d/r.lan/hosts.toml", Before: []byte("a"), After: []byte("b"), Mode: 0o644, Rules: []string{"HST003"}}
	seen := map[string]string{}
	for name, change := range map[string]func(*Observed, *Mended){
		"as it is":          func(*Observed, *Mended) {},
		"another file":      func(_ *Observed, m *Mended) { m.Path = "/etc/containerd/certs.d/q.lan/hosts.toml" },
		"another before":    func(_ *Observed, m *Mended) { m.Before = []byte("c") },
		"another after":     func(_ *Observed, m *Mended) { m.After = []byte("c") },
		"another mode":      func(_ *Observed, m *Mended) { m.Mode = 0o600 },
		"made":              func(_ *Observed, m *Mended) { m.Before = nil },
		"read at the start": func(_ *Observed, m *Mended) { m.Restart = true },
		"a host directory":  func(o *Observed, _ *Mended) { o.Hosts = append(o.Hosts, HostDir{Name: "new", Kind: "dir"}) },
		"containerd stops":  func(o *Observed, _ *Mended) { o.Running = false },
	} {
		o, m := observe(t, "1.7.27", memory{"/etc/containerd/config.toml": "version = 2\n"}), file
		change(&o, &m)
		f := ForFix(o, []Mended{m}, Options{Key: []byte("k")}).Node.Fingerprint
		if other := seen[f]; other != "" {
			t.Errorf("%s has the fingerprint of %s", name, other)
		}
		seen[f] = name
	}
}

// What was ours stays ours, what was made is remembered as migrated, and a file that
// is nobody's of ours is not claimed.
func TestForFixManifest(t *testing.T) {
	o := observe(t, "1.7.27", memory{"/etc/containerd/config.toml": "version = 2\n"})
	ours := "/etc/containerd/certs.d/ours.lan/hosts.toml"
	before := []byte("server = \"http://ours.lan\"\n")
	o.Manifest = Manifest{Name: "default", Files: []Owned{{Path: ours, SHA256: sha(before), Mode: 0o644}}}
	o.Hosts = []HostDir{{Name: "ours.lan", Kind: "dir", Files: []HostFile{{Name: "hosts.toml", Mode: 0o644, Data: before}}}}
	m := ForFix(o, []Mended{
		{Path: ours, Before: before, After: []byte("x"), Mode: 0o644, Rules: []string{"HST003"}},
		{Path: "/etc/containerd/certs.d/theirs.lan/hosts.toml", Before: []byte("a"), After: []byte("b"), Mode: 0o644, Rules: []string{"HST003"}},
		{Path: "/etc/containerd/certs.d/made.lan/hosts.toml", After: []byte("b"), Mode: 0o644, Rules: []string{"CFG001"}},
	}, Options{Key: []byte("k")}).Manifest
	var got []string
	for _, f := range m.Files {
		got = append(got, f.Path)
		if f.Path == ours && (f.SHA256 != sha([]byte("x")) || f.Migrated) || strings.Contains(f.Path, "made") && !f.Migrated {
			t.Errorf("%+v", f)
		}
	}
	if want := []string{ours, "/etc/containerd/certs.d/made.lan/hosts.toml"}; !slices.Equal(got, want) || m.Name != "default" {
		t.Errorf("%s: %q, want %q", m.Name, got, want)
	}
	if o.Manifest.Files[0].SHA256 != sha(before) {
		t.Error("the manifest of before was changed")
	}
}
