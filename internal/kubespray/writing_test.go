package kubespray

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/secret"
)

// xor is a vault that hides a secret from a reader, and no more.
var xor = Vault{
	Encrypt: func(_ context.Context, name string, v secret.Value) ([]string, error) {
		return []string{"!vault |", "  $ANSIBLE_VAULT;1.1;AES256", "  " + rot(v.Reveal())}, nil
	},
	Decrypt: func(_ context.Context, file, name string) (string, error) {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		_, after, _ := strings.Cut(string(b), name+": !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  ")
		text, _, _ := strings.Cut(after, "\n")
		return rot(text), nil
	},
}

func rot(s string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return 0x7f - r + ' '
		}
		return r
	}, s)
}

func write(t *testing.T, inventory string, p Profile, vault Vault) ([]FileChange, error) {
	t.Helper()
	v, err := Read(inventory)
	if err != nil {
		t.Fatal(err)
	}
	target, err := TargetOf(p, v)
	if err != nil {
		t.Fatal(err)
	}
	return Write(t.Context(), inventory, v, Render(p, harbor(), target), vault)
}

func TestWriteAndSave(t *testing.T) {
	for version, variable := range map[string]string{"2.31": VarMirrors + ": []", "2.27": VarMirrors + ": []", "2.20": VarRegistries + ": {}"} {
		p := profile(t, version)
		inventory := inventoryOf(t, map[string]string{"group_vars/all/containerd.yml": guide, "group_vars/all/offline.yml": "# mine\nfiles_repo: http://a\n" + variable + "  # theirs\n"})
		changes, err := write(t, inventory, p, xor)
		if err != nil {
			t.Fatal(err)
		}
		saved, err := Save(changes, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range saved {
			b, err := os.ReadFile(s.Backup)
			if err != nil || string(b) != string(s.Before) || !strings.HasSuffix(s.Backup, ".20260102T030405Z.bak") {
				t.Errorf("%s: backup %q: %v", version, s.Backup, err)
			}
		}
		v, err := Read(inventory)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range Check(p, v) {
			// What the guide's own variables do is as it was.
			if f.Verdict.Bad() && f.Variable != VarInsecure && !strings.HasPrefix(f.Variable, "containerd_registry_mirrors") && f.Variable != "containerd_registry_auths" {
				t.Errorf("%s: %+v", version, f)
			}
		}
		again, err := write(t, inventory, p, xor)
		if err != nil || len(again) > 0 {
			t.Errorf("%s: a second time: %d files, %v", version, len(again), err)
		}
		if err := Restore(saved); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(filepath.Join(filepath.Dir(inventory), "group_vars/all/containerd.yml")); string(b) != guide {
			t.Errorf("%s: not put back:\n%s", version, cmp.Diff(guide, string(b)))
		}
	}
}

func TestWriteGoesWhereItTakesEffect(t *testing.T) {
	p := profile(t, "2.31")
	cases := []struct {
		name  string
		files map[string]string
		want  string // the file that is changed, or the end of the error
	}{
		{"nothing there", map[string]string{}, "group_vars/all/containerd.yml"},
		{"one file for all", map[string]string{"group_vars/all.yml": "x: 1\n"}, "group_vars/all.yml"},
		{"offline.yml wins", map[string]string{"group_vars/all/offline.yml": "containerd_registries_mirrors: []\n"}, "group_vars/all/offline.yml"},
		{"a group above", map[string]string{"group_vars/k8s_cluster/c.yml": "containerd_registries_mirrors: []\n"}, "group_vars/k8s_cluster/c.yml"},
		{"a host's own", map[string]string{"host_vars/node1.yml": "containerd_registries_mirrors: []\n"}, "not the same for node1 and node2"},
		{"in the inventory", map[string]string{"hosts.yaml": hostsYAML + "  vars:\n    containerd_registries_mirrors: []\n"}, "hosts.yaml:11: containerd_registries_mirrors stands in the inventory itself, which is not edited: move it to a file under group_vars"},
		{"a template", map[string]string{"group_vars/all/containerd.yml": "a: 1\ncontainerd_registries_mirrors: \"{{ x }}\"\n"}, "containerd.yml:2: containerd_registries_mirrors is a template or a plain text, not a list: containerd_registries_mirrors: \"{{ x }}\""},
		{"an encrypted file", map[string]string{"group_vars/all/containerd.yml": "$ANSIBLE_VAULT;1.1;AES256\n3061\n"}, "containerd.yml:1: the whole file is encrypted by ansible-vault, and is never decrypted in place"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inventory := inventoryOf(t, c.files)
			changes, err := write(t, inventory, p, xor)
			if err != nil {
				if !strings.HasSuffix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v, want %q", err, c.want)
				}
				return
			}
			found := false
			for _, f := range changes {
				rel, _ := filepath.Rel(filepath.Dir(inventory), f.Path)
				found = found || rel == c.want && strings.Contains(string(f.After), VarMirrors)
			}
			if !found {
				t.Errorf("%d files, want the list in %s", len(changes), c.want)
			}
		})
	}
}

func TestWriteRefusesLinks(t *testing.T) {
	inventory := inventoryOf(t, map[string]string{"elsewhere/all/containerd.yml": "x: 1\n"})
	dir := filepath.Dir(inventory)
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "group_vars")); err != nil {
		t.Fatal(err)
	}
	if _, err := write(t, inventory, profile(t, "2.31"), xor); err == nil || !strings.Contains(err.Error(), "is a symbolic link") {
		t.Errorf("%v, want that group_vars is a symbolic link", err)
	}
}

func TestWriteTakesOutWhatIsNoLongerWanted(t *testing.T) {
	p := profile(t, "2.31")
	inventory := inventoryOf(t, map[string]string{"group_vars/all/containerd.yml": "pullway_auth_old: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3061\ncontainerd_registries_mirrors:\n  - prefix: old  # pullway\n    mirrors: []\n  - prefix: theirs\n    mirrors: []\n"})
	changes, err := write(t, inventory, p, xor)
	if err != nil || len(changes) != 1 {
		t.Fatalf("%d changes, %v", len(changes), err)
	}
	after := string(changes[0].After)
	if strings.Contains(after, "old") || !strings.Contains(after, "theirs") || !strings.Contains(after, "192.168.21.9") {
		t.Errorf("%s", after)
	}
}
