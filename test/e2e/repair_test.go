//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/test/lab"
)

// criTable is the table that holds the registry settings of a release.
func criTable(release string) string {
	if strings.HasPrefix(release, "2.") {
		return "io.containerd.cri.v1.images"
	}
	return "io.containerd.grpc.v1.cri"
}

// with is a cluster installer's config.toml with more lines in the registry table.
func with(release, lines string) string {
	return lab.DefaultContainerdConfig(release) + "\n[plugins.\"" + criTable(release) + "\".registry]\n" + lines
}

// TestRepair applies to nodes that start out wrong, and rolls back.
func TestRepair(t *testing.T) {
	t.Parallel()
	starts := []struct {
		name   string
		reason string
		spec   func(release string) lab.NodeSpec
	}{
		{"mirrors-beside-config-path", "CRI does not load: the usual half-done migration", func(r string) lab.NodeSpec {
			return lab.NodeSpec{CRIDown: true, Config: with(r, "config_path = \"/etc/containerd/certs.d\"\n"+
				"[plugins.\""+criTable(r)+"\".registry.mirrors.\"192.168.21.9\"]\nendpoint = [\"http://192.168.21.9\"]\n")}
		}},
		{"two-directories", "containerd reads neither, or only some of them", func(r string) lab.NodeSpec {
			return lab.NodeSpec{Config: with(r, "config_path = \"/etc/containerd/certs.d:/etc/docker/certs.d\"\n")}
		}},
		{"no-file", "containerd runs on its defaults", func(string) lab.NodeSpec { return lab.NodeSpec{NoConfig: true} }},
		{"comment-only", "an emptied file", func(string) lab.NodeSpec { return lab.NodeSpec{Config: "\n"} }},
	}
	for _, start := range starts {
		t.Run(start.name, func(t *testing.T) {
			var nodes []lab.NodeSpec
			for i, r := range releases() {
				s := start.spec(r)
				s.Name, s.Containerd = "node"+string(rune('1'+i)), r
				nodes = append(nodes, s)
			}
			l := up(t, nodes...)
			o, r := newOperator(t, l), l.Registry(lab.Harbor)
			file := o.file("pullway.yaml", spec(harbor, image))
			before := allEtc(t, l)
			run := o.apply(0, file)
			if run.Outcome != fleet.Done {
				t.Errorf("apply: %s: %s", run.Outcome, phases(run))
			}
			for _, n := range l.Nodes() {
				healthy(t, n)
				clean(t, n)
				if served(t, r, n, robot) == 0 {
					t.Errorf("%s: the registry did not see it with its credential", n.Name)
				}
				if err := pull(t, n, appImage); err != nil {
					t.Errorf("%s: %v", n.Name, err)
				}
			}
			if again := o.apply(0, file); again.Outcome != fleet.NothingToDo {
				t.Errorf("second apply: %s: %s", again.Outcome, phases(again))
			}
			if nodes[0].CRIDown {
				// To break CRI again takes a word more.
				wired := allEtc(t, l)
				o.rollback(1, "last")
				unchanged(t, "refused rollback", wired, allEtc(t, l))
				o.rollback(0, run.ID, "--force")
			} else {
				o.rollback(0, "last")
			}
			unchanged(t, "rollback", before, allEtc(t, l))
		})
	}
}
