package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/engine"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/secret"
)

func (b *bench) spec() string { return filepath.Join(b.dir, "pullway.yaml") }

// writeSpec writes a spec for the robot, or for admin with its password.
func (b *bench) writeSpec(password string) error {
	user := "robot$nodes"
	if password == "Harbor12345" {
		user = "admin"
	}
	if err := os.WriteFile(filepath.Join(b.dir, "password"), []byte(password), 0o600); err != nil {
		return err
	}
	return os.WriteFile(b.spec(), fmt.Appendf(nil, `apiVersion: pullway.dev/v1alpha1
kind: RegistryConfig
spec:
  registries:
    - host: 192.168.21.9
      endpoints: [{url: "http://192.168.21.9"}]
      auth: {username: %q, password: {file: password}}
  verify: {images: ["192.168.21.9/library/test-image:latest"]}
  rollout: {canary: 0, maxUnavailable: 100%%}
`, user), 0o600)
}

// run runs pullway in the lab's network.
func (b *bench) run(ctx context.Context, args ...string) error {
	args = append(args, "-i", b.lab.Inventory(), "--known-hosts", b.lab.KnownHosts())
	cmd := b.lab.Command(ctx, b.pullway, args...)
	cmd.Env = append(os.Environ(), "PULLWAY_STATE_DIR="+filepath.Join(b.dir, "state"))
	out, err := cmd.CombinedOutput()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		b.lastRSS = usage.Maxrss
	}
	if err != nil {
		return fmt.Errorf("pullway %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// ssh runs one command on every node at once, with the ssh program.
func (b *bench) ssh(ctx context.Context, command string) error {
	var wg sync.WaitGroup
	errs := make([]error, len(b.lab.Nodes()))
	for i, n := range b.lab.Nodes() {
		wg.Go(func() {
			cmd := b.lab.Command(ctx, "ssh", "-F", "none", "-i", b.lab.SSHKey(), "-o", "UserKnownHostsFile="+b.lab.KnownHosts(),
				"-o", "BatchMode=yes", "-p", strconv.Itoa(n.SSHPort), "root@"+n.Addr.String(), command)
			if out, err := cmd.CombinedOutput(); err != nil {
				errs[i] = fmt.Errorf("ssh %s: %w: %s", n.Name, err, out)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// startup is how long the CLI takes to say its version: the median of ten.
func (b *bench) startup(ctx context.Context) (time.Duration, error) {
	var all []time.Duration
	for range 10 {
		d, err := timed(func() error { return b.lab.Command(ctx, b.pullway, "version").Run() })
		if err != nil {
			return 0, err
		}
		all = append(all, d)
	}
	return median(all), nil
}

// engine is the size of the engine in bytes, and its peak memory on a node in
// KiB while it makes a plan, as the kernel tells its parent.
func (b *bench) engine(ctx context.Context) (size, rss int64, err error) {
	e, err := engine.Embedded().For("amd64")
	if err != nil {
		return 0, 0, err
	}
	l, err := config.Load(ctx, b.spec(), secret.System())
	if err != nil {
		return 0, 0, err
	}
	wire := l.Desired.ToWire()
	line, err := protocol.Encode(protocol.Request{Op: protocol.OpPlan, Desired: &wire})
	if err != nil {
		return 0, 0, err
	}
	script := fmt.Sprintf(`python3 -c 'import resource, subprocess, sys
p = subprocess.run(["/var/lib/pullway/engine/pullway-node-%s", "serve"], stdin=sys.stdin, stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)'`, e.SHA256)
	out, err := b.lab.Nodes()[0].ExecInput(ctx, script, bytes.NewReader(line))
	if err != nil {
		return 0, 0, err
	}
	rss, err = strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	return e.Size, rss, err
}
