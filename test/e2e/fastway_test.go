//go:build e2e

package e2e

import (
	"os"
	"strings"
	"testing"
)

func guideVariables(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fastWay: on a node that Kubespray wrote, with the guide's variables, apply
// --kubespray makes the pull work and writes the variables; and the real role then
// finds nothing to change and restarts nothing.
func (k *kubesprayRelease) fastWay(t *testing.T) string {
	r := newRole(t, k.l, "node1", k.tasks)
	given := guideVariables(t) + k.given
	r.set(given)
	text, ref := k.wants()
	file := r.file("pullway.yaml", text)
	way := []string{"-i", r.inventory, "-f", file, "--kubespray", k.tasks.Tree}
	if !k.tasks.Profile.Mirrors {
		says(t, r.says(2, append([]string{"plan"}, way...)...), "writes its registries into config.toml")
		return "refused"
	}
	if out := r.says(3, append([]string{"plan", "--exit-code"}, way...)...); !strings.Contains(out.out, "containerd_registries_mirrors") {
		t.Errorf("the plan does not show the variables: %s", out)
	}
	vault := []string{"--vault-password-file", r.vault, "--yes"}
	if k.carries {
		k.failsFirst(t, r, append([]string{"apply", "--no-preflight"}, append(way, vault...)...), given)
	}
	r.says(0, append([]string{"apply"}, append(way, vault...)...)...)
	r.pulls("after apply", ref)
	if s := r.text(); strings.Contains(s, "!vault") != k.carries || strings.Contains(s, secret1) || !strings.HasPrefix(s, given) {
		t.Errorf("the variables: %s", s)
	}
	r.stays("after apply")
	r.pulls("after Kubespray", ref)
	if out := r.says(0, append([]string{"plan", "--exit-code"}, way...)...); !strings.Contains(out.out, "1 as desired") {
		t.Errorf("not as desired afterwards: %s", out)
	}
	r.says(0, "verify", "-i", r.inventory, "-f", file)
	return "0 changed, 0 restarts"
}

// failsFirst: a failed change leaves the variables alone, as it does the node. A
// header can be proven before anything changes, a credential in config.toml only
// afterwards.
func (k *kubesprayRelease) failsFirst(t *testing.T, r *role, apply []string, variables string) {
	t.Helper()
	fails := 4
	if k.tasks.Profile.HeaderAuth(major(k.containerd)) {
		fails = 1
	}
	was := etc(t, r.n)
	r.env["HARBOR_PASSWORD"] = "an-old-password"
	says(t, r.says(fails, apply...), "The variables of Kubespray are as they were")
	unchanged(t, "after the failed change", was, etc(t, r.n))
	if r.text() != variables {
		t.Errorf("the variables after a failed change: %s", r.text())
	}
	r.env["HARBOR_PASSWORD"] = secret1
}
