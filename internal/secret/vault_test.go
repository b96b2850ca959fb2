package secret

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeVault writes its arguments to a file beside it and answers like the real
// program, with the exit code and texts it is told.
func fakeVault(t *testing.T, stdout, stderr, rc string) (path string, args func() string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "args")
	path = program(t, "ansible-vault", `printf '%s\n' "$*" > `+log+`; cat > /dev/null; printf '%s' '`+stdout+`'; printf '%s\n' '`+stderr+`' >&2; exit `+rc)
	return path, func() string {
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
}

const vaultScalar = "user: admin\npw: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\nclear: " + plain + "\n"

func TestVaultArguments(t *testing.T) {
	p, args := fakeVault(t, plain, "", "0")
	got, err := AnsibleVault(p, mapFile(vaultScalar))(t.Context(), "group_vars/all.yml", "pw", "pass.txt")
	if err != nil || got != plain {
		t.Errorf("got %q, %v", got, err)
	}
	if want := "decrypt --vault-password-file pass.txt --output -"; args() != want {
		t.Errorf("arguments are %q, want %q", args(), want)
	}
	p, args = fakeVault(t, "pw: "+plain, "", "0")
	got, err = AnsibleVault(p, mapFile("$ANSIBLE_VAULT;1.1;AES256\n6162\n"))(t.Context(), "-all.yml", "pw", "")
	if err != nil || got != plain {
		t.Errorf("got %q, %v", got, err)
	}
	if want := "view -- -all.yml"; args() != want {
		t.Errorf("arguments are %q, want %q", args(), want)
	}
}

func TestVaultErrors(t *testing.T) {
	whole := "$ANSIBLE_VAULT;1.1;AES256\n6162\n"
	for name, c := range map[string]struct {
		file, key, passwordFile, stdout, stderr, rc, err string
	}{
		"in clear":       {file: vaultScalar, key: "clear", err: `variable "clear" of "f" is not encrypted`},
		"no such key":    {file: vaultScalar, key: "nope", err: `vault file "f" has no variable "nope"`},
		"not yaml":       {file: ": " + plain + ":\n- [", key: "x", err: "does not hold YAML variables"},
		"empty":          {file: "", key: "x", err: "does not hold YAML variables"},
		"wrong password": {file: vaultScalar, key: "pw", passwordFile: "p", rc: "1", stderr: "ERROR! Decryption failed (no vault secrets were found that could decrypt) on - for -", err: `vault file "f": wrong vault password`},
		"no password":    {file: whole, key: "pw", rc: "1", stderr: "ERROR! EOFError (ctrl-d) on prompt for (default)", err: "no vault password was given"},
		"stdin eaten":    {file: vaultScalar, key: "pw", rc: "1", stderr: "Vault password: \nERROR! input is not vault encrypted data. - is not a vault encrypted file for -", err: "no vault password was given"},
		"password file":  {file: whole, key: "pw", passwordFile: "gone", rc: "1", stderr: "ERROR! The vault password file /x/gone was not found", err: `the vault password file "gone" was not found`},
		"no script":      {file: whole, key: "pw", passwordFile: "p", rc: "1", stderr: "ERROR! Problem running vault password script /x/p (Permission denied)", err: "is executable, but could not be run"},
		"something else": {file: whole, key: "pw", rc: "5", stderr: plain, err: "could not decrypt it (exit status 5)"},
		"decrypted list": {file: whole, key: "pw", stdout: "pw: [" + plain + "]", err: `variable "pw" of vault file "f" is not text`},
		"decrypted junk": {file: whole, key: "pw", stdout: plain, err: "does not hold YAML variables"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.rc == "" {
				c.rc = "0"
			}
			p, _ := fakeVault(t, c.stdout, c.stderr, c.rc)
			_, err := AnsibleVault(p, mapFile(c.file))(t.Context(), "f", c.key, c.passwordFile)
			assertError(t, err, c.err)
		})
	}
	_, err := AnsibleVault("ansible-vault-of-nowhere", mapFile(vaultScalar))(t.Context(), "f", "pw", "")
	assertError(t, err, "program ansible-vault-of-nowhere is not in the PATH")
}

func mapFile(content string) func(string) ([]byte, error) {
	return func(string) ([]byte, error) { return []byte(content), nil }
}

// TestRealAnsibleVault keeps the texts and the calls honest.
func TestRealAnsibleVault(t *testing.T) {
	bin, err := exec.LookPath("ansible-vault")
	if err != nil {
		t.Skip("LOUD: ansible-vault is not installed; the calls to the real program are not tested here")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Setenv("ANSIBLE_VAULT_PASSWORD_FILE", "") // so that it comes back afterwards
	if err := os.Unsetenv("ANSIBLE_VAULT_PASSWORD_FILE"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ANSIBLE_CONFIG", write("ansible.cfg", "[defaults]\n"))
	right, wrong := write("right", "open\n"), write("wrong", "shut\n")
	nasty := plain + "'\"\\$(id)ü"

	enc := exec.Command(bin, "encrypt_string", "--vault-password-file", right, "--stdin-name", "pw")
	enc.Stdin = strings.NewReader(nasty)
	out, err := enc.Output()
	if err != nil {
		t.Fatal(err)
	}
	scalar := write("scalar.yml", "user: admin\n"+string(out))
	whole := write("whole.yml", "pw: "+plain+"\n")
	if out, err := exec.Command(bin, "encrypt", "--vault-password-file", right, whole).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	s := System()
	ask := func(file, passwordFile, want, wantErr string) {
		t.Helper()
		got, err := s.Vault(t.Context(), file, "pw", passwordFile)
		assertError(t, err, wantErr)
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	ask(scalar, right, nasty, "")
	ask(whole, right, plain, "")
	ask(scalar, wrong, "", "wrong vault password")
	ask(scalar, "", "", "no vault password was given")
	ask(whole, "", "", "no vault password was given")
	ask(whole, filepath.Join(dir, "gone"), "", "was not found")
}
