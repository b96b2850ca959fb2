package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

// sshRunner runs commands over one SSH connection.
type sshRunner struct {
	client *ssh.Client
	// release gives the jump hosts back; never nil.
	release func()
	// dead is set when the link was given up because nothing came over it.
	dead atomic.Bool
}

// run opens a channel and sends the command. It waits for the channel and not
// for the server's nod to the command: what the script says is answer enough, and
// standard input may travel right behind. There is no terminal and no environment.
func (s *sshRunner) run(ctx context.Context, argv []string) (command, error) {
	type result struct {
		ch   ssh.Channel
		reqs <-chan *ssh.Request
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		ch, reqs, err := s.client.OpenChannel("session", nil)
		opened <- result{ch, reqs, err}
	}()
	var r result
	select {
	case r = <-opened:
	case <-ctx.Done():
		go func() {
			if r := <-opened; r.err == nil {
				go ssh.DiscardRequests(r.reqs)
				_ = r.ch.Close()
			}
		}()
		return nil, fault(KindClosed, "", context.Cause(ctx), "stopped: %v", context.Cause(ctx))
	}
	if r.err != nil {
		return nil, s.openError(r.err)
	}
	c := &sshCommand{Channel: r.ch, runner: s, ended: make(chan struct{}), cut: make(chan struct{})}
	go c.follow(r.reqs)
	line := struct{ Command string }{commandLine(argv)}
	if _, err := r.ch.SendRequest("exec", false, ssh.Marshal(line)); err != nil {
		_ = r.ch.Close()
		return nil, s.lost(err)
	}
	return c, nil
}

func (s *sshRunner) openError(err error) error {
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return fault(KindUnreachable, "MaxSessions of the node's SSH server must be at least 1", err, "the SSH server opens no session: %s", refused.Message)
	}
	return s.lost(err)
}

// lost is the error of a connection that is no more.
func (s *sshRunner) lost(cause error) error {
	if s.dead.Load() {
		return fault(KindClosed, "", cause, "the connection is dead: nothing came over it for %s", keepAliveEvery+keepAliveLimit)
	}
	return fault(KindClosed, "", cause, "the connection was lost")
}

// giveUp ends a connection over which nothing comes any more.
func (s *sshRunner) giveUp() {
	s.dead.Store(true)
	_ = s.client.Close()
}

// close implements runner.
func (s *sshRunner) close() error {
	err := s.client.Close()
	s.release()
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || s.dead.Load() {
		return nil // it was gone already
	}
	return err
}

// sshCommand is a command on a channel.
type sshCommand struct {
	ssh.Channel
	runner *sshRunner
	ended  chan struct{} // closed with the channel
	exit   exit          // valid once ended is closed
	known  bool
	cut    chan struct{} // closed when the channel ended without an exit status
}

// Errors implements command.
func (c *sshCommand) Errors() io.Reader { return c.Stderr() }

// follow reads what the server says of the command until the channel ends.
func (c *sshCommand) follow(reqs <-chan *ssh.Request) {
	defer func() {
		if !c.known {
			close(c.cut)
		}
		close(c.ended)
	}()
	for req := range reqs {
		switch req.Type {
		case "exit-status":
			var m struct{ Status uint32 }
			if ssh.Unmarshal(req.Payload, &m) == nil {
				c.exit, c.known = exit{code: int(m.Status)}, true
			}
		case "exit-signal":
			var m struct {
				Signal     string
				Core       bool
				Text, Lang string
			}
			if ssh.Unmarshal(req.Payload, &m) == nil {
				c.exit, c.known = exit{code: -1, signal: oneLine(m.Signal)}, true
			}
		}
		if req.WantReply {
			_ = req.Reply(false, nil)
		}
	}
}

// Cut implements command.
func (c *sshCommand) Cut() <-chan struct{} { return c.cut }

// Wait implements command.
func (c *sshCommand) Wait() (exit, error) {
	<-c.ended
	if !c.known {
		return exit{}, c.runner.lost(nil)
	}
	return c.exit, nil
}
