package containerd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseArgs(t *testing.T) {
	def := Args{ConfigFile: DefaultConfigFile, Address: DefaultAddress, Root: DefaultRoot, State: DefaultState}
	with := func(change func(*Args)) Args { a := def; change(&a); return a }
	cases := []struct {
		reason, argv string
		want         Args
	}{
		{"nothing said", "containerd", def},
		{"no argv at all", "", def},
		{"short", "containerd -c /x.toml -a /x.sock -l debug", with(func(a *Args) { a.ConfigFile, a.Address, a.LogLevel = "/x.toml", "/x.sock", "debug" })},
		{"long", "containerd --config /x.toml --address /x.sock --root /r --state /s --log-level info", Args{"/x.toml", "/x.sock", "/r", "/s", "info"}},
		{"joined", "containerd --config=/x.toml -c=/y.toml", with(func(a *Args) { a.ConfigFile = "/y.toml" })},
		{"one dash", "containerd -config /x.toml", with(func(a *Args) { a.ConfigFile = "/x.toml" })},
		{"a value with an equals sign", "containerd --config=/a=b.toml", with(func(a *Args) { a.ConfigFile = "/a=b.toml" })},
		{"flags without value between", "containerd --debug -c /x.toml", with(func(a *Args) { a.ConfigFile = "/x.toml" })},
		{"a socket as URL", "containerd --address unix:///x.sock", with(func(a *Args) { a.Address = "/x.sock" })},
		{"no value", "containerd -c", def},
		{"empty value", "containerd --config=", def},
		{"as k3s starts it", "containerd -c /var/lib/rancher/k3s/agent/etc/containerd/config.toml", with(func(a *Args) { a.ConfigFile = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml" })},
	}
	for _, tc := range cases {
		if d := cmp.Diff(tc.want, ParseArgs(strings.Fields(tc.argv))); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.reason, d)
		}
	}
}
