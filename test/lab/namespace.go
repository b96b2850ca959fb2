package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

func netnsPath(name string) string { return filepath.Join("/run/netns", name) }

// addresses are those at which something serves in the lab's own namespace.
func (l *Lab) addresses() []netip.Addr {
	var out []netip.Addr
	for _, r := range l.registries {
		out = append(out, netip.MustParseAddrPort(r.Spec.Addr).Addr())
	}
	if l.kube != nil {
		out = append(out, kubeAddr)
	}
	return out
}

// makeNamespace makes the lab's network: a bridge that carries the operator's
// address and those of what serves.
func makeNamespace(ctx context.Context, name string, serving []netip.Addr) error {
	if err := run(ctx, nil, "ip", "netns", "add", name); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "link set lo up\nlink add %s type bridge\naddr add %s/%d dev %s\n", bridge, Operator, subnetBits, bridge)
	seen := map[netip.Addr]bool{Operator: true}
	for _, a := range serving {
		if !seen[a] && !a.IsLoopback() {
			seen[a] = true
			fmt.Fprintf(&b, "addr add %s/%d dev %s\n", a, subnetBits, bridge)
		}
	}
	fmt.Fprintf(&b, "link set %s up\n", bridge)
	cmd := exec.CommandContext(ctx, "nsenter", "--net="+netnsPath(name), "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(b.String())
	_, err := finish(cmd, "")
	return err
}

// DialContext connects from within the lab's network: to a node or a registry,
// by address. It is of the form that http.Transport and SSH clients take.
func (l *Lab) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(addr); err != nil {
		host, port, serr := net.SplitHostPort(addr)
		if serr != nil {
			return nil, serr
		}
		a, ok := l.resolve(host)
		if !ok {
			return nil, fmt.Errorf("lab network: no host %q", host)
		}
		addr = net.JoinHostPort(a, port)
	}
	return dialIn(ctx, netnsPath(l.state.Netns), network, addr)
}

// resolve knows the names of hostsFile.
func (l *Lab) resolve(name string) (string, bool) {
	for _, n := range l.nodes {
		if n.Name == name {
			return n.Addr.String(), true
		}
	}
	for _, r := range l.registries {
		if r.Spec.Host == name {
			return netip.MustParseAddrPort(r.Spec.Addr).Addr().String(), true
		}
	}
	return "", false
}

// dialIn dials in another network namespace. A socket belongs to the namespace
// that its thread was in when it was made, so one thread goes there and comes back; addr
// must be an address, since a name would be looked up by other threads.
func dialIn(ctx context.Context, netns, network, addr string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			runtime.UnlockOSThread()
			done <- result{nil, err}
			return
		}
		defer home.Close()
		there, err := os.Open(netns)
		if err == nil {
			defer there.Close()
			err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			runtime.UnlockOSThread()
			done <- result{nil, fmt.Errorf("enter the lab's network: %w", err)}
			return
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		// A thread that cannot come back stays locked, and so ends with this goroutine.
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// Command prepares a command that runs on this machine but within the lab's network,
// and knows its host names.
func (l *Lab) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	argv := l.enter(append([]string{name}, args...))
	return exec.CommandContext(ctx, argv[0], argv[1:]...)
}

// enter puts the way into the lab's network before a command. A mount namespace of
// the command's own carries the lab's hosts file; mounts made outside later are
// seen in it, its own are not seen outside.
func (l *Lab) enter(argv []string) []string {
	return append([]string{
		"nsenter", "--net=" + netnsPath(l.state.Netns), "--",
		"unshare", "--mount", "--propagation", "slave", "--",
		"sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, l.path("hosts"),
	}, argv...)
}

// EnterArgs is Command for a caller that execs by itself, such as a Makefile's
// shell: the words to put before a command.
func (l *Lab) EnterArgs() []string { return l.enter(nil) }
