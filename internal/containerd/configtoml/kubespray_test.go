package configtoml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/secret"
)

const kubesprayHead = "version = 2\n\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    sandbox_image = \"p\"\n" + kubesprayHeader + "\n"

// Every case was compared with what the real template renders; test/kubespray
// does so again where the trees are at hand.
func TestChangeAsKubespray(t *testing.T) {
	auth := func(host, value string) string {
		return `      [plugins."io.containerd.grpc.v1.cri".registry.configs."` + host + "\".auth]\n        " + value + "\n"
	}
	const path = "      config_path = \"/etc/containerd/certs.d\"\n"
	const mirrors = "      [plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors]\n        [plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\n          endpoint = [\"https://registry-1.docker.io\"]\n"
	want := Wanted{ConfigPath: "/etc/containerd/certs.d", DropMirrors: true, DropTLS: true, AsKubespray: true,
		SetConfigAuth: []HostAuth{{"h", "u", secret.New("p")}}}
	const tail = "\n  [plugins.\"io.containerd.nri.v1.nri\"]\n    disable = false\n"
	cases := []struct{ name, before, after string }{
		{"a credential is added", path + tail, path + auth("h", `auth = "dTpw"`) + tail},
		{"behind others", path + auth("a", `auth = "eHl6"`) + tail, path + auth("a", `auth = "eHl6"`) + auth("h", `auth = "dTpw"`) + tail},
		{"in its place", path + auth("h", `auth = "b2xk"`) + auth("a", "password = \"x\"\n        username = \"y\"") + tail,
			path + auth("h", `auth = "dTpw"`) + auth("a", "password = \"x\"\n        username = \"y\"") + tail},
		{"config_path in place of mirrors", mirrors + tail, path + auth("h", `auth = "dTpw"`) + tail},
	}
	for _, c := range cases {
		tr := load(t, files{root: kubesprayHead + c.before}, "1.7.35")
		changes, err := Change(tr, want)
		if err != nil || len(changes) != 1 {
			t.Errorf("%s: %d changes, %v", c.name, len(changes), err)
			continue
		}
		if d := cmp.Diff(kubesprayHead+c.after, string(changes[0].After)); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
		again := load(t, files{root: string(changes[0].After)}, "1.7.35")
		if changes, err := Change(again, want); err != nil || len(changes) > 0 {
			t.Errorf("%s: a second time %d changes, %v", c.name, len(changes), err)
		}
	}
}

// A file of somebody else's is edited as always.
func TestChangeAsKubesprayLeavesOtherFiles(t *testing.T) {
	for _, text := range []string{"version = 2\n", kubesprayHead + "      # mine\n      config_path = \"/x\"\n", kubesprayHead + "      config_path = \"/x\"\n      other = 1\n"} {
		if _, ok := asKubespray([]byte(text), Wanted{ConfigPath: "/c"}); ok {
			t.Errorf("taken for Kubespray's:\n%s", text)
		}
		tr := load(t, files{root: text}, "1.7.35")
		changes, err := Change(tr, Wanted{ConfigPath: "/c", AsKubespray: true})
		if err != nil || len(changes) != 1 || !strings.Contains(string(changes[0].After), `"/c"`) {
			t.Errorf("%d changes, %v", len(changes), err)
		}
	}
}
