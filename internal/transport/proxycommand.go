package transport

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// proxyConn is a connection over the streams of a ProxyCommand.
type proxyConn struct {
	io.Reader
	io.WriteCloser
	cmd    *exec.Cmd
	stdout io.Closer
	said   tail // what the command complains of
	once   sync.Once
}

// startProxyCommand runs a ProxyCommand with /bin/sh, as ssh does. It is the
// operator's own command from the inventory or the SSH configuration; the tokens
// in it (%h, %p, %r, %n, %%) are plain words, which hop made sure of.
func startProxyCommand(h hop) (net.Conn, error) {
	line := strings.NewReplacer("%%", "%", "%h", h.host, "%n", h.alias, "%p", strconv.Itoa(h.port), "%r", h.user).Replace(h.proxyCommand)
	if !validHost(h.alias) {
		return nil, fault(KindUnreachable, "", nil, "%q is no host name for a ProxyCommand", h.alias)
	}
	if strings.ContainsAny(h.user, "\\") {
		return nil, fault(KindUnreachable, "", nil, "user %q cannot be given to a ProxyCommand", h.user)
	}
	cmd := exec.Command("/bin/sh", "-c", "exec "+line)
	cmd.SysProcAttr = ownSession()
	p := &proxyConn{cmd: cmd}
	cmd.Stderr = &p.said
	cmd.WaitDelay = time.Second // its children may hold on to standard error
	in, err := cmd.StdinPipe()
	if err == nil {
		var out io.ReadCloser
		if out, err = cmd.StdoutPipe(); err == nil {
			if err = cmd.Start(); err == nil {
				p.Reader, p.WriteCloser, p.stdout = out, in, out
				return p, nil
			}
		}
	}
	return nil, fault(KindUnreachable, "", err, "ProxyCommand cannot be started: %v", err)
}

// Close ends the command. It has a moment for its last words, which tell why a
// connection failed.
func (p *proxyConn) Close() error {
	p.once.Do(func() {
		_ = p.WriteCloser.Close()
		_ = p.stdout.Close()
		kill := time.AfterFunc(lastWords, func() { _ = p.cmd.Process.Kill() })
		defer kill.Stop()
		_ = p.cmd.Wait()
	})
	return nil
}

const lastWords = 300 * time.Millisecond

// The rest of net.Conn. There are no addresses and no deadlines: the handshake is
// bounded by closing the connection.

func (p *proxyConn) LocalAddr() net.Addr              { return noAddr }
func (p *proxyConn) RemoteAddr() net.Addr             { return noAddr }
func (p *proxyConn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (p *proxyConn) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (p *proxyConn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
