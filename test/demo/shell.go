package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// sh shows a command line, runs exactly that with a shell in the lab's network,
// shows what it prints, and fails unless it ends with the code that was promised.
func (s *story) sh(ctx context.Context, code int, line string) (string, error) {
	s.command(line)
	c := s.lab.Command(ctx, "/bin/sh", "-c", line)
	c.Dir = s.work
	c.Env = append(s.environment(), c.Env...)
	var printed strings.Builder
	both := io.MultiWriter(&printed, s.teller)
	c.Stdout, c.Stderr = both, both // one writer: the order is that of a terminal
	// A group of its own: Ctrl-C reaches it by the demo alone, and all of it.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGINT) }
	c.WaitDelay = 10 * time.Second
	err := c.Run()
	if ctx.Err() != nil && c.Process != nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // what did not heed the interrupt
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", fmt.Errorf("%s: %w", line, err)
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if got := c.ProcessState.ExitCode(); got != code {
		return "", fmt.Errorf("%q ended with %d, and %d was promised", line, got, code)
	}
	if code != 0 {
		s.say("exit code %d", code)
	}
	return printed.String(), nil
}

// environment is a small one of the demo's own: nothing of the caller's SSH or
// Pullway settings plays a part, and run records go where the lab goes.
func (s *story) environment() []string {
	return []string{
		"PATH=" + s.bin + string(filepath.ListSeparator) + os.Getenv("PATH"),
		"HOME=" + s.work,
		"TERM=dumb", "LC_ALL=C.UTF-8",
		"PULLWAY_LAB_DIR=" + filepath.Join(s.work, "lab"),
		"PULLWAY_STATE_DIR=" + filepath.Join(s.work, "state"),
		"HARBOR_PASSWORD=" + password,
	}
}

// holds fails unless the text has each of the parts as often as the count says.
func holds(text, part string, count int) error {
	if got := strings.Count(text, part); got != count {
		return fmt.Errorf("%q was printed %d times, and %d were promised", part, got, count)
	}
	return nil
}
