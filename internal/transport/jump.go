package transport

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// maxHops bounds a chain of jump hosts, so that a circle in SSH configuration ends.
const maxHops = 8

// route lists the hops to h, the nearest first and h last.
func route(s settings, h hop, depth int) ([]hop, error) {
	if depth > maxHops {
		return nil, fault(KindUnreachable, "look for a circle of ProxyJump in the SSH configuration", nil, "more than %d jump hosts on the way", maxHops)
	}
	if h.jump == "" {
		return []hop{h}, nil
	}
	var hops []hop
	for i, spec := range strings.Split(h.jump, ",") {
		j, err := s.jumpHost(spec)
		if err != nil {
			return nil, err
		}
		if i > 0 { // reached through the one before it, whatever its own configuration says
			hops = append(hops, j)
			continue
		}
		if hops, err = route(s, j, depth+1); err != nil {
			return nil, err
		}
	}
	if len(hops) > maxHops {
		return nil, fault(KindUnreachable, "", nil, "more than %d jump hosts on the way", maxHops)
	}
	return append(hops, h), nil
}

// jumps shares connections to jump hosts among the nodes behind them. A bastion
// would refuse a fleet that knocks all at once (MaxStartups 10:30:100).
type jumps struct {
	mu   sync.Mutex
	open map[string]*jump
}

type jump struct {
	users  int
	ready  chan struct{} // closed when client or err is set
	client *ssh.Client
	err    error
	// release gives the jump before this one back.
	release func()
}

// get returns a connection to the last of hops and a function that gives it back.
// dial makes one where there is none; its success does not depend on ctx, since
// others may wait for the same connection.
func (j *jumps) get(ctx context.Context, hops []hop, dial func(context.Context, []hop) (*ssh.Client, func(), error)) (*ssh.Client, func(), error) {
	id := routeID(hops)
	j.mu.Lock()
	e := j.open[id]
	if e == nil {
		e = &jump{ready: make(chan struct{})}
		if j.open == nil {
			j.open = map[string]*jump{}
		}
		j.open[id] = e
		go j.connect(context.WithoutCancel(ctx), id, e, hops, dial)
	}
	e.users++
	j.mu.Unlock()

	var once sync.Once
	release := func() { once.Do(func() { j.put(id, e) }) }
	select {
	case <-e.ready:
	case <-ctx.Done():
		release()
		return nil, nil, noAnswer(ctx, hops[len(hops)-1])
	}
	if e.err != nil {
		release()
		return nil, nil, e.err
	}
	return e.client, release, nil
}

func (j *jumps) connect(ctx context.Context, id string, e *jump, hops []hop, dial func(context.Context, []hop) (*ssh.Client, func(), error)) {
	client, release, err := dial(ctx, hops)
	j.mu.Lock()
	e.client, e.release, e.err = client, release, err
	unused := e.users == 0
	if err != nil {
		j.forget(id, e)
	}
	close(e.ready)
	j.mu.Unlock()
	switch {
	case err != nil:
	case unused:
		e.shut()
	default: // a connection that ends is not given to anybody else
		_ = client.Wait()
		j.mu.Lock()
		j.forget(id, e)
		j.mu.Unlock()
	}
}

// put gives e back; the last user closes it.
func (j *jumps) put(id string, e *jump) {
	j.mu.Lock()
	e.users--
	last := e.users == 0
	if last {
		j.forget(id, e)
	}
	made := e.client != nil
	j.mu.Unlock()
	if last && made {
		e.shut()
	}
}

// forget takes e out of the table, unless another took its place.
func (j *jumps) forget(id string, e *jump) {
	if j.open[id] == e {
		delete(j.open, id)
	}
}

func (e *jump) shut() {
	_ = e.client.Close()
	e.release()
}

// routeID tells two routes apart.
func routeID(hops []hop) string {
	var b strings.Builder
	for _, h := range hops {
		fmt.Fprintf(&b, "%s\x00%s\x00%s\x00%s\x00%v\x01", h.alias, h.user, h.addr(), h.proxyCommand, h.keys)
	}
	return b.String()
}

// reach makes the raw connection to the last of hops, and a function that gives
// the way there back.
func (d *Dialer) reach(ctx context.Context, hops []hop) (net.Conn, func(), error) {
	h := hops[len(hops)-1]
	if len(hops) == 1 {
		if h.proxyCommand != "" {
			nc, err := startProxyCommand(h)
			return nc, func() {}, err
		}
		nc, err := d.dialTCP(ctx, "tcp", h.addr())
		if err != nil {
			return nil, nil, unreachable(ctx, h, err)
		}
		return nc, func() {}, nil
	}
	via, release, err := d.jumps.get(ctx, hops[:len(hops)-1], d.connectJump)
	if err != nil {
		return nil, nil, err
	}
	nc, err := via.DialContext(ctx, "tcp", h.addr())
	if err != nil {
		release()
		return nil, nil, throughJump(ctx, hops, err)
	}
	return nc, release, nil
}

// connectJump connects to a jump host.
func (d *Dialer) connectJump(ctx context.Context, hops []hop) (*ssh.Client, func(), error) {
	h := hops[len(hops)-1]
	client, release, err := d.client(ctx, hops, func(string) {})
	if err != nil {
		if e, ok := err.(*Error); ok {
			named := *e
			named.Text = "jump host " + h.alias + ": " + e.Text
			err = &named
		}
		return nil, nil, err
	}
	go keepAlive(client, d.keepEvery(), d.keepLimit(), func() { _ = client.Close() })
	return client, release, nil
}

// throughJump explains why a jump host makes no connection to what is behind it.
func throughJump(ctx context.Context, hops []hop, err error) error {
	h, via := hops[len(hops)-1], hops[len(hops)-2]
	if ctx.Err() != nil {
		return noAnswer(ctx, h)
	}
	if refused, ok := err.(*ssh.OpenChannelError); ok {
		hint := ""
		if refused.Reason == ssh.Prohibited {
			hint = "AllowTcpForwarding must be on there"
		}
		return fault(KindUnreachable, hint, err, "jump host %s makes no connection to %s: %s", via.alias, h.addr(), refused.Message)
	}
	return fault(KindUnreachable, "", err, "jump host %s was lost while it connected to %s", via.alias, h.addr())
}
