package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/config"
)

func notice(all []Notice, id string) string {
	for _, n := range all {
		if n.ID == id {
			return n.Text
		}
	}
	return ""
}

func TestExposedPathsAreRefused(t *testing.T) {
	o := observe(t, "1.7.35", memory{"/etc/containerd/config.toml": onPath})
	o.Exposed = map[string]string{"/etc/containerd/certs.d": "/srv/certs.d belongs to user 1000"}
	made := Make(o, harbor(), Options{})
	if made.Node.CanApply() || !strings.Contains(notice(made.Node.Problems, "exposed-path"), "belongs to user 1000") {
		t.Errorf("%+v", made.Node.Problems)
	}
	if made = Make(o, harbor(), Options{Force: true}); !made.Node.CanApply() || notice(made.Node.Warnings, "exposed-path") == "" {
		t.Errorf("--force: %+v", made.Node)
	}
}

// A password in config.toml ends in a file that only root reads, or the plan says so.
func TestPasswordsThatOthersCanRead(t *testing.T) {
	const auth = v2cri + ".registry.configs.\"other.example.com\".auth]\n  username = \"u\"\n  password = \"Harbor12345\"\n"
	tokenOnly := harbor()
	tokenOnly.Registries[0].Auth.Accepts = config.AcceptsToken
	for _, tc := range []struct {
		name    string
		text    string
		desired config.Desired
		mode    uint32
		warns   bool
		becomes uint32
	}{
		{"gets a password: 0600 whatever it was", onPath, tokenOnly, 0o644, false, 0o600},
		{"has one of somebody else's and is edited for something else", "version = 2\n" + auth, harbor(), 0o644, true, 0o644},
		{"has one and is edited for one", "version = 2\n" + auth, tokenOnly, 0o644, false, 0o600},
		{"has one and is left alone", onPath + auth, harbor(), 0o640, true, 0},
		{"has one that only root reads", onPath + auth, harbor(), 0o600, false, 0},
		{"has none", onPath, harbor(), 0o644, false, 0},
	} {
		o := observe(t, "1.7.35", memory{"/etc/containerd/config.toml": tc.text})
		o.ConfigModes["/etc/containerd/config.toml"] = tc.mode
		made := Make(o, tc.desired, Options{})
		if got := notice(made.Node.Warnings, "readable-password"); (got != "") != tc.warns || strings.Contains(got, password) {
			t.Errorf("%s: warning %q", tc.name, got)
		}
		i := slices.IndexFunc(made.Node.Changes, func(c Change) bool { return c.Path == "/etc/containerd/config.toml" })
		if becomes := uint32(0); i >= 0 {
			becomes = made.Node.Changes[i].Mode
			if becomes != tc.becomes {
				t.Errorf("%s: mode %04o, want %04o", tc.name, becomes, tc.becomes)
			}
		} else if tc.becomes != 0 {
			t.Errorf("%s: config.toml is left alone: %+v", tc.name, made.Node)
		}
	}
}
