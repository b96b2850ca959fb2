package daemon

import (
	"context"
	"sync"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Bus keeps one connection to systemd between questions: to make one costs the
// node more than to ask. A nil Bus makes one for each. It is safe for concurrent use.
type Bus struct {
	mu   sync.Mutex
	kept *dbus.Conn
	// connect is nil but in tests.
	connect func(context.Context) (*dbus.Conn, error)
}

// open gives a connection; done is called when the caller needs it no more.
func (b *Bus) open(ctx context.Context) (conn *dbus.Conn, done func(), err error) {
	if b == nil {
		conn, err = systemBus(ctx)
		if err != nil {
			return nil, nil, err
		}
		return conn, conn.Close, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept != nil && !b.kept.Connected() {
		b.kept.Close()
		b.kept = nil
	}
	if b.kept == nil {
		connect := b.connect
		if connect == nil {
			connect = systemBus
		}
		// The connection outlives this question, and would end with its context.
		if b.kept, err = connect(context.WithoutCancel(ctx)); err != nil {
			b.kept = nil
			return nil, nil, err
		}
	}
	return b.kept, func() {}, nil
}

// Close ends the connection. The Bus may be used again.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept != nil {
		b.kept.Close()
		b.kept = nil
	}
}

// systemBus connects to systemd: directly, which spares the node the way through
// its message bus, or by that.
func systemBus(ctx context.Context) (*dbus.Conn, error) {
	if conn, err := dbus.NewSystemdConnectionContext(ctx); err == nil {
		return conn, nil
	}
	return dbus.NewSystemConnectionContext(ctx)
}
