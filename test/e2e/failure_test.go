//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/test/lab"
)

// calm is what every failure owes: a code, one clear line with a hint, and nodes
// as they were.
type calm struct {
	t       *testing.T
	lab     *lab.Lab
	before  map[string]tree
	running map[string]int
}

func calmly(t *testing.T, l *lab.Lab) calm {
	t.Helper()
	return calm{t, l, allEtc(t, l), pids(t, l)}
}

// asBefore checks files, CRI and leftovers of every node that has a containerd.
func (c calm) asBefore() {
	c.t.Helper()
	unchanged(c.t, "afterwards", c.before, allEtc(c.t, c.lab))
	for _, n := range c.lab.Nodes() {
		clean(c.t, n)
		if n.Spec.Containerd != "" && !n.Spec.CRIDown {
			healthy(c.t, n)
		}
	}
}

// untouched is asBefore without any restart.
func (c calm) untouched() {
	c.t.Helper()
	c.asBefore()
	now := pids(c.t, c.lab)
	for name, pid := range c.running {
		if now[name] != pid {
			c.t.Errorf("%s: containerd was restarted", name)
		}
	}
}

// says fails unless one line of the command's words holds all the parts, and the
// words hold a hint.
func says(t *testing.T, r result, parts ...string) {
	t.Helper()
	all := r.err + r.out
	if strings.Contains(all, "panic") || strings.Contains(all, "goroutine ") {
		t.Errorf("a panic: %s", r)
	}
	if !strings.Contains(all, "hint:") {
		t.Errorf("no hint: %s", r)
	}
	for _, line := range strings.Split(all, "\n") {
		missing := false
		for _, p := range parts {
			missing = missing || !strings.Contains(strings.ToLower(line), strings.ToLower(p))
		}
		if !missing {
			if len(line) > 400 {
				t.Errorf("a line of %d bytes: %s", len(line), line)
			}
			return
		}
	}
	t.Errorf("no line says %q: %s", parts, r)
}

// logins counts how often somebody came in by SSH.
func logins(t *testing.T, l *lab.Lab) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, n := range l.Nodes() {
		out, err := n.Exec(t.Context(), "journalctl -q --no-pager | grep -c 'Accepted publickey'; true")
		if err != nil {
			t.Fatal(err)
		}
		all[n.Name] = out
	}
	return all
}

// TestRegistryFailures: what the registry does wrong stops before any node is
// touched, or at the canary.
func TestRegistryFailures(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	r := l.Registry(lab.Harbor)
	cases := []struct {
		name  string
		spec  string
		env   string
		flags []string
		down  bool
		code  int
		says  []string
	}{
		{name: "wrong password", spec: spec(harbor, image), env: "wrong", code: 1, says: []string{"http://192.168.21.9", "refuses the user name or password"}},
		{name: "wrong password found by the canary", spec: spec(harbor, image), env: "wrong", flags: []string{"--no-preflight"}, code: 4, says: []string{image, "authorization failed"}},
		{name: "missing image", spec: spec(harbor, "192.168.21.9/library/none:v1"), code: 1, says: []string{"library/none"}},
		{name: "missing image found by the canary", spec: spec(harbor, "192.168.21.9/library/none:v1"), flags: []string{"--no-preflight"}, code: 4, says: []string{"library/none"}},
		{name: "registry away", spec: spec(harbor, image), down: true, code: 4, says: []string{"refused"}},
		{name: "https asked of http", spec: spec("    - host: 192.168.21.9\n      endpoints:\n        - url: https://192.168.21.9:80\n", image), code: 1, says: []string{"http"}},
		{name: "http asked of https", spec: spec("    - host: harbor.example.com\n      endpoints:\n        - url: http://harbor.example.com:443\n      auth: {username: robot$nodes, password: {env: HARBOR_PASSWORD}}\n", "harbor.example.com/library/test-image:latest"), code: 1, says: []string{"https"}},
		{name: "unknown authority", spec: spec("    - host: harbor.example.com\n      auth: {username: robot$nodes, password: {env: HARBOR_PASSWORD}}\n", "harbor.example.com/library/test-image:latest"), code: 1, says: []string{"certificate"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o, was, seen := newOperator(t, l), calmly(t, l), logins(t, l)
			if c.env != "" {
				o.env["HARBOR_PASSWORD"] = c.env
			}
			if c.down {
				if err := r.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := r.Start(t.Context()); err != nil {
						t.Fatal(err)
					}
				}()
			}
			got := o.must(c.code, "apply", append([]string{"-f", o.file("spec.yaml", c.spec), "--yes"}, c.flags...)...)
			says(t, got, c.says...)
			if c.code == 1 {
				was.untouched()
				if d := cmp.Diff(seen, logins(t, l)); d != "" && len(c.flags) == 0 {
					t.Error("nodes were contacted:", d)
				}
				return
			}
			was.asBefore()
			touched := 0
			for name, pid := range pids(t, l) {
				if was.running[name] != pid {
					touched++
				}
			}
			if touched > 1 {
				t.Errorf("%d nodes restarted, the canary alone should have", touched)
			}
		})
	}
}
