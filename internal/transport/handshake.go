package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

// handshake makes an SSH connection over nc, which it owns from now on. It is
// bounded by ctx alone.
func handshake(ctx context.Context, nc net.Conn, h hop, keys hostKeys, agentSocket string) (*ssh.Client, error) {
	algorithms, err := keys.algorithms()
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	creds := gatherCredentials(ctx, h, agentSocket)
	defer creds.close()
	trusted := false
	config := &ssh.ClientConfig{
		User:              h.user,
		Auth:              creds.methods(h),
		HostKeyAlgorithms: algorithms,
		ClientVersion:     "SSH-2.0-Pullway",
		HostKeyCallback: func(name string, remote net.Addr, key ssh.PublicKey) error {
			err := keys.check(name, remote, key)
			trusted = err == nil
			return err
		},
		AuthCallback: func(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			creds.accepts = c.AllowedMethods
			return nil, nil
		},
	}
	type result struct {
		client *ssh.Client
		err    error
	}
	done := make(chan result, 1)
	go func() {
		conn, chans, reqs, err := ssh.NewClientConn(nc, h.addr(), config)
		if err != nil {
			done <- result{err: withComplaint(explain(err, h, creds, trusted), nc)}
			return
		}
		done <- result{client: ssh.NewClient(conn, chans, reqs)}
	}()
	select {
	case r := <-done:
		return r.client, r.err
	case <-ctx.Done():
		_ = nc.Close() // ends the handshake
		go func() {
			if r := <-done; r.client != nil {
				_ = r.client.Close()
			}
		}()
		return nil, noAnswer(ctx, h)
	}
}

// explain says why a handshake failed: our own error for the host key, the
// network's, or, once the host was trusted, that it let nobody in.
func explain(err error, h hop, creds *credentials, trusted bool) *Error {
	var own *Error
	var algo *ssh.AlgorithmNegotiationError
	var network net.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &algo):
		return fault(KindUnreachable, "its SSH server is too old or too strict for this program", err, "%s and we have no algorithm in common: %v", h.addr(), algo)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network), errors.Is(err, net.ErrClosed):
		hint := ""
		if !trusted {
			hint = "is an SSH server there, and has it room for one more (MaxStartups)?"
		}
		return fault(KindUnreachable, hint, err, "%s hung up during the SSH handshake: %s", h.addr(), reasonOf(err))
	case trusted:
		return creds.refused(h, err)
	}
	return fault(KindUnreachable, "is an SSH server there?", err, "%s does not speak SSH with us: %s", h.addr(), reasonOf(err))
}

// withComplaint adds what a ProxyCommand said to the error of its connection.
func withComplaint(e *Error, nc net.Conn) error {
	if p, ok := nc.(*proxyConn); ok && e.Kind == KindUnreachable {
		_ = p.Close() // waits for its last words
		if said := p.said.lastLine(); said != "" {
			e.Text = oneLine(e.Text + "; ProxyCommand says: " + said)
		}
	}
	return e
}

// noAnswer is the error for a context that ended: our own time limit or the caller's.
func noAnswer(ctx context.Context, h hop) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, errConnectTimeout) {
		return fault(KindUnreachable, "is the address right, and does a firewall let us through?", os.ErrDeadlineExceeded, "%s gave no answer within %s", h.addr(), h.timeout)
	}
	return fault(KindClosed, "", cause, "stopped while connecting to %s: %v", h.addr(), cause)
}

var errConnectTimeout = errors.New("connect timeout")

// unreachable is the error for a connection that was not made.
func unreachable(ctx context.Context, h hop, err error) error {
	if ctx.Err() != nil {
		return noAnswer(ctx, h)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return fault(KindUnreachable, "set ansible_host to an address", err, "host %q cannot be looked up: %s", h.host, dns.Err)
	}
	return fault(KindUnreachable, "is the node up, and are the address, the port and the firewall between right?", err, "no connection to %s: %s", h.addr(), reasonOf(err))
}

// A dead link is noticed after keepAliveEvery plus keepAliveLimit, 15 seconds.
const (
	keepAliveEvery = 5 * time.Second
	keepAliveLimit = 10 * time.Second
)

// keepAlive asks the server for a sign of life until the connection ends. When
// none comes within limit, it calls dead, which must end the connection.
func keepAlive(client *ssh.Client, every, limit time.Duration, dead func()) {
	ended := make(chan struct{})
	go func() { _ = client.Wait(); close(ended) }()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		answered := make(chan struct{})
		go func() {
			// Any answer will do; servers refuse the request, and are alive.
			_, _, _ = client.SendRequest("keepalive@openssh.com", true, nil)
			close(answered)
		}()
		timer := time.NewTimer(limit)
		select {
		case <-ended:
		case <-answered:
		case <-timer.C:
			dead()
		}
		timer.Stop()
	}
}
