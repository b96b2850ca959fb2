package secret

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// vaultHeader starts everything that ansible-vault has encrypted.
const vaultHeader = "$ANSIBLE_VAULT;"

// AnsibleVault returns a function for Sources.Vault that lets the real
// ansible-vault decrypt. It takes a file that is encrypted as a whole, and a
// YAML file whose variable key is a !vault value; a value in clear is refused.
// Only names of files are in the program's arguments. readFile reads the file.
func AnsibleVault(program string, readFile func(string) ([]byte, error)) func(ctx context.Context, file, key, passwordFile string) (string, error) {
	return func(ctx context.Context, file, key, passwordFile string) (string, error) {
		b, err := readFile(file)
		if err != nil {
			return "", fileError("vault file", file, err)
		}
		v := vault{program: program, file: file, passwordFile: passwordFile}
		if strings.HasPrefix(string(b), vaultHeader) {
			text, err := v.ask(ctx, "", "view", "--", file)
			if err != nil {
				return "", err
			}
			node, err := variable(text, file, key)
			if err != nil {
				return "", err
			}
			if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
				return "", &Error{Text: fmt.Sprintf("variable %q of vault file %q is not text", key, file)}
			}
			return node.Value, nil
		}
		node, err := variable(string(b), file, key)
		if err != nil {
			return "", err
		}
		if node.Kind != yaml.ScalarNode || !strings.HasPrefix(strings.TrimSpace(node.Value), vaultHeader) {
			return "", &Error{
				Text: fmt.Sprintf("variable %q of %q is not encrypted", key, file),
				Hint: "ansible-vault encrypt_string --stdin-name " + shellWord(key),
			}
		}
		return v.ask(ctx, node.Value, "decrypt", "--output", "-")
	}
}

// variable finds a top-level key in YAML. The texts of the YAML decoder are not
// passed on: they may quote what stands in the file.
func variable(text, file, key string) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, &Error{Text: fmt.Sprintf("vault file %q does not hold YAML variables", file)}
	}
	pairs := doc.Content[0].Content
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i].Value != key {
			continue
		}
		if pairs[i+1].Kind == yaml.AliasNode {
			return pairs[i+1].Alias, nil
		}
		return pairs[i+1], nil
	}
	return nil, &Error{Text: fmt.Sprintf("vault file %q has no variable %q", file, key)}
}

type vault struct {
	program, file, passwordFile string
	// encrypts tells that file is the name of a variable to be encrypted.
	encrypts bool
}

func (v vault) ask(ctx context.Context, stdin string, args ...string) (string, error) {
	if v.passwordFile != "" {
		// Behind the verb: a flag with a value of its own, never the password.
		args = append([]string{args[0], "--vault-password-file", v.passwordFile}, args[1:]...)
	}
	out, stderr, err := run(ctx, stdin, v.program, args...)
	if err == nil {
		return out, nil
	}
	var known *Error
	if errors.As(err, &known) {
		known.Hint = "install ansible-core, or use env or file"
		return "", known
	}
	return "", v.explain(stderr, err)
}

// explain turns what ansible-vault prints into one line. Its texts were seen in
// ansible-core 2.14; without a terminal it takes standard input for the answer
// to its own question, so a missing password shows in three ways.
func (v vault) explain(stderr string, err error) error {
	e := &Error{Err: err}
	if v.encrypts {
		defer func() { e.Text = strings.Replace(e.Text, "vault file", "variable", 1) }()
	}
	says := func(part string) bool { return strings.Contains(stderr, part) }
	switch {
	case v.passwordFile == "" && (says("Vault password") || says("EOFError") || says("no vault secrets found")):
		e.Text = fmt.Sprintf("vault file %q: no vault password was given", v.file)
		e.Hint = "set passwordFile, or ANSIBLE_VAULT_PASSWORD_FILE"
	case says("vault password file") && says("was not found"):
		e.Text = fmt.Sprintf("vault file %q: the vault password file %q was not found", v.file, v.passwordFile)
		if v.passwordFile == "" {
			e.Text = fmt.Sprintf("vault file %q: the vault password file of Ansible's own settings was not found", v.file)
		}
	case says("Problem running vault password script"):
		e.Text = fmt.Sprintf("vault file %q: the vault password file is executable, but could not be run", v.file)
		e.Hint = "chmod 600 it when it is not a script"
	case says("no vault secrets were found that could decrypt"):
		e.Text = fmt.Sprintf("vault file %q: wrong vault password", v.file)
	case v.encrypts:
		e.Text = fmt.Sprintf("variable %q: ansible-vault could not encrypt it (%v)", v.file, err)
		e.Hint = "run ansible-vault encrypt_string by hand to see why"
	default:
		e.Text = fmt.Sprintf("vault file %q: ansible-vault could not decrypt it (%v)", v.file, err)
		e.Hint = "run ansible-vault view on it by hand to see why"
	}
	return e
}

// shellWord quotes a name for the hint.
func shellWord(s string) string {
	if ValidEnvName(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
