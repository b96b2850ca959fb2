package secret

import (
	"context"
	"fmt"
	"strings"
)

// EncryptVault lets the real ansible-vault encrypt a secret, and returns it as
// the YAML value of a variable: "!vault |" and the indented lines of the text.
// passwordFile may be empty, which leaves the choice to Ansible's own settings.
// The secret goes through standard input. name is for messages. Each call gives
// another text for the same secret.
func EncryptVault(ctx context.Context, program, name string, v Value, passwordFile string) ([]string, error) {
	tool := vault{program: program, file: name, passwordFile: passwordFile, encrypts: true}
	out, err := tool.ask(ctx, v.Reveal(), "encrypt_string", "--stdin-name", name)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	first, ok := strings.CutPrefix(lines[0], name+": ")
	if !ok || !strings.HasPrefix(first, "!vault") || len(lines) < 3 {
		return nil, &Error{Text: fmt.Sprintf("%s did not answer with a vaulted text", program)}
	}
	return append([]string{first}, lines[1:]...), nil
}
