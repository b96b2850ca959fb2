package secret

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The real ansible-vault, where it is installed; a stub that shows what we say to
// it elsewhere.
func TestEncryptVault(t *testing.T) {
	program, err := exec.LookPath("ansible-vault")
	if err != nil {
		t.Skip("ansible-vault is not installed: what it makes of a secret was not looked at (CI installs it)")
	}
	dir := t.TempDir()
	password := filepath.Join(dir, "vault-password")
	if err := os.WriteFile(password, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"robot$nodes:" + `pa"ss\'{{word`, "ü:\tπ", "two\nlines", "a last line end\n", " around "} {
		lines, err := EncryptVault(t.Context(), program, "pullway_auth_a", New(plain), password)
		if err != nil {
			t.Fatal(err)
		}
		text := "pullway_auth_a: " + strings.Join(lines, "\n") + "\n"
		if strings.Contains(text, plain) {
			t.Error("it stands there in clear")
		}
		file := filepath.Join(dir, "vars.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := AnsibleVault(program, os.ReadFile)(t.Context(), file, "pullway_auth_a", password)
		if err != nil || got != plain {
			t.Errorf("decrypted %q, %v; want %q", got, err, plain)
		}
	}
	t.Setenv("ANSIBLE_VAULT_PASSWORD_FILE", "") // so that it comes back
	if err := os.Unsetenv("ANSIBLE_VAULT_PASSWORD_FILE"); err != nil {
		t.Fatal(err)
	}
	_, err = EncryptVault(t.Context(), program, "pullway_auth_a", New("x"), "")
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Text, "no vault password was given") || e.Hint == "" {
		t.Errorf("without a password: %v, want a hint", err)
	}
}
