//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/test/lab"
)

// legacy is how clusters were wired before host directories: mirrors, tls and
// auth tables, with a setting of its own beside them.
func legacy(release string) string {
	table := "plugins.\"" + criTable(release) + "\".registry"
	return lab.DefaultContainerdConfig(release) + fmt.Sprintf(`
[%[1]s.mirrors."192.168.21.9"]
  endpoint = ["http://192.168.21.9"]
[%[1]s.mirrors."harbor.example.com"]
  endpoint = ["https://harbor.example.com"]
[%[1]s.configs."192.168.21.9".auth]
  username = "admin"
  password = "Harbor12345"
[%[1]s.configs."harbor.example.com".tls]
  insecure_skip_verify = true
[%[1]s.configs."harbor.example.com".auth]
  username = "admin"
  password = "Harbor12345"

[debug]
  level = "info" # kept
`, table)
}

const tlsImage = "harbor.example.com/team/app:v1"

// legacyImages are those that a node can pull before anything is changed:
// containerd 2.x ignores tls tables, so there the second registry is of no use.
func legacyImages(n *lab.Node) []string {
	if strings.HasPrefix(n.Spec.Containerd, "2.") {
		return []string{appImage}
	}
	return []string{appImage, tlsImage}
}

var registryTable = regexp.MustCompile(`(?m)^\s*\[plugins\..*registry(\.[^]]*)?\]\n(^\s*[^\[\s].*\n|^\s*\n)*`)

// withoutRegistries is what containerd makes of its configuration, but for registries.
func withoutRegistries(t *testing.T, n *lab.Node) string {
	t.Helper()
	return registryTable.ReplaceAllString(sh(t, n, "containerd --config "+configFile+" config dump 2>/dev/null"), "")
}

// TestLegacy: a node of the deprecated tables pulls from all its registries
// afterwards, and nothing else of it has changed.
func TestLegacy(t *testing.T) {
	t.Parallel()
	var nodes []lab.NodeSpec
	for i, r := range releases() {
		nodes = append(nodes, lab.NodeSpec{Name: fmt.Sprintf("node%d", i+1), Containerd: r, Config: legacy(r)})
	}
	l := up(t, nodes...)
	o := newOperator(t, l)
	dumps := map[string]string{}
	for _, n := range l.Nodes() {
		for _, ref := range legacyImages(n) {
			if err := pull(t, n, ref); err != nil {
				t.Errorf("%s before: %v", n.Name, err)
			}
		}
		dumps[n.Name] = withoutRegistries(t, n)
		if strings.Contains(dumps[n.Name], "192.168.21.9") || len(dumps[n.Name]) < 500 {
			t.Fatalf("%s: not what was meant to be compared: %s", n.Name, head(dumps[n.Name]))
		}
	}
	was := calmly(t, l)

	// Import says what is there, without its secrets.
	files := filepath.Join(o.dir, "files")
	imported := o.must(0, "import", "--from", "node", "--limit", "node2", "--files", files)
	if strings.Contains(imported.out+imported.err, "Harbor12345") {
		t.Errorf("the password is told: %s", imported)
	}
	o.env["PULLWAY_PASSWORD_192_168_21_9"], o.env["PULLWAY_PASSWORD_HARBOR_EXAMPLE_COM"] = "Harbor12345", "Harbor12345"
	file := o.file("imported.yaml", imported.out)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := o.plan(0, file)
	if p.Summary.Change != 4 || p.Summary.Refused+p.Summary.Failed != 0 {
		t.Errorf("plan of what was imported: %+v\n%s", p.Summary, text)
	}

	// A specification of the one registry keeps the other.
	for name, file := range map[string]string{
		"one of the two": o.file("one.yaml", strings.ReplaceAll(spec(harbor, image), "robot$nodes", "admin")),
		"as imported":    file,
	} {
		t.Run(name, func(t *testing.T) {
			o.env["HARBOR_PASSWORD"] = "Harbor12345"
			run := o.apply(0, file, "--no-proof")
			for _, n := range l.Nodes() {
				for _, ref := range legacyImages(n) {
					if err := pull(t, n, ref); err != nil {
						t.Errorf("%s: %s: %v", n.Name, ref, err)
					}
				}
				if d := cmp.Diff(dumps[n.Name], withoutRegistries(t, n)); d != "" {
					t.Errorf("%s: settings beside the registries differ (-before +after):\n%s", n.Name, d)
				}
				if out := sh(t, n, "grep -c 'registry.mirrors' "+configFile+"; grep -c '# kept' "+configFile+"; true"); out != "0\n1\n" {
					t.Errorf("%s: mirrors tables and kept comments: %q", n.Name, out)
				}
			}
			o.rollback(0, run.ID)
			was.asBefore()
		})
	}
}
