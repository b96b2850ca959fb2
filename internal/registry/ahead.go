package registry

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// ahead is a connection that is begun before it is needed, so that a host where nobody
// answers has had its time-out by then.
type ahead struct {
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	address string
	direct  bool

	mu   sync.Mutex
	made chan dialled // nil while none is begun, or it was taken
	end  context.CancelFunc
}

type dialled struct {
	conn net.Conn
	err  error
}

// aheadOf puts itself in front of an asker's dialler.
func aheadOf(a *asker, opt Options) *ahead {
	h := &ahead{dial: a.transport.DialContext, address: net.JoinHostPort(a.root.Hostname(), port(a.root)), direct: true, end: func() {}}
	if a.transport.Proxy != nil {
		u, err := a.transport.Proxy(&http.Request{URL: a.root})
		h.direct = u == nil && err == nil
	}
	a.transport.DialContext = h.connect
	return h
}

// Ahead begins to connect. Nothing is sent before the host is asked.
func (v *Visit) Ahead(ctx context.Context) { v.ahead.begin(v.s.watch(ctx)) }

func (h *ahead) begin(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.made != nil || !h.direct {
		return
	}
	ctx, h.end = context.WithCancel(ctx)
	made := make(chan dialled, 1)
	h.made = made
	go func() {
		c, err := h.dial(ctx, "tcp", h.address)
		made <- dialled{c, err}
	}()
}

// connect takes the connection that was begun, once, and makes others itself.
func (h *ahead) connect(ctx context.Context, network, address string) (net.Conn, error) {
	h.mu.Lock()
	made := h.made
	if address != h.address {
		made = nil
	}
	if made != nil {
		h.made = nil
	}
	h.mu.Unlock()
	if made == nil {
		return h.dial(ctx, network, address)
	}
	select {
	case d := <-made:
		return d.conn, d.err
	case <-ctx.Done():
		go drop(made)
		return nil, ctx.Err()
	}
}

func drop(made chan dialled) {
	if d := <-made; d.conn != nil {
		_ = d.conn.Close()
	}
}

func (h *ahead) close() {
	h.mu.Lock()
	made, end := h.made, h.end
	h.made, h.direct = nil, false
	h.mu.Unlock()
	end()
	if made != nil {
		go drop(made)
	}
}
