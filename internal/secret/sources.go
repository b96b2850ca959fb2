package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// MaxBytes is the longest secret, and the longest file a secret is read from.
const MaxBytes = 1 << 20

// Error says in one line why a secret could not be had, and in Hint what to do
// about it. It names places (a variable, a file), never a secret.
type Error struct {
	Text string
	Hint string
	// Err is the cause, for errors.Is; its text is part of Text already.
	Err error
}

// Error returns the one line.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Sources is how the outside is reached. Tests put their own functions here; a
// nil function means that this place cannot be read from.
type Sources struct {
	// LookupEnv is os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// ReadFile is os.ReadFile with a bound.
	ReadFile func(path string) ([]byte, error)
	// Vault returns the variable key of the ansible-vault file. passwordFile may
	// be empty, which leaves the choice to Ansible's own settings.
	Vault func(ctx context.Context, file, key, passwordFile string) (string, error)
	// Helper asks a docker credential helper ("desktop" stands for the program
	// docker-credential-desktop) for the credential of a server.
	Helper func(ctx context.Context, helper, server string) (username, password string, err error)
}

// System returns the Sources of this machine: its environment, its files, and
// the programs ansible-vault and docker-credential-* of the PATH.
func System() Sources {
	return Sources{
		LookupEnv: os.LookupEnv,
		ReadFile:  readFile,
		Vault:     AnsibleVault("ansible-vault", readFile),
		Helper:    CredentialHelper,
	}
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ValidEnvName reports whether name can be the name of an environment variable
// that a shell sets.
func ValidEnvName(name string) bool { return len(name) <= 255 && envName.MatchString(name) }

// Env reads an environment variable, which must be set and not empty. Its value
// is taken as it is.
func (s Sources) Env(name string) (Value, error) {
	if s.LookupEnv == nil {
		return Value{}, &Error{Text: "environment variables cannot be read here"}
	}
	v, ok := s.LookupEnv(name)
	switch {
	case !ok:
		return Value{}, &Error{Text: fmt.Sprintf("environment variable %s is not set", name), Hint: fmt.Sprintf("read -rs %[1]s && export %[1]s", name)}
	case v == "":
		return Value{}, &Error{Text: fmt.Sprintf("environment variable %s is set, but empty", name)}
	}
	return check(v, "environment variable "+name)
}

// File reads a file and cuts one line end (\n or \r\n) off its end, which
// editors and echo put there. Nothing else is trimmed.
func (s Sources) File(path string) (Value, error) {
	b, err := s.read(path)
	if err != nil {
		return Value{}, err
	}
	text := cutLineEnd(string(b))
	if text == "" {
		return Value{}, &Error{Text: fmt.Sprintf("secret file %q is empty", path)}
	}
	return check(text, fmt.Sprintf("secret file %q", path))
}

func (s Sources) read(path string) ([]byte, error) {
	if s.ReadFile == nil {
		return nil, &Error{Text: "files cannot be read here"}
	}
	b, err := s.ReadFile(path)
	if err != nil {
		return nil, fileError("secret file", path, err)
	}
	if len(b) > MaxBytes {
		return nil, &Error{Text: fmt.Sprintf("secret file %q is larger than %d bytes", path, MaxBytes)}
	}
	return b, nil
}

// fileError says once what is wrong with a file, without the "open PATH:" that
// the system's error repeats.
func fileError(what, path string, err error) error {
	cause := err
	var pe *fs.PathError
	if errors.As(err, &pe) {
		cause = pe.Err
	}
	return &Error{Text: fmt.Sprintf("%s %q: %v", what, path, cause), Err: err}
}

// check refuses what no registry can have given out: a NUL byte is a sign of a
// file in UTF-16 or of a binary file. Everything else is carried faithfully.
func check(text, where string) (Value, error) {
	if len(text) > MaxBytes {
		return Value{}, &Error{Text: fmt.Sprintf("%s is longer than %d bytes", where, MaxBytes)}
	}
	if strings.ContainsRune(text, 0) {
		return Value{}, &Error{Text: where + " holds a NUL byte", Hint: "save it as plain UTF-8 text"}
	}
	return New(text), nil
}

func cutLineEnd(s string) string {
	if cut, ok := strings.CutSuffix(s, "\r\n"); ok {
		return cut
	}
	return strings.TrimSuffix(s, "\n")
}

// readFile is os.ReadFile for files, pipes and /dev/fd/N, but never endless.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(f, MaxBytes+1)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
