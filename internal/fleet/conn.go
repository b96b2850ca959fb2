package fleet

import (
	"context"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// Conn is a way to one node that is open. Its methods are called by one
// goroutine at a time.
type Conn interface {
	// Do starts the engine with req and returns its reply. on is called for each
	// event in turn; what it returns, when not nil, is sent to the engine. An
	// error means that no reply came: the line broke, or ctx ended, upon which Do
	// tells the engine of an apply to undo what is not committed, and returns soon,
	// with its reply when that comes in time. A Conn may be used again after an error-free Do.
	Do(ctx context.Context, req protocol.Request, on func(protocol.Event) *protocol.Control) (*protocol.Reply, error)
	// Close gives the connection back, and returns soon. It is called once.
	Close() error
}

// Connector opens ways to nodes. It is called by many goroutines at once. An
// error of it passes on a hint by a method Hint() string, or by holding a
// *protocol.Error.
type Connector interface {
	Connect(ctx context.Context, node string) (Conn, error)
}

// Target is a node to work on.
type Target struct {
	Name string
	// ControlPlane nodes are changed one by one; Policy says when.
	ControlPlane bool
	// Group is the one of Policy.Groups that the node is in; empty for none.
	Group string
}

// DefaultLimit is how many nodes are talked to at once where nothing is changed.
const DefaultLimit = 64

// Timeouts bound what one node may take. A zero field means its default.
type Timeouts struct {
	// Connect includes sending the engine to the node. Default: 60 s.
	Connect time.Duration
	// Plan is for one plan. Default: 60 s.
	Plan time.Duration
	// Apply is for one apply or undo, without ConfirmWithin. Default: 10 min.
	Apply time.Duration
	// Play is what the player may take beyond Apply. Default: 60 min.
	Play time.Duration
	// Settle is for asking a node what became of a change whose line broke, beyond
	// ConfirmWithin: it may have to undo a restart first. Default: 3 min.
	Settle time.Duration
	// Gate is for one question to the gate. Default: 10 min, so that a gate that
	// bounds itself, as it should, is never cut short.
	Gate time.Duration
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&t.Connect, time.Minute)
	set(&t.Plan, time.Minute)
	set(&t.Apply, 10*time.Minute)
	set(&t.Play, time.Hour)
	set(&t.Settle, 3*time.Minute)
	set(&t.Gate, 10*time.Minute)
	return t
}

// connect opens a connection within the time given; what fails is unreachable.
func connect(ctx context.Context, c Connector, node string, within time.Duration) (Conn, *NodeError) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	conn, err := c.Connect(ctx, node)
	if err != nil {
		return nil, newNodeError(node, ErrUnreachable, err)
	}
	return conn, nil
}
