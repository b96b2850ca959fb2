package kubespray

import (
	"strings"
	"testing"
)

// What stays in the inventory can undo what is written into it: the guide's list
// stops the play of 2.18.1 to 2.22, and in 2.18.0 it declares the same table of
// config.toml a second time.
func TestStanding(t *testing.T) {
	const clear = "containerd_registry_auth:\n  - registry: other.example.com\n    username: u\n    password: 'a\"b'\n"
	for _, c := range []struct {
		name, version, vars string
		want, at            string // in the only problem; "" for none
	}{
		{"the guide", "2.18.0", guide, "breaks the node", "containerd.yml:4: "},
		{"the guide", "2.20", guide, "fails the play", "containerd.yml:3: "},
		{"the guide", "2.21", guide, "fails the play", "containerd.yml:3: "},
		{"the guide", "2.22", guide, "fails the play", "containerd.yml:3: "},
		{"the guide", "2.23", guide, "", ""},
		{"the guide", "2.31", guide, "", ""},
		{"their list, empty before", "2.31", "containerd_registries_mirrors: []\n", "", ""},
		{"their list, null before", "2.31", "containerd_registries_mirrors:\n", "", ""},
		{"a mirror of theirs that fails", "2.31", "containerd_registries_mirrors:\n  - prefix: a\n    mirrors:\n      - host: https://a\n", "fails the play", "containerd.yml:4: "},
		{"a password of theirs that breaks", "2.27", clear, "breaks the node", "containerd.yml:4: "},
		{"the same where nothing reads it", "2.31", clear, "", ""},
	} {
		inventory := inventoryOf(t, map[string]string{"group_vars/all/containerd.yml": c.vars})
		p := profile(t, c.version)
		changes, err := write(t, inventory, p, xor)
		if err != nil {
			t.Errorf("%s, %s: %v", c.name, c.version, err)
			continue
		}
		got, err := Standing(p, inventory, changes)
		switch {
		case err != nil:
			t.Errorf("%s, %s: %v", c.name, c.version, err)
		case c.want == "" && len(got) > 0, c.want != "" && (len(got) != 1 || !strings.Contains(got[0].Text, c.want) || !strings.Contains(got[0].Text, c.at) || strings.Contains(got[0].Text, "\n") || got[0].Hint == ""):
			t.Errorf("%s, %s: %+v, want %q at %q", c.name, c.version, got, c.want, c.at)
		}
	}
}
