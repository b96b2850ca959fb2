package cli

import (
	"context"
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
	// budget bounds what all nodes together may say.
	budget *protocol.Budget

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
	return &engineConn{conn: conn, budget: c.budget}, nil
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
