//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pullway/pullway/internal/failpoint/script"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/test/lab"
)

// struckEngine is where the engine with failpoints lies on a node.
const struckEngine = "/var/lib/pullway/engine/pullway-node-struck"

// faultNode is a node whose engine is asked directly, without ssh and operator, so
// that nobody contacts it but the test.
type faultNode struct {
	*lab.Node
	// root is the node's file system as this machine sees it while the node runs.
	root string
}

// buildStruckEngine builds the engine with failpoints.
func buildStruckEngine(dir string) (string, error) {
	bin := filepath.Join(dir, "pullway-node")
	cmd := exec.Command("go", "build", "-tags", "failpoints", "-o", bin, "./cmd/pullway-node")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the engine with failpoints: %w: %s", err, out)
	}
	return bin, nil
}

// newFaultNode puts the engine on a node.
func newFaultNode(n *lab.Node, engine string) (*faultNode, error) {
	f := &faultNode{Node: n}
	if err := f.find(); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(engine)
	if err != nil {
		return nil, err
	}
	path := f.root + struckEngine
	return f, errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o755))
}

// find looks where the node's files are; it is another place after a reboot.
func (f *faultNode) find() error {
	socket, err := f.Socket()
	f.root = strings.TrimSuffix(socket, "/run/containerd/containerd.sock")
	return err
}

func (f *faultNode) has(path string) bool {
	_, err := os.Lstat(f.root + path)
	return err == nil
}

// order gives the next engine its orders.
func (f *faultNode) order(o script.Orders) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_ = os.Remove(f.root + script.File + ".struck")
	return os.WriteFile(f.root+script.File, b, 0o600)
}

// struck tells whether a strike was carried out.
func (f *faultNode) struck() bool { return f.has(script.File + ".struck") }

// conversation is an engine at work.
type conversation struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	done  chan struct{}
	reply *protocol.Reply // nil when it ended without one
}

// start asks the engine and returns while it works. A proven change is confirmed.
func (f *faultNode) start(ctx context.Context, req protocol.Request) (*conversation, error) {
	argv, err := f.ExecArgs(struckEngine, "serve")
	if err != nil {
		return nil, err
	}
	c := &conversation{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), done: make(chan struct{})}
	// A reader that outlives a killed engine must not hold us.
	c.cmd.WaitDelay = time.Second
	in, err1 := c.cmd.StdinPipe()
	out, err2 := c.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, c.cmd.Start()); err != nil {
		return nil, err
	}
	c.in = in
	go func() {
		defer close(c.done)
		c.reply, _ = protocol.Converse(in, out, req, func(e protocol.Event) *protocol.Control {
			if e.Step != protocol.StepProven {
				return nil
			}
			return &protocol.Control{Confirm: true}
		})
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = c.cmd.Wait()
	}()
	return c, nil
}

// ended tells whether an engine that was frozen is gone. The nsenter that carries it
// stopped with it, and would have it go on when it goes on itself: it is let go
// only when nothing runs any more.
func (f *faultNode) ended(ctx context.Context, c *conversation) bool {
	if _, err := f.Exec(ctx, "! pgrep -r D,R,S,T,t pullway-node"); err != nil {
		return false
	}
	_ = c.cmd.Process.Signal(syscall.SIGCONT)
	return await(ctx, 5*time.Second, c.over)
}

func (c *conversation) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// do asks the engine and waits for its reply.
func (f *faultNode) do(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	c, err := f.start(ctx, req)
	if err != nil {
		return nil, err
	}
	<-c.done
	switch {
	case c.reply == nil:
		return nil, fmt.Errorf("%s: the engine ended without a reply", f.Name)
	case c.reply.Error != nil:
		return c.reply, c.reply.Error
	}
	return c.reply, nil
}

// contact settles the node as the next command of an operator would, waiting for a
// holder of the lock to be counted as dead.
func (f *faultNode) contact(ctx context.Context) error {
	for {
		_, err := f.do(ctx, protocol.Request{Op: protocol.OpRecover, Run: "contact"})
		var told *protocol.Error
		if !errors.As(err, &told) || told.Kind != protocol.ErrLocked || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// leftovers lists what of Pullway is on the node that should not be, beside its
// records; empty when it is clean.
func (f *faultNode) leftovers(ctx context.Context) (string, error) {
	out, err := f.Exec(ctx, `
find /etc/containerd \( -name '*.pullway-*' -o -name '.pullway-*' -o -name '*.invalid' \) -print
find /var/lib/pullway -path /var/lib/pullway/engine -prune -o \( -name '*.new' -o -name 'journal*' -o -name '*.tmp' \) -print
for t in /var/lib/pullway/transactions/*/; do test ! -d "$t" || test -f "$t/record.json" || echo "$t without a record"; done
test ! -e /var/lib/pullway/lock || flock -n /var/lib/pullway/lock true || echo "the lock is held"
pgrep -a -r D,R,S,T,t pullway-node
ls -d /etc/systemd/system/pullway* /etc/systemd/system/*/pullway* /run/systemd/transient/pullway* 2>/dev/null
systemctl list-units --all --plain --no-legend 'pullway*'
true`)
	if err != nil {
		return "", err
	}
	images, err := f.CRIImages(ctx)
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(images, func(name string) bool { return strings.HasPrefix(name, "pullway-probe") }); i >= 0 {
		out += "image " + images[i]
	}
	return strings.TrimSpace(out), nil
}

// watched tells whether the switch's timer runs.
func (f *faultNode) watched(ctx context.Context) bool {
	_, err := f.Exec(ctx, "systemctl --quiet is-active pullway-deadman.timer")
	return err == nil
}

// await polls until ok, or until limit has passed, and reports whether it is.
func await(ctx context.Context, limit time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(limit); !ok(); {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}
