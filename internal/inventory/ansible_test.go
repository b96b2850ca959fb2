package inventory

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ansibleHere skips loudly where Ansible is missing.
func ansibleHere(t *testing.T) Options {
	t.Helper()
	program, err := exec.LookPath("ansible-inventory")
	if err != nil {
		t.Skip("NOT TESTED: ansible-inventory is not installed")
	}
	return Options{Reader: ReaderAnsible, Program: program, Home: "/home/ops"}
}

func TestAnsibleEvaluates(t *testing.T) {
	opt := ansibleHere(t)
	t.Setenv("ANSIBLE_VAULT_PASSWORD_FILE", "testdata/vault/password.txt")
	got, err := Load(context.Background(), "testdata/vault/hosts.yaml", opt)
	if err != nil {
		t.Fatal(err)
	}
	if n := got.Nodes[0]; n.Host != "192.0.2.81" || n.Password.Reveal() != "from the vault" {
		t.Error(plainNode(n))
	}
	if got, err = Load(context.Background(), "testdata/vaultfile/hosts.yaml", opt); err != nil {
		t.Fatal(err)
	}
	if n := got.Nodes[0]; n.BecomePassword.Reveal() != "in the vault" {
		t.Error(plainNode(n))
	}
}

func TestAnsibleWithoutVaultPassword(t *testing.T) {
	opt := ansibleHere(t)
	t.Setenv("ANSIBLE_VAULT_PASSWORD_FILE", "") // puts the old value back at the end
	if err := os.Unsetenv("ANSIBLE_VAULT_PASSWORD_FILE"); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := Load(context.Background(), "testdata/vault/hosts.yaml", opt); !errors.As(err, &e) || e.Hint == "" || !strings.Contains(err.Error(), `of host "v1"`) {
		t.Errorf("inline vault: %v", err)
	}
	if _, err := Load(context.Background(), "testdata/vaultfile/hosts.yaml", opt); !errors.As(err, &e) || !strings.Contains(err.Error(), "variable vault_pass is not known here") {
		t.Errorf("vault file: %v", err)
	}
	dir := write(t, map[string]string{"h.yaml": "all: {hosts: {a: }}\n", "group_vars/all.yml": "$ANSIBLE_VAULT;1.1;AES256\n3132\n"})
	got, err := Load(context.Background(), dir+"/h.yaml", opt)
	if err != nil || got.By != ByBuiltIn || len(got.Warnings) != 2 {
		t.Errorf("by %q, warnings %q, error %v", got.By, got.Warnings, err)
	}
}

func TestAnsibleFails(t *testing.T) {
	ansibleHere(t)
	dir := write(t, map[string]string{"h.ini": "a\n", "bad.ini": "a b\n", "dup.yaml": "all: {hosts: {a: , a: }}\n"})
	script := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tc := range map[string]struct{ file, program, want string }{
		"error line":      {"h.ini", script("e", "echo '[WARNING]: x' >&2; echo 'ERROR! it broke, got: secret' >&2; exit 4"), "h.ini: e: it broke"},
		"no JSON":         {"h.ini", script("j", "echo hello"), "ansible-inventory did not print JSON"},
		"hangs":           {"h.ini", script("h", "sleep 60 & sleep 60"), "did not answer within 300ms"},
		"absent":          {"h.ini", filepath.Join(dir, "none"), "no such file"},
		"ours is clearer": {"bad.ini", script("e2", "echo 'ERROR! No inventory was parsed' >&2; exit 1"), "bad.ini:1: word 1"},
		"duplicate":       {"dup.yaml", script("ok", "echo '{}'"), `key "a" stands here`},
	} {
		t.Run(name, func(t *testing.T) {
			opt := Options{Reader: ReaderAnsible, Program: tc.program, Timeout: 300 * time.Millisecond}
			if name == "error line" || name == "ours is clearer" || name == "no JSON" {
				opt.Timeout = 10 * time.Second
			}
			_, err := Load(context.Background(), filepath.Join(dir, tc.file), opt)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestAnsibleRunsDynamicInventories(t *testing.T) {
	opt := ansibleHere(t)
	path := filepath.Join(t.TempDir(), "cloud")
	text := "#!/bin/sh\necho '{\"kube_node\": {\"hosts\": [\"d1\"]}, \"_meta\": {\"hostvars\": {\"d1\": {\"ansible_host\": \"192.0.2.90\"}}}}'\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := Load(context.Background(), path, opt)
	if err != nil || len(got.Nodes) != 1 || got.Nodes[0].Host != "192.0.2.90" {
		t.Errorf("nodes %v, error %v", plainNodes(got.Nodes), err)
	}
	var e *Error
	if _, err = Load(context.Background(), path, builtIn()); !errors.As(err, &e) || !strings.Contains(e.Hint, "install ansible-core") {
		t.Errorf("built-in reader: %v", err)
	}
}
