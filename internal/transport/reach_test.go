package transport

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// listen answers every connection with f.
func listen(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { f(c); _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

func TestUnreachable(t *testing.T) {
	refused := listen(t, func(net.Conn) {})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	silent := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	web := listen(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
	endless := listen(t, func(c net.Conn) {
		for {
			if _, err := c.Write([]byte(strings.Repeat("x", 1000))); err != nil {
				return
			}
		}
	})
	cases := map[string]struct {
		target Target
		says   string
	}{
		"nobody listens":       {node(t, closed.Addr().String()), "connection refused"},
		"it hangs up":          {node(t, refused), "hung up"},
		"it says nothing":      {node(t, silent), "no answer within 300ms"},
		"it is a web server":   {node(t, web), ""},
		"it talks nonsense":    {node(t, endless), ""},
		"no such name":         {Target{Name: "n1", Host: "no-such-host.invalid", User: "root"}, "cannot be looked up"},
		"a name for a shell":   {Target{Name: "n1", Host: "a;reboot", User: "root"}, "is no host name"},
		"an option as a name":  {Target{Name: "n1", Host: "-oProxyCommand=x", User: "root"}, "is no host name"},
		"a port out of range":  {Target{Name: "n1", Host: "192.0.2.1", Port: 70000, User: "root"}, "between 1 and 65535"},
		"a jump without end":   {Target{Name: "n1", Host: "192.0.2.1", User: "root", ProxyJump: "a:b:c"}, ""},
		"a jump that is empty": {Target{Name: "n1", Host: "192.0.2.1", User: "root", ProxyJump: ","}, "is no host name"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := dialer(t)
			d.Options.ConnectTimeout = 300 * time.Millisecond
			within(t, 5*time.Second, "Connect", func() {
				_, err := d.Connect(t.Context(), c.target)
				wantError(t, err, KindUnreachable, c.says)
			})
		})
	}
}

func TestCancelEndsConnect(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := listen(t, func(c net.Conn) { cancel(); _, _ = io.Copy(io.Discard, c) })
	within(t, 5*time.Second, "Connect", func() {
		_, err := dialer(t).Connect(ctx, node(t, addr))
		wantError(t, err, KindClosed, "canceled")
	})
}

func TestDeadLinkIsNoticed(t *testing.T) {
	s := serve(t, nil)
	d := dialer(t)
	d.every, d.limit = 20*time.Millisecond, 200*time.Millisecond
	cut := make(chan struct{})
	d.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &deadConn{Conn: nc, cut: cut}, err
	}
	c := connect(t, d, node(t, s.addr))
	p, err := c.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	close(cut)
	within(t, 5*time.Second, "a run over a dead link", func() {
		_, _ = io.ReadAll(p.Stdout())
		wantError(t, p.Wait(), KindClosed, "connection is dead")
	})
}

// deadConn swallows what is written once it is cut, like a pulled cable.
type deadConn struct {
	net.Conn
	cut chan struct{}
}

func (c *deadConn) Write(p []byte) (int, error) {
	select {
	case <-c.cut:
		return len(p), nil
	default:
		return c.Conn.Write(p)
	}
}

func TestJumpHostsAreShared(t *testing.T) {
	bastion, inner := serve(t, nil), serve(t, nil)
	a, b := serve(t, nil), serve(t, nil)
	d := dialer(t)
	chain := fmt.Sprintf("root@%s,root@%s", bastion.addr, inner.addr)
	var conns []Conn
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			target := node(t, []*testServer{a, b}[i%2].addr)
			target.ProxyJump = chain
			c, err := d.Connect(t.Context(), target)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			conns = append(conns, c)
		})
	}
	wg.Wait()
	if n := bastion.connections() - bastion.forwards; n != 1 {
		t.Errorf("10 nodes took %d connections to the bastion, want 1", n)
	}
	if n := inner.connections() - inner.forwards; n != 1 {
		t.Errorf("10 nodes took %d connections to the inner jump host, want 1", n)
	}
	if got := talk(t, conns[0], "x\n"); got != "hello\nx\n" {
		t.Errorf("the engine behind two jump hosts said %q", got)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	d.jumps.mu.Lock()
	defer d.jumps.mu.Unlock()
	if len(d.jumps.open) != 0 {
		t.Errorf("%d jump connections are left open", len(d.jumps.open))
	}
}

func TestJumpHostThatFails(t *testing.T) {
	bastion := serve(t, nil)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	d := dialer(t)
	d.Options.ConnectTimeout = 2 * time.Second
	t.Run("what is behind it is down", func(t *testing.T) {
		target := node(t, closed.Addr().String())
		target.ProxyJump = "root@" + bastion.addr
		_, err := d.Connect(t.Context(), target)
		wantError(t, err, KindUnreachable, "makes no connection to", "Connection refused")
	})
	t.Run("it is down", func(t *testing.T) {
		target := node(t, bastion.addr)
		target.ProxyJump = "root@" + closed.Addr().String()
		_, err := d.Connect(t.Context(), target)
		wantError(t, err, KindUnreachable, "jump host 127.0.0.1: no connection to", "connection refused")
	})
	t.Run("it is lost and comes back", func(t *testing.T) {
		end := serve(t, nil)
		target := node(t, end.addr)
		target.ProxyJump = "root@" + bastion.addr
		first := connect(t, d, target)
		p, err := first.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		bastion.drop()
		within(t, 5*time.Second, "a run behind a lost jump host", func() { wantError(t, p.Wait(), KindClosed) })
		for d.jumpsOpen() > 0 { // the loss is noticed in the background
			time.Sleep(time.Millisecond)
		}
		if got := talk(t, connect(t, d, target), ""); got != "hello\n" {
			t.Errorf("the engine said %q", got)
		}
	})
}

func (d *Dialer) jumpsOpen() int {
	d.jumps.mu.Lock()
	defer d.jumps.mu.Unlock()
	return len(d.jumps.open)
}

// relay is a ProxyCommand made of this test program.
func relay(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return "env PULLWAY_TEST_RELAY=%h:%p " + Quote(exe)
}

func TestProxyCommand(t *testing.T) {
	s := serve(t, nil)
	d := dialer(t)
	target := node(t, s.addr)
	target.SSHArgs = []string{"-o", "ProxyCommand=" + relay(t)}
	c := connect(t, d, target)
	if got := talk(t, c, "x\n"); got != "hello\nx\n" {
		t.Errorf("the engine said %q", got)
	}
	target.SSHArgs = []string{"-o", "ProxyCommand=echo no way through >&2; exit 1"}
	_, err := d.Connect(t.Context(), target)
	wantError(t, err, KindUnreachable, "hung up", "no way through")
}

func TestSSHConfigIsUsed(t *testing.T) {
	key, pub, _ := writeKey(t, "")
	end := serve(t, onlyKey(pub))
	bastion := serve(t, nil)
	host, port, _ := net.SplitHostPort(end.addr)
	_, jumpPort, _ := net.SplitHostPort(bastion.addr)
	d := dialer(t)
	d.Options.SSHConfig = filepath.Join(t.TempDir(), "config")
	config := fmt.Sprintf("Host worker-*\n  HostName %s\n  Port %s\n  User root\n  IdentityFile %s\n  ProxyJump gate\nHost gate\n  HostName 127.0.0.1\n  Port %s\n  User jumper\n",
		host, port, key, jumpPort)
	if err := os.WriteFile(d.Options.SSHConfig, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := connect(t, d, Target{Name: "worker-1"})
	if got := talk(t, c, ""); got != "hello\n" {
		t.Errorf("the engine said %q", got)
	}
	if bastion.forwards != 1 {
		t.Errorf("the jump host of the configuration forwarded %d times, want 1", bastion.forwards)
	}
}
