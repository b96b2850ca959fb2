package secret

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// FuzzVaultVariable: whatever a vault file holds, what is given to ansible-vault is
// a vault text and nothing else, and an error quotes nothing of the file.
func FuzzVaultVariable(f *testing.F) {
	const encrypted = "$ANSIBLE_VAULT;1.1;AES256\n6162636465"
	f.Add("harbor_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162636465\n", "harbor_password")
	f.Add("a: &x 1\nb: *x\n", "b")
	f.Add("a: [", "a")
	f.Add(encrypted, "a")
	f.Add("{a: {b: c}, ? [x] : y}", "a")
	f.Add("a: *nowhere", "a")
	f.Fuzz(func(t *testing.T, text, key string) {
		n, err := variable(text, "vault.yml", key)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || len(text) > 20 && !strings.Contains(key, text) && strings.Contains(err.Error(), text) {
				t.Fatalf("%q of %q", err, text)
			}
			return
		}
		if n == nil || n.Kind == yaml.AliasNode {
			t.Fatalf("%+v of %q", n, text)
		}
	})
}

// FuzzVaultWords: what ansible-vault complains of becomes one line.
func FuzzVaultWords(f *testing.F) {
	for _, s := range []string{"ERROR! Decryption failed (no vault secrets were found that could decrypt) on -", "Vault password: EOFError", "\x1b[2J\n\n", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, stderr string) {
		for _, v := range []vault{{file: "vault.yml"}, {file: "vault.yml", passwordFile: "pw"}} {
			if err := v.explain(stderr, errExit); err == nil || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("%q", err)
			}
		}
	})
}

// errExit stands for an exit status.
var errExit = &Error{Text: "exit status 1"}
