package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// maxOutput bounds what is kept of each output of a program, in bytes.
const maxOutput = 256 << 10

// Command is a program to run. It gets no input and a minimal environment.
type Command struct {
	// Path of the program; Argv is its whole command line, its name first: a
	// binary of many programs decides by that name.
	Path string
	Argv []string
	// DiscardStdout leaves of the standard output only its size.
	DiscardStdout bool
}

// Output of a program that ran to its end.
type Output struct {
	Exit int
	// Stdout and Stderr are cut at 256 KiB; StdoutSize is not.
	Stdout, Stderr []byte
	StdoutSize     int64
}

// Run runs a program to its end. An exit status other than 0 is no error; an
// error means that it did not start, or was killed when ctx ended.
type Run func(ctx context.Context, cmd Command) (Output, error)

// Exec runs a program of this machine.
func Exec(ctx context.Context, command Command) (Output, error) {
	stdout, stderr := &bounded{discard: command.DiscardStdout}, &bounded{}
	cmd := exec.CommandContext(ctx, command.Path)
	cmd.Args = command.Argv
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "SYSTEMD_PAGER="}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// What it left running must not hold us by its output.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	out := Output{Stdout: stdout.kept.Bytes(), Stderr: stderr.kept.Bytes(), StdoutSize: stdout.size}
	if ctx.Err() != nil {
		return out, fmt.Errorf("%s: %w", command.Path, ctx.Err())
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		out.Exit = exit.ExitCode()
		return out, nil
	}
	return out, err
}

// bounded keeps the beginning of what is written and counts the rest.
type bounded struct {
	kept    bytes.Buffer
	size    int64
	discard bool
}

func (b *bounded) Write(p []byte) (int, error) {
	b.size += int64(len(p))
	if room := maxOutput - b.kept.Len(); room > 0 && !b.discard {
		b.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
