package transport

import (
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// localRunner runs commands on this machine.
type localRunner struct {
	running sync.WaitGroup
	// grace is how long close waits for commands that were let go of.
	grace time.Duration
}

func (l *localRunner) run(_ context.Context, argv []string) (command, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	// A session of its own: Ctrl-C on the operator's terminal must reach us and
	// not the engine, which has to put the node in order first.
	cmd.SysProcAttr = ownSession()
	cmd.Dir = "/"
	cmd.Env = localEnv(os.Environ())
	c := &localCommand{cmd: cmd, running: &l.running}
	var err error
	if c.stdin, err = cmd.StdinPipe(); err == nil {
		if c.stdout, err = cmd.StdoutPipe(); err == nil {
			c.stderr, err = cmd.StderrPipe()
		}
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fault(KindEngine, "", err, "cannot start a shell on this machine: %v", err)
	}
	l.running.Add(1)
	return c, nil
}

// localEnv is what a login would give the command: what else stands in our own
// environment, passwords among it, is not the engine's.
func localEnv(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return !slices.Contains([]string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM"}, name)
	})
}

// close waits a little for commands that still tidy up, and then leaves them to
// themselves.
func (l *localRunner) close() error {
	done := make(chan struct{})
	go func() { l.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(l.grace):
	}
	return nil
}

type localCommand struct {
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr io.ReadCloser
	running        *sync.WaitGroup
}

func (c *localCommand) Read(p []byte) (int, error)  { return c.stdout.Read(p) }
func (c *localCommand) Write(p []byte) (int, error) { return c.stdin.Write(p) }
func (c *localCommand) CloseWrite() error           { return c.stdin.Close() }
func (c *localCommand) Errors() io.Reader           { return c.stderr }

// Cut implements command.
func (c *localCommand) Cut() <-chan struct{} { return nil }

// Wait implements command. It is called once, after both outputs have ended.
func (c *localCommand) Wait() (exit, error) {
	defer c.running.Done()
	err := c.cmd.Wait()
	s := c.cmd.ProcessState
	if s == nil {
		return exit{}, fault(KindClosed, "", err, "the engine's end is not known: %v", err)
	}
	return exitOf(s), nil
}

// Close implements command: it closes the streams and sends no signal.
func (c *localCommand) Close() error {
	_ = c.stdin.Close()
	_ = c.stderr.Close()
	return c.stdout.Close()
}

func exitOf(s *os.ProcessState) exit {
	if code := s.ExitCode(); code >= 0 {
		return exit{code: code}
	}
	return exit{code: -1, signal: strings.TrimPrefix(s.String(), "signal: ")}
}
