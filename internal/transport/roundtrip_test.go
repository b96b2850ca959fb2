package transport

import (
	"bufio"
	"context"
	"net"
	"sync"
	"testing"
)

// countingConn counts round trips: answers that came after something was sent.
// It does not look at a clock.
type countingConn struct {
	net.Conn
	mu    *sync.Mutex
	sent  bool
	trips *int
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.sent = true
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	if c.sent && n > 0 {
		c.sent = false
		*c.trips++
	}
	c.mu.Unlock()
	return n, err
}

func TestRoundTrips(t *testing.T) {
	s := serve(t, nil)
	d := dialer(t)
	var mu sync.Mutex
	trips := 0
	d.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &countingConn{Conn: nc, mu: &mu, trips: &trips}, err
	}
	count := func(f func()) int {
		mu.Lock()
		before := trips
		mu.Unlock()
		f()
		mu.Lock()
		defer mu.Unlock()
		return trips - before
	}
	c := connect(t, d, node(t, s.addr))
	// The answer to the request is waited for, the end of the run is not.
	ask := func() {
		p, err := c.StartWith(t.Context(), []byte("request\n"))
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(p.Stdout())
		for range 2 {
			if _, err := r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := count(ask)
	// Missing (2), upload: open, go, stored (3), start again (2), and a message
	// that closes each of the first two channels.
	if first > 10 {
		t.Errorf("a start with an upload took %d round trips, want at most 10", first)
	}
	second := count(ask)
	// Opening the channel, and the command with the request behind it. The
	// server's messages after the answer may be counted as one more.
	if second > 3 {
		t.Errorf("a start took %d round trips up to the answer, want 2", second)
	}
	t.Logf("round trips up to the first answer: %d with an upload, %d without", first, second)
}
