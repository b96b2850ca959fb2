package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/secret"
	"github.com/pullway/pullway/internal/transport"
)

// connector reaches nodes for the fleet: transport carries, protocol speaks.
type connector struct {
	dialer  *transport.Dialer
	targets map[string]transport.Target

	mu       sync.Mutex
	warnings map[string]bool
	warn     func(text, hint string)
}

// Connect implements fleet.Connector.
func (c *connector) Connect(ctx context.Context, node string) (fleet.Conn, error) {
	t, ok := c.targets[node]
	if !ok {
		return nil, fmt.Errorf("node %q is not in the inventory", node)
	}
	conn, err := c.dialer.Connect(ctx, t)
	if err != nil {
		return nil, told(err)
	}
	c.pass(conn.Facts().Warnings)
	return &engineConn{conn}, nil
}

// pass tells each warning once: twenty nodes of one inventory say the same.
func (c *connector) pass(warnings []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range warnings {
		if c.warn != nil && !c.warnings[w] {
			if c.warnings == nil {
				c.warnings = map[string]bool{}
			}
			c.warnings[w] = true
			c.warn(w, "")
		}
	}
}

// engineConn is a connection over which engines are started.
type engineConn struct{ conn transport.Conn }

// Do implements fleet.Conn: it starts an engine for the one request.
func (c *engineConn) Do(ctx context.Context, req protocol.Request, on func(protocol.Event) *protocol.Control) (*protocol.Reply, error) {
	line, err := protocol.Encode(req)
	if err != nil {
		return nil, err
	}
	p, err := c.conn.StartWith(ctx, line)
	if err != nil {
		return nil, told(err)
	}
	reply, err := protocol.Listen(p.Stdin(), p.Stdout(), on)
	if err == nil {
		_ = p.Stdin().Close()
		_ = p.Wait() // the reply has said it all; the engine's status adds nothing
		return reply, nil
	}
	p.Kill()
	if we := p.Wait(); we != nil && errors.Is(err, protocol.ErrNoReply) {
		return nil, told(we)
	}
	return nil, err
}

// Close implements fleet.Conn.
func (c *engineConn) Close() error { return c.conn.Close() }

// told turns a transport error into one whose kind and hint the fleet passes on.
func told(err error) error {
	te, ok := sshKind(err)
	if !ok {
		return err
	}
	return &protocol.Error{Kind: protocol.ErrorKind(te.Kind), Text: te.Text, Hint: te.Hint}
}

// secretOfEnv reads a password from the environment variable a flag names.
func secretOfEnv(flag, name string) (secret.Value, error) {
	if name == "" {
		return secret.Value{}, nil
	}
	v := os.Getenv(name)
	if v == "" {
		return secret.Value{}, envError(flag, name)
	}
	return secret.New(v), nil
}
