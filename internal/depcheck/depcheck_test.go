// Package depcheck keeps the direction of imports: it holds nothing but this test.
package depcheck

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/pullway/pullway/"

// A ban says that no package of from may reach any package of to, directly or
// through others, but for those below the same prefix. Prefixes; "*" stands for
// every package of this module.
var bans = []struct {
	from, to []string
	reason   string
}{
	{[]string{"api/v1alpha1"}, []string{module + "internal"}, "the specification types are for everybody and know nobody"},
	{[]string{"internal/secret", "internal/inventory", "internal/engine", "internal/terminal"}, []string{
		module + "internal/config", module + "internal/plan", module + "internal/node", module + "internal/fleet", module + "internal/cli"},
		"leaves know nobody above them"},
	{[]string{"internal/containerd", "internal/plan", "internal/config"}, []string{"net/http", "google.golang.org/grpc", "golang.org/x/crypto/ssh"},
		"what is known of containerd, plans and specifications is pure: it reaches no network"},
	{[]string{"internal/doctor"}, []string{"net/http", "google.golang.org/grpc", module + "internal/node", module + "internal/cri", module + "internal/daemon", module + "internal/fleet", module + "internal/report"},
		"doctor reads files and asks nobody; views are somebody else's"},
	{[]string{"internal/containerd"}, []string{module + "internal/plan", module + "internal/node", module + "internal/cri"},
		"knowledge of containerd does not depend on what is done with it"},
	{[]string{"internal/transport"}, []string{module + "internal/config", module + "internal/plan", module + "internal/protocol", module + "internal/containerd"},
		"the transport carries bytes and knows nothing of registries"},
	{[]string{"internal/fleet"}, []string{module + "internal/transport", module + "internal/report", module + "internal/cli", module + "internal/node", module + "internal/kube", "k8s.io/client-go"},
		"the rollout drives nodes, and asks its gate, through its own interfaces"},
	{[]string{"internal/kubespray"}, []string{module + "internal/fleet", module + "internal/node", module + "internal/transport", module + "internal/report"},
		"what is known of Kubespray, and how its playbook is run, does not depend on the rollout that plays it"},
	{[]string{"internal/kube"}, []string{module + "internal", "k8s.io/client-go/kubernetes"},
		"what Kubernetes says of a node is a leaf; the clientset of all its groups would double the size of the program"},
	{[]string{"internal/impact"}, []string{"net/http", "google.golang.org/grpc", "k8s.io", module + "internal/kube", module + "internal/census", module + "internal/report", module + "internal/registry"},
		"who is hurt is decided by values: it reads no cluster and asks no registry"},
	{[]string{"internal/trace"}, []string{"net/http", "google.golang.org/grpc", module + "internal/registry", module + "internal/node", module + "internal/protocol", module + "internal/report"},
		"where a pull goes is decided by files and answers: it asks no host"},
	{[]string{"internal/census"}, []string{module + "internal/report", module + "internal/registry", module + "internal/fleet", module + "internal/protocol", "k8s.io/client-go/kubernetes", "k8s.io/client-go/informers"},
		"the census reads a cluster and judges nothing; it neither caches nor decodes whole objects"},
	{[]string{"internal/pullpolicy"}, []string{"k8s.io/client-go", module + "internal/kube", module + "internal/fleet", module + "internal/report", module + "internal/cli"},
		"what is changed of a pull policy is decided on values; the cluster is reached through its own interface"},
	{[]string{"internal/node", "internal/cri", "internal/daemon"}, []string{module + "internal/fleet", module + "internal/transport", module + "internal/inventory", module + "internal/report"},
		"the engine works on the node it runs on"},
	{[]string{"cmd/pullway-node"}, []string{"k8s.io/client-go", "github.com/spf13/cobra", "golang.org/x/crypto/ssh", "github.com/containerd/containerd/v2", "github.com/google/go-containerregistry", module + "internal/cli", module + "internal/kube", module + "internal/impact", module + "internal/census", "k8s.io/apimachinery", "k8s.io/api"},
		"the engine is uploaded to every node and has to stay small"},
	{[]string{"cmd"}, []string{module + "internal/failpoint/script"}, "only an engine that a test builds with the tag failpoints can be told to strike itself"},
	{[]string{"internal/failpoint"}, []string{module + "internal/node", module + "internal/daemon", module + "internal/cri"}, "leaves know nobody above them"},
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
						if below(dep, to) && !below(strings.TrimPrefix(dep, module), from) {
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
