//go:build e2e

package e2e

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/registry"
)

// full has the tests that take a sample take everything, as make e2e-full does.
func full() bool { return os.Getenv("PULLWAY_E2E") == "full" }

// releases that every journey is made on.
func releases() []string { return append(lab.Releases(), "2.2.3") }

// up makes a lab for one test.
func up(t *testing.T, nodes ...lab.NodeSpec) *lab.Lab {
	t.Helper()
	return upWith(t, lab.Config{Nodes: nodes})
}

// upWith is up for a lab with more than nodes.
func upWith(t *testing.T, cfg lab.Config) *lab.Lab {
	t.Helper()
	dir, err := os.MkdirTemp("", "pullway-e2e-lab-")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	cfg.Dir = filepath.Join(dir, "lab")
	l, err := lab.Up(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return l
}

// oneOfEach is a node for each release.
func oneOfEach() []lab.NodeSpec { return lab.Cycle(len(releases()), releases()...) }

type tree = map[string]lab.Entry

// etc is all that containerd's configuration consists of.
func etc(t *testing.T, n *lab.Node) tree {
	t.Helper()
	tr, err := n.Tree("/etc/containerd")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func allEtc(t *testing.T, l *lab.Lab) map[string]tree {
	t.Helper()
	all := map[string]tree{}
	for _, n := range l.Nodes() {
		all[n.Name] = etc(t, n)
	}
	return all
}

// unchanged fails when a node's files are not what they were.
func unchanged(t *testing.T, when string, before, after any) {
	t.Helper()
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("%s: /etc/containerd differs (-before +after):\n%s", when, d)
	}
}

// pids of containerd by node: the same number means that it was not restarted.
func pids(t *testing.T, l *lab.Lab) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, n := range l.Nodes() {
		pid, err := n.ContainerdPID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all[n.Name] = pid
	}
	return all
}

// pull pulls an image as kubelet does, for the first time as far as the node knows.
func pull(t *testing.T, n *lab.Node, ref string) error {
	t.Helper()
	if err := n.CRIRemove(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	_, err := n.CRIPull(t.Context(), ref)
	return err
}

// served counts the requests of a node that a registry answered well to a user.
func served(t *testing.T, r *lab.Registry, n *lab.Node, user string) (good int) {
	t.Helper()
	for _, e := range entries(t, r) {
		if e.Remote == n.Addr.String() && e.Status == 200 && e.User == user && strings.HasPrefix(e.UserAgent, "containerd/") {
			good++
		}
	}
	return good
}

func entries(t *testing.T, r *lab.Registry) []registry.Entry {
	t.Helper()
	all, err := r.Log()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// clean fails when something of a run is left on a node that should not be.
func clean(t *testing.T, n *lab.Node) {
	t.Helper()
	out, err := n.Exec(t.Context(), `find /etc/containerd /var/lib/pullway \( -name '*.pullway-*' -o -name '.pullway-*' -o -name '*.invalid' -o -name 'journal*' \) -print 2>/dev/null; true`)
	if err != nil {
		t.Fatal(err)
	}
	if out != "" {
		t.Errorf("%s: left behind: %s", n.Name, out)
	}
}

// healthy fails when CRI does not answer.
func healthy(t *testing.T, n *lab.Node) {
	t.Helper()
	if _, err := n.CRIVersion(t.Context()); err != nil {
		t.Errorf("%s: CRI: %v", n.Name, err)
	}
}

// node of a run's record by name.
func node(t *testing.T, r fleet.Run, name string) fleet.NodeRun {
	t.Helper()
	for _, n := range r.Nodes {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("the record of run %s does not have node %s", r.ID, name)
	return fleet.NodeRun{}
}

// phases of a run's nodes, for comparing.
func phases(r fleet.Run) string {
	var all []string
	for _, n := range r.Nodes {
		all = append(all, fmt.Sprintf("%s=%s", n.Name, n.Phase))
	}
	return strings.Join(all, " ")
}
