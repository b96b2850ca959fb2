package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

const certs = "/etc/containerd/certs.d/"

// TestStale: what is Kubespray's and named by no variable is stale; what bears no
// mark of its, is ours, or is named, is not.
func TestStale(t *testing.T) {
	files := memory{}
	first := wired(t, "1.7.35", files, harbor())
	files[certs+"old.example.com/hosts.toml"] = kubesprayToml
	files[certs+"kept.example.com/hosts.toml"] = kubesprayToml
	files[certs+"hand.example.com/hosts.toml"] = "server = \"https://hand.example.com\"\n"
	files[certs+"moved.example.com:5000/hosts.toml"] = kubesprayToml
	files[certs+"moved.example.com_5000_/hosts.toml"] = kubesprayToml
	o := again(t, "1.7.35", files, first)
	kept := Kept(o, OurNames(o.Manifest))
	want := []Stale{
		{certs + "moved.example.com:5000", "the shape of its hosts.toml template", false},
		{certs + "moved.example.com_5000_", "the shape of its hosts.toml template", true},
		{certs + "old.example.com", "the shape of its hosts.toml template", true},
	}
	if diff := cmp.Diff(want, StaleOf(kept, []string{"kept.example.com", "192.168.21.9"})); diff != "" {
		t.Error(diff)
	}
	// A directory that CRI does not run on is stale all the same, and not in use.
	o.Loaded = &Loaded{}
	for _, s := range StaleOf(Kept(o, nil), nil) {
		if s.InUse {
			t.Errorf("%s is in use, and CRI reads no hosts directory", s.Path)
		}
	}
}

// TestLeftByKubespray is the table of what an apply does to a host directory that
// Kubespray wrote and that is not in the spec.
func TestLeftByKubespray(t *testing.T) {
	const old = "old.example.com"
	for _, tc := range []struct {
		name           string
		content, extra string
		named, dropped []string
		way, adopt     bool
		removed        bool
		warns          string
	}{
		{name: "without Kubespray nobody can tell", content: kubesprayToml, adopt: true},
		{name: "named by a variable", content: kubesprayToml, way: true, adopt: true, named: []string{old}},
		{name: "named by none", content: kubesprayToml, way: true, named: []string{}, warns: "pulls still use it"},
		{name: "named by none, and to be adopted", content: kubesprayToml, way: true, adopt: true, named: []string{}, removed: true},
		{name: "an entry of ours, dropped now", content: kubesprayToml, way: true, named: []string{}, dropped: []string{old}, removed: true},
		{name: "dropped, the others not told", content: kubesprayToml, way: true, dropped: []string{old}, removed: true},
		{name: "the variables cannot be told", content: kubesprayToml, way: true, adopt: true},
		{name: "somebody else's", content: "server = \"https://old.example.com\"\n", way: true, adopt: true, named: []string{}, dropped: []string{old}},
		{name: "with more in it", content: kubesprayToml, extra: "ca.crt", way: true, adopt: true, named: []string{}, warns: "more than its hosts.toml"},
		{name: "dropped, with more in it", content: kubesprayToml, extra: "ca.crt", way: true, dropped: []string{old}, warns: "more than its hosts.toml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := memory{rootFile: onPath, certs + old + "/hosts.toml": tc.content}
			if tc.extra != "" {
				files[certs+old+"/"+tc.extra] = "x"
			}
			opt := Options{Key: []byte("k"), Adopt: tc.adopt}
			if tc.way {
				opt.Kubespray = &Kubespray{Template: hoststoml.Template{Server: true, OverridePath: true, Header: true}, HostsDir: strings.TrimSuffix(certs, "/"), Named: tc.named, Dropped: tc.dropped}
			}
			m := Make(observe(t, "1.7.35", files), harbor(), opt)
			var removed, kept bool
			for i, c := range m.Node.Changes {
				if c.Path == certs+old+"/hosts.toml" {
					removed = c.Action == Delete && i == len(m.Node.Changes)-1 && c.Diff != "" && c.Before != ""
				}
			}
			for _, f := range m.Node.Foreign {
				kept = kept || f.Path == certs+old
			}
			if removed != tc.removed || kept == tc.removed {
				t.Errorf("removed %v, told as kept %v", removed, kept)
			}
			if got := notice(m.Node.Warnings, "stale-host-directory"); (got != "") != (tc.warns != "") || !strings.Contains(got, tc.warns) {
				t.Errorf("warning %q", got)
			}
		})
	}
}

// TestNamedTravels: no names, and names that cannot be told, are two things on
// their way to the node, too.
func TestNamedTravels(t *testing.T) {
	for _, named := range [][]string{nil, {}, {"docker.io"}} {
		b, err := json.Marshal(Kubespray{Named: named})
		if err != nil {
			t.Fatal(err)
		}
		var k Kubespray
		if err := json.Unmarshal(b, &k); err != nil || (k.Named == nil) != (named == nil) || len(k.Named) != len(named) {
			t.Errorf("%s: %v %v", b, k.Named, err)
		}
	}
}
