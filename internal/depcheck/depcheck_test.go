// Package depcheck keeps the direction of imports: it holds nothing but this test.
package depcheck

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/pullway/pullway/"

// A ban says that no package of from may reach any package of to, directly or
// through others. Prefixes; "*" stands for every package of this module.
var bans = []struct {
	from, to []string
	reason   string
}{
	{[]string{"api/v1alpha1"}, []string{module + "internal"}, "the specification types are for everybody and know nobody"},
	{[]string{"internal/secret", "internal/inventory", "internal/engine"}, []string{
		module + "internal/config", module + "internal/plan", module + "internal/node", module + "internal/fleet", module + "internal/cli"},
		"leaves know nobody above them"},
	{[]string{"internal/containerd", "internal/plan", "internal/config"}, []string{"net/http", "google.golang.org/grpc", "golang.org/x/crypto/ssh"},
		"what is known of containerd, plans and specifications is pure: it reaches no network"},
	{[]string{"internal/containerd"}, []string{module + "internal/plan", module + "internal/node", module + "internal/cri"},
		"knowledge of containerd does not depend on what is done with it"},
	{[]string{"internal/transport"}, []string{module + "internal/config", module + "internal/plan", module + "internal/protocol", module + "internal/containerd"},
		"the transport carries bytes and knows nothing of registries"},
	{[]string{"internal/fleet"}, []string{module + "internal/transport", module + "internal/report", module + "internal/cli", module + "internal/node"},
		"the rollout drives nodes through its own interface"},
	{[]string{"internal/node", "internal/cri", "internal/daemon"}, []string{module + "internal/fleet", module + "internal/transport", module + "internal/inventory", module + "internal/report"},
		"the engine works on the node it runs on"},
	{[]string{"cmd/pullway-node"}, []string{"k8s.io/client-go", "github.com/spf13/cobra", "golang.org/x/crypto/ssh", "github.com/containerd/containerd/v2", "github.com/google/go-containerregistry", module + "internal/cli"},
		"the engine is uploaded to every node and has to stay small"},
}

func TestImportsPointOneWay(t *testing.T) {
	reach := reachable(t)
	for _, ban := range bans {
		for _, from := range ban.from {
			found := false
			for pkg, deps := range reach {
				if !below(strings.TrimPrefix(pkg, module), from) {
					continue
				}
				found = true
				for _, dep := range deps {
					for _, to := range ban.to {
						if below(dep, to) {
							t.Errorf("%s reaches %s, but %s", pkg, dep, ban.reason)
						}
					}
				}
			}
			if !found {
				t.Errorf("no package %s; the table of bans is out of date", from)
			}
		}
	}
	for pkg, deps := range reach {
		for _, dep := range deps {
			if dep == module+"internal/cli" && pkg != module+"cmd/pullway" && pkg != module+"internal/cli" {
				t.Errorf("%s reaches internal/cli, which only cmd/pullway may import", pkg)
			}
		}
	}
}

func below(path, prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }

// reachable lists for every package of the module all packages it reaches.
func reachable(t *testing.T) map[string][]string {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Deps \" \"}}", module+"api/...", module+"internal/...", module+"cmd/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		all[fields[0]] = fields[1:]
	}
	return all
}
