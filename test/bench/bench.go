package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pullway/pullway/test/lab"
)

// commandTime bounds one command of any kind: what takes longer hangs.
const commandTime = 10 * time.Minute

// bench is one run of the benchmark.
type bench struct {
	options
	lab     *lab.Lab
	dir     string
	pullway string
	began   time.Time

	whole, few samples
	simulated  map[string]float64
	start      time.Duration // of pullway version
	memory     int64         // peak of pullway with all nodes, KiB
	engine     engineFacts
	upload     struct{ first, again time.Duration }
	uploads    int // engines that later runs put on nodes
}

// cost is what one command took.
type cost struct {
	wall time.Duration
	// cpu is the operator's side alone, in user and kernel mode.
	cpu time.Duration
	// memory is the peak of the operator's side in KiB.
	memory int64
}

// say tells how far the run is.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "[%6.1f s] %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// timed runs a command to its end, and gives what it printed as well; when it
// fails, that is in the error.
func (b *bench) timed(ctx context.Context, what string, command func(context.Context) *exec.Cmd) (cost, string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := command(ctx)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// A group of its own, so that nothing of it outlives the bench.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := shrink(); err != nil {
		return cost{}, "", err
	}
	start := time.Now()
	err := cmd.Run()
	c := cost{wall: time.Since(start)}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return c, "", fmt.Errorf("%s: %w after %.1f s\n%s", what, err, c.wall.Seconds(), lastLines(out.String(), 40))
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.cpu = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		c.memory = usage.Maxrss
	}
	b.say("%s: %.2f s, %.0f MB", what, c.wall.Seconds(), megabytes(c.memory))
	return c, out.String(), nil
}

// shrink makes this program small, and has the kernel forget that it was not: its peak is counted to
// that of each program that it starts, up to their exec.
func shrink() error {
	debug.FreeOSMemory()
	return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// run runs pullway in the lab's network, for the first nodes of them only. What it
// prints must hold the promised text, so that nothing is measured but what was meant.
func (b *bench) run(ctx context.Context, nodes int, promised, verb string, args ...string) (cost, error) {
	args = append([]string{verb}, args...)
	if verb != "rollback" {
		args = append(args, "-f", b.spec())
	}
	if verb != "plan" {
		args = append(args, "--yes")
	}
	args = append(args, "-q", "-i", b.lab.Inventory(), "--known-hosts", b.lab.KnownHosts())
	if nodes < b.nodes && verb != "rollback" {
		args = append(args, "--limit", strings.Join(b.names(nodes), ","))
	}
	c, out, err := b.timed(ctx, fmt.Sprintf("pullway %s, %d nodes", verb, nodes), func(ctx context.Context) *exec.Cmd {
		cmd := b.lab.Command(ctx, b.pullway, args...)
		cmd.Env = append(os.Environ(), "PULLWAY_STATE_DIR="+filepath.Join(b.dir, "state"))
		return cmd
	})
	if err == nil && !strings.Contains(out, promised) {
		err = fmt.Errorf("pullway %s did not say %q:\n%s", verb, promised, lastLines(out, 40))
	}
	if nodes == b.nodes {
		b.memory = max(b.memory, c.memory)
	}
	return c, err
}

// ssh runs one command on the first nodes at once, with the ssh program; one
// shell starts them all.
func (b *bench) ssh(ctx context.Context, nodes int, command string) (cost, error) {
	var script strings.Builder
	for _, n := range b.lab.Nodes()[:nodes] {
		fmt.Fprintf(&script, "(ssh -F none -i %s -o UserKnownHostsFile=%s -o BatchMode=yes -p %s root@%s '%s' || echo 'failed on %s') &\n",
			b.lab.SSHKey(), b.lab.KnownHosts(), strconv.Itoa(n.SSHPort), n.Addr, command, n.Name)
	}
	script.WriteString("wait\n")
	c, out, err := b.timed(ctx, fmt.Sprintf("ssh %q, %d nodes", shorten(command), nodes), func(ctx context.Context) *exec.Cmd {
		return b.lab.Command(ctx, "sh", "-c", script.String())
	})
	if err == nil && strings.Contains(out, "failed on") {
		err = errors.New(lastLines(out, 40))
	}
	return c, err
}

// counted is how pullway counts nodes.
func counted(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

func shorten(command string) string {
	if len(command) > 40 {
		return command[:40] + "…"
	}
	return command
}

func (b *bench) names(n int) []string {
	var names []string
	for _, node := range b.lab.Nodes()[:n] {
		names = append(names, node.Name)
	}
	return names
}

func (b *bench) spec() string { return filepath.Join(b.dir, "pullway.yaml") }

// credential is one of the two that the registry takes.
type credential struct{ user, password string }

var (
	robot = credential{"robot$nodes", "robot-secret-1"}
	admin = credential{"admin", "Harbor12345"}
)

// writeSpec writes the specification that everything is measured with.
func (b *bench) writeSpec(c credential) error {
	if err := os.WriteFile(filepath.Join(b.dir, "password"), []byte(c.password), 0o600); err != nil {
		return err
	}
	return os.WriteFile(b.spec(), fmt.Appendf(nil, `apiVersion: pullway.dev/v1alpha1
kind: RegistryConfig
spec:
  registries:
    - host: %s
      endpoints: [{url: "http://%s"}]
      auth: {username: %q, password: {file: password}}
  verify: {images: [%q]}
  rollout: {canary: 0, maxUnavailable: 100%%}
`, registry, registry, c.user, image), 0o600)
}

const (
	registry = "192.168.21.9"
	image    = registry + "/library/test-image:latest"
)
