package kubespray

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/config"
)

const twoNamed = `containerd_registries_mirrors:
  - prefix: old.example.com  # pullway
    mirrors: [{host: "https://old.example.com", capabilities: [pull]}]
  - prefix: quay.io
    mirrors: []
`

func TestNamed(t *testing.T) {
	for _, tc := range []struct {
		name, version, vars string
		want                []string
		why                 string
	}{
		{"nothing set", "2.31", "", []string{"docker.io"}, ""},
		{"two", "2.31", twoNamed, []string{"old.example.com", "quay.io"}, ""},
		{"an empty list", "2.31", VarMirrors + ": []\n", []string{}, ""},
		{"null", "2.31", VarMirrors + ":\n", nil, "containerd.yml:1"},
		{"a template", "2.31", VarMirrors + ": \"{{ mine }}\"\n", nil, "not written out"},
		{"a template in a name", "2.31", VarMirrors + ":\n  - prefix: \"{{ addr }}\"\n    mirrors: []\n", nil, "no plain name"},
		{"an entry without a name", "2.31", VarMirrors + ":\n  - mirrors: []\n", nil, "no plain name"},
		{"the switch is off", "2.26", twoNamed, []string{}, ""},
		{"the switch is on", "2.26", twoNamed + "containerd_use_config_path: true\n", []string{"old.example.com", "quay.io"}, ""},
		{"before there were host directories", "2.20", "containerd_registries: {a: b}\n", []string{}, ""},
		{"insecure entries of 2.22", "2.22", "containerd_use_config_path: true\ncontainerd_insecure_registries: {\"192.168.21.9\": \"http://192.168.21.9\"}\n", []string{"192.168.21.9"}, ""},
		{"an encrypted file", "2.31", "$ANSIBLE_VAULT;1.1;AES256\n6161\n", nil, "encrypted as a whole"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, err := Read(inventoryOf(t, map[string]string{"group_vars/all/containerd.yml": tc.vars}))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Named(profile(t, tc.version), v, v.Nodes[0])
			if (err != nil) != (tc.why != "") || err != nil && !strings.Contains(err.Error(), tc.why) {
				t.Fatalf("%v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAfter: entries of ours that the spec has no more are dropped, others stay named.
func TestAfter(t *testing.T) {
	for _, tc := range []struct {
		name, version, vars string
		named, dropped      []string
	}{
		{"for the first time", "2.31", "", []string{"192.168.21.9", "docker.io"}, nil},
		{"beside others", "2.31", twoNamed, []string{"192.168.21.9", "quay.io"}, []string{"old.example.com"}},
		{"the switch is turned on", "2.26", twoNamed, []string{"192.168.21.9", "quay.io"}, []string{"old.example.com"}},
		{"a template beside them", "2.31", twoNamed + "  - prefix: \"{{ x }}\"\n    mirrors: []\n", nil, []string{"old.example.com"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := profile(t, tc.version)
			v, err := Read(inventoryOf(t, map[string]string{"group_vars/all/containerd.yml": tc.vars}))
			if err != nil {
				t.Fatal(err)
			}
			target, err := TargetOf(p, v)
			if err != nil {
				t.Fatal(err)
			}
			d := config.Desired{Registries: harbor().Registries[:1]}
			named, dropped := After(p, v, Render(p, d, target))
			if diff := cmp.Diff(tc.named, named); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.dropped, dropped); diff != "" {
				t.Error(diff)
			}
		})
	}
}
