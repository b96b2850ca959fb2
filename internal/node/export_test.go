package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/secret"
)

func TestExportOfLegacyTables(t *testing.T) {
	x := exporter{release: containerd.Release{Major: 1, Minor: 7, Patch: 35}, out: &protocol.Export{}, registry: configtoml.Registry{
		Mirrors: []configtoml.Mirror{
			{Host: "docker.io", Endpoints: []string{"https://mirror.example.com"}},
			{Host: "192.168.21.9", Endpoints: []string{"http://192.168.21.9"}},
		},
		Configs: []configtoml.HostConfig{
			{Host: "harbor.example.com", TLS: &configtoml.TLS{InsecureSkipVerify: true}},
			{Host: "192.168.21.9", Auth: &configtoml.Auth{Username: "admin", Password: secret.New("p")}},
		},
	}}
	x.legacy()
	x.credentials()
	got := map[string]protocol.ExportRegistry{}
	for _, r := range x.out.Registries {
		r.Source = ""
		got[r.Host] = r
	}
	both := []string{"pull", "resolve"}
	want := map[string]protocol.ExportRegistry{
		"docker.io":          {Host: "docker.io", Fallback: "upstream", Endpoints: []protocol.ExportEndpoint{{URL: "https://mirror.example.com", Capabilities: both}}},
		"192.168.21.9":       {Host: "192.168.21.9", Fallback: "none", Username: "admin", HasPassword: true, Endpoints: []protocol.ExportEndpoint{{URL: "http://192.168.21.9", Capabilities: both}}},
		"harbor.example.com": {Host: "harbor.example.com", Fallback: "none", Endpoints: []protocol.ExportEndpoint{{URL: "https://harbor.example.com", Capabilities: both, InsecureSkipVerify: true}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHostOfDir(t *testing.T) {
	for name, want := range map[string]string{"_default": "*", "docker.io": "docker.io", "h:5000": "h:5000", "h_5000_": "h:5000", hoststoml.DirName("*"): "*"} {
		if got := hostOfDir(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
