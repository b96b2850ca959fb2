package daemon

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pullway/pullway/internal/containerd"
)

const (
	// versionTime bounds `containerd --version`, socketTime the same question to
	// the daemon itself.
	versionTime = 5 * time.Second
	socketTime  = time.Second
)

// AskRelease asks the daemon whose socket is at address for its release.
type AskRelease func(ctx context.Context, address string) (containerd.Release, error)

// askRelease learns the release of what runs. The daemon itself is asked when
// the kernel says that it is this process that listens at its socket; otherwise
// its binary is, whose start costs a node more time than all the rest of a look.
func (d *Daemon) askRelease(ctx context.Context) error {
	if d.opt.Release != nil && d.PID != 0 && listener(d.Address()) == d.PID {
		asking, cancel := context.WithTimeout(ctx, socketTime)
		r, err := d.opt.Release(asking, d.Address())
		cancel()
		if err == nil {
			d.Release = r
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, versionTime)
	defer cancel()
	out, err := d.opt.Run(ctx, Command{Path: d.binary(), Argv: d.argv("--version")})
	if err != nil {
		return fmt.Errorf("release of %s: %s", d.Exe, oneLine(err.Error()))
	}
	r, err := containerd.ParseRelease(oneLine(string(out.Stdout)))
	if err != nil {
		return fmt.Errorf("release of %s: %s", d.Exe, oneLine(err.Error()))
	}
	d.Release = r
	return nil
}

// listener is the process that listens at a unix socket, or 0. It does not wait:
// a queue that is full is as good as no socket.
func listener(address string) int {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was sent
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: address}); err != nil {
		return 0
	}
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0
	}
	return int(peer.Pid)
}
