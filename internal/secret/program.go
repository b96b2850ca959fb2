package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// programTimeout bounds each program that is asked for a secret. The user may
// have to touch a key or unlock a keyring meanwhile.
const programTimeout = time.Minute

// run starts a program that gives a secret on its standard output. Nothing
// secret is in its arguments. It has no terminal, so that it fails instead of
// waiting for somebody to type. stderr is for the caller to judge and holds no
// promise; err is nil, an exit code, or says why it did not run.
func run(ctx context.Context, stdin, program string, args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, programTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = withoutTerminal()
	out, errOut := bounded{max: MaxBytes}, bounded{max: 64 << 10}
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = &Error{Text: fmt.Sprintf("%s did not answer within %v", program, programTimeout), Err: ctx.Err()}
		if errors.Is(ctx.Err(), context.Canceled) {
			err = &Error{Text: program + " was interrupted", Err: ctx.Err()}
		}
	case errors.Is(err, exec.ErrNotFound):
		err = &Error{Text: fmt.Sprintf("program %s is not in the PATH", program), Err: err}
	case out.cut:
		err = &Error{Text: fmt.Sprintf("%s answered more than %d bytes", program, MaxBytes)}
	}
	return out.String(), errOut.String(), err
}

// bounded keeps the first max bytes and forgets the rest.
type bounded struct {
	bytes.Buffer
	max int
	cut bool
}

// Write never fails, so that the program can end.
func (b *bounded) Write(p []byte) (int, error) {
	if room := b.max - b.Len(); len(p) > room {
		b.cut = true
		b.Buffer.Write(p[:room])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// CredentialHelper asks the program docker-credential-HELPER of the PATH, by
// the protocol of docker: the server on standard input, JSON back.
func CredentialHelper(ctx context.Context, helper, server string) (username, password string, err error) {
	program := "docker-credential-" + helper
	out, _, err := run(ctx, server, program, "get")
	var known *Error
	if errors.As(err, &known) {
		known.Hint = "use env or file"
		return "", "", known
	}
	if err != nil {
		// What it prints on failure may be anything, so it is not repeated.
		return "", "", &Error{Text: fmt.Sprintf("%s has no credential for %s", program, server), Hint: "docker login " + keyHost(server), Err: err}
	}
	var answer struct{ Username, Secret string }
	if json.Unmarshal([]byte(out), &answer) != nil {
		return "", "", &Error{Text: fmt.Sprintf("%s did not answer in JSON", program)}
	}
	return answer.Username, answer.Secret, nil
}
