package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/plan"
)

// FuzzPlanFile: whatever stands in the file given by --plan, it lets a run through
// only when it holds the very fingerprint of each node's plan of now.
func FuzzPlanFile(f *testing.F) {
	const good = `{"schema":"pullway.dev/plan/v1","name":"default","specDigest":"digest","nodes":[{"name":"node1","plan":{"fingerprint":"f1"}},{"name":"node2","plan":{"fingerprint":"f2"}}]}`
	for _, s := range []string{good, strings.Replace(good, "f2", "", 1), `{"schema":"pullway.dev/plan/v1","specDigest":"digest","nodes":null}`, "", "null", "\x1b[2J",
		strings.Replace(good, `{"name":"node1"`, `{"name":"node1","plan":{"fingerprint":"x"}},{"name":"node1"`, 1), strings.Replace(good, `"name":"node2"`, `"Name":"node2","NAME":"node1"`, 1)} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "plan.json")
	now := []fleet.Planned{{Target: fleet.Target{Name: "node1"}, Plan: &plan.Node{Fingerprint: "f1"}}, {Target: fleet.Target{Name: "node2"}, Plan: &plan.Node{Fingerprint: "f2"}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		err := matchPlan(path, &config.Loaded{Digest: "digest"}, now)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("not one line: %q", err)
			}
			return
		}
		for _, must := range []string{"f1", "f2", "digest", "node1", "node2"} {
			if !strings.Contains(string(b), must) && !strings.Contains(string(b), `\u`) {
				t.Fatalf("let through without %q: %q", must, b)
			}
		}
	})
}
