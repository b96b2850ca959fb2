package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/kubespray"
)

func TestCheckWords(t *testing.T) {
	cases := map[string]string{ // what is refused, with a word of the hint
		"--forks 20 -e @extra.yml -v": "", "--become-password-file f": "", "--start-at-task x": "", "": "",
		"--limit node1": "--limit", "-lnode1": "--limit", "--limit=node1": "--limit", "-t x": "tag", "--skip-tags x": "tag",
		"-K": "--become-password-file", "--ask-become-pass": "--become-password-file", "-C": "--run", "--list-hosts": "yourself",
		"--ask-vault-password": "--vault-password-file", "--vault-password-file x": "--vault-password-file", "-i x": "-i",
	}
	for words, want := range cases {
		err := checkWords(strings.Fields(words))
		if (err == nil) != (want == "") || err != nil && (codeOf(err) != ExitUsage || !strings.Contains(hintOf(err), want)) {
			t.Errorf("%q: %v, hint %q", words, err, hintOf(err))
		}
	}
}

// The variables stand when the run is done or paused, and go back when it failed.
func TestKeepsVariables(t *testing.T) {
	cases := []struct {
		why   string
		run   fleet.Run
		stand bool
	}{
		{"done", fleet.Run{Outcome: fleet.Done}, true},
		{"nothing to do", fleet.Run{Outcome: fleet.NothingToDo}, true},
		{"one Ctrl-C", fleet.Run{Outcome: fleet.Stopped, Stop: fleet.StopSoon, Nodes: []fleet.NodeRun{{Phase: fleet.Pending}}}, true},
		{"two", fleet.Run{Outcome: fleet.Stopped, Stop: fleet.StopNow}, false},
		{"one, and a failure", fleet.Run{Outcome: fleet.Stopped, Stop: fleet.StopSoon, Policy: fleet.Policy{OnFailure: v1alpha1.StopOnly}, Nodes: []fleet.NodeRun{{Name: "a", Phase: fleet.Restored}}}, false},
		{"part-way", fleet.Run{Outcome: fleet.Partial}, false},
		{"rolled back", fleet.Run{Outcome: fleet.AllRolledBack}, false},
		{"failed unchanged", fleet.Run{Outcome: fleet.FailedUnchanged}, false},
		{"hands needed", fleet.Run{Outcome: fleet.RollbackFailed}, false},
	}
	for _, c := range cases {
		if got := keepsVariables(&c.run); got != c.stand {
			t.Errorf("%s: %t", c.why, got)
		}
	}
}

// What would fail, or break nodes, and can be seen beforehand is one line, and
// nothing is changed.
func TestPlayable(t *testing.T) {
	hosts := "all:\n  hosts: {node1: {ansible_connection: local}, db1: {ansible_connection: local}}\n  children:\n    kube_node: {hosts: {node1: }}\n    k8s_cluster: {children: {kube_node: }}\n"
	const vaulted = "secret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n"
	cases := map[string]struct {
		version, variables string
		nodes              []string
		want               string
	}{
		"well": {"2.31", "containerd_registries_mirrors: []\n", []string{"node1"}, ""},
		"insecure entries on 2.21": {"2.21.0", "containerd_insecure_registries: {\"192.168.21.9\": http://192.168.21.9}\n", []string{"node1"},
			"containerd.yml:1: containerd_insecure_registries fails the play"},
		"the guide's list on 2.22": {"2.22", "containerd_insecure_registries: [192.168.21.9]\n", []string{"node1"}, "fails the play"},
		"a host of no group":       {"2.31", "", []string{"node1", "db1"}, "does not reach node db1"},
		"no vault password":        {"2.31", vaulted, []string{"node1"}, "cannot read the inventory's vaulted variables: no password"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			all := filepath.Join(dir, "group_vars", "all")
			if err := errors.Join(os.MkdirAll(all, 0o755), os.WriteFile(filepath.Join(dir, "hosts.yaml"), []byte(hosts), 0o600),
				os.WriteFile(filepath.Join(all, "containerd.yml"), []byte(c.variables), 0o600)); err != nil {
				t.Fatal(err)
			}
			p, err := kubespray.ForVersion(c.version)
			if err != nil {
				t.Fatal(err)
			}
			v, err := kubespray.Read(filepath.Join(dir, "hosts.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			fn := &fleetNodes{}
			for _, n := range c.nodes {
				fn.targets = append(fn.targets, fleet.Target{Name: n})
			}
			vault := kubespray.Vault{Decrypt: func(context.Context, string, string) (string, error) { return "", errors.New("no password") }}
			err = playable(t.Context(), &rendered{profile: p, vars: v}, fn, vault)
			if (err == nil) != (c.want == "") || err != nil && (codeOf(err) != ExitFailed || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%v, want one line with %q and exit code 1", err, c.want)
			}
		})
	}
}
