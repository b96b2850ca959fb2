package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// CommandError is a command that ran and did not end well.
type CommandError struct {
	// Where it ran: the name of a node, or empty for this machine.
	Where   string
	Command string
	// Code is the exit code; -1 when a signal ended it.
	Code           int
	Stdout, Stderr string
}

func (e *CommandError) Error() string {
	where := or(e.Where, "this machine")
	return fmt.Sprintf("%q on %s: exit code %d: %s", shorten(e.Command, 120), where, e.Code, shorten(strings.TrimSpace(e.Stderr), 400))
}

// run runs a command on this machine; env nil means this process's own.
func run(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	_, err := finish(cmd, "")
	return err
}

// finish runs cmd, collects its output and gives a CommandError for a bad end. The
// command ends with this process: a killed lab builds nothing any more. The kernel tells
// it so when the thread that started it ends, so that thread is kept meanwhile.
func finish(cmd *exec.Cmd, where string) (string, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := err.(*exec.ExitError); ok {
		err = &CommandError{Where: where, Command: strings.Join(cmd.Args, " "), Code: exit.ExitCode(), Stdout: out.String(), Stderr: errs.String()}
	}
	return out.String(), err
}

func shorten(s string, n int) string {
	s = strings.ReplaceAll(s, "\n", " ")
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// replace writes a file by rename, so that a reader sees the old or the new one.
func replace(path string, b []byte, mode os.FileMode) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, mode); err != nil {
		return err
	}
	if err := os.Chmod(tmp, mode); err != nil { // past the umask
		return err
	}
	return os.Rename(tmp, path)
}
