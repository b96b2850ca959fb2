package plan

import (
	"strings"
	"testing"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/secret"
)

// kubesprays is a config.toml as Kubespray's template for containerd 1.x writes it.
const kubesprays = `version = 2
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "registry.k8s.io/pause:3.9"
    [plugins."io.containerd.grpc.v1.cri".registry]
      [plugins."io.containerd.grpc.v1.cri".registry.mirrors]
        [plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]
          endpoint = ["https://registry-1.docker.io"]

`

// TestAsKubespray: with Kubespray's way of writing, both files have the bytes and
// the modes of its templates, and what it wrote beside its tables stays.
func TestAsKubespray(t *testing.T) {
	const dockerHosts = "server = \"https://docker.io\"\n"
	o := observe(t, "1.7.27", memory{"/etc/containerd/config.toml": kubesprays, "/etc/containerd/certs.d/docker.io/hosts.toml": dockerHosts})
	o.ConfigModes["/etc/containerd/config.toml"] = 0o640
	d := config.Desired{Registries: []config.Registry{{Host: "192.168.21.9", Fallback: v1alpha1.FallbackNone,
		Endpoints: []config.Endpoint{{URL: "http://192.168.21.9", Capabilities: []string{"pull", "resolve"}}},
		Auth:      &config.Auth{Username: "u", Password: secret.New(password), Delivery: v1alpha1.DeliveryCRI}}}}
	way := &Kubespray{Template: hoststoml.Template{OverridePath: true, Server: true}, HostsDir: "/etc/containerd/certs.d"}
	n := Make(o, d, Options{Kubespray: way, Key: []byte("k")}).Node
	if len(n.Problems) != 0 || len(n.Warnings) != 2 || n.Warnings[0].ID != "HST003" || n.Warnings[1].ID != "wakes-host-directories" || len(n.Changes) != 2 {
		t.Fatalf("problems %v, warnings %v, %d changes", n.Problems, n.Warnings, len(n.Changes))
	}
	for _, c := range n.Changes {
		if c.Mode != 0o640 {
			t.Errorf("%s has mode %04o, Kubespray gives 0640", c.Path, c.Mode)
		}
	}
	if got, want := string(n.Changes[0].Content), "server = \"http://192.168.21.9\"\n[host.\"http://192.168.21.9\"]\n  capabilities = [\"pull\",\"resolve\"]\n  skip_verify = false\n  override_path = false\n"; got != want {
		t.Errorf("hosts.toml:\n%s", got)
	}
	if got := string(n.Changes[1].Content); !strings.Contains(got, "    [plugins.\"io.containerd.grpc.v1.cri\".registry]\n      config_path = \"/etc/containerd/certs.d\"\n      [plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"192.168.21.9\".auth]\n        auth = ") ||
		strings.Contains(got, "mirrors") {
		t.Errorf("config.toml:\n%s", got)
	}

	own := Make(o, d, Options{Key: []byte("k")}).Node
	if len(own.Problems) == 0 || own.Fingerprint == n.Fingerprint {
		t.Errorf("the way of writing is not in the plan: %v", own.Problems)
	}
	way.HostsDir = "/opt/containerd/certs.d"
	if n := Make(o, d, Options{Kubespray: way}).Node; len(n.Problems) != 1 || n.Problems[0].ID != "kubespray-elsewhere" {
		t.Errorf("a Kubespray that writes elsewhere: %v", n.Problems)
	}
}
