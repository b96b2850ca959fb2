package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/terminal"
)

// node is an SSH server in this process that plays a node: what its engine says
// is up to engine, which gets the request's line.
type node struct {
	addr   string
	engine func(req protocol.Request, in *bufio.Reader, out, errs io.Writer)
	hold   chan struct{} // closed at the end of the test
}

var mark = regexp.MustCompile(`pullway-[A-Z2-7]{26}`)

func startNode(t *testing.T, engine func(req protocol.Request, in *bufio.Reader, out, errs io.Writer)) *node {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{addr: l.Addr().String(), engine: engine, hold: make(chan struct{})}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			all.Go(func() { n.serve(&all, c, config) })
		}
	})
	t.Cleanup(func() {
		close(n.hold)
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return n
}

func (n *node) serve(all *sync.WaitGroup, c net.Conn, config *ssh.ServerConfig) {
	defer c.Close() //nolint:errcheck // a test's end
	_, chans, reqs, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	all.Go(func() { ssh.DiscardRequests(reqs) })
	for nc := range chans {
		ch, reqs, err := nc.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			for r := range reqs {
				if r.Type == "exec" {
					all.Go(func() { n.run(ch, string(r.Payload)) })
				}
			}
		})
	}
}

// run plays the start script and then the engine.
func (n *node) run(ch ssh.Channel, command string) {
	defer ch.Close() //nolint:errcheck // a test's end
	_, _ = fmt.Fprintf(ch, "%s ready amd64\n", mark.FindString(command))
	in := bufio.NewReaderSize(ch, 1<<20)
	line, err := in.ReadBytes('\n')
	var req protocol.Request
	if err != nil || json.Unmarshal(line, &req) != nil {
		return
	}
	n.engine(req, in, ch, ch.Stderr())
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ S uint32 }{0}))
}

func say(out io.Writer, m protocol.Message) { _ = protocol.Write(out, m) }

// honest answers as an engine does that has one file to write.
func honest(req protocol.Request, in *bufio.Reader, out, _ io.Writer) {
	facts := plan.Facts{Hostname: "honest", Release: "2.4.2", ConfigFile: "/etc/containerd/config.toml"}
	var r protocol.Reply
	switch req.Op {
	case protocol.OpPlan:
		r.Plan = &plan.Node{Facts: facts, Fingerprint: "f", Restart: plan.Restart{Reasons: []string{"hosts.toml is read at each pull"}},
			Changes: []plan.Change{{Path: "/etc/containerd/certs.d/r/hosts.toml", Action: plan.Create, Mode: 0o600, Reason: "registry r", Diff: "+x\n"}}}
	case protocol.OpStatus:
		r.Status = &protocol.Status{Facts: facts, Healthy: true}
	case protocol.OpApply:
		say(out, protocol.Message{Event: &protocol.Event{Step: protocol.StepProven, At: time.Now()}})
		if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "true") {
			return
		}
		r.Result = &protocol.Result{Outcome: protocol.OutcomeApplied, Transaction: "t"}
		for _, i := range req.Desired.Desired.VerifyImages {
			r.Result.Proofs = append(r.Result.Proofs, protocol.Proof{Image: i, OK: true, Fresh: true})
		}
	case protocol.OpVerify:
		for _, i := range req.Desired.Desired.VerifyImages {
			r.Proofs = append(r.Proofs, protocol.Proof{Image: i, OK: true, Fresh: true})
		}
	}
	say(out, protocol.Message{Reply: &r})
}

// command runs pullway on these nodes, named evil1… and then honest.
type command struct {
	t      *testing.T
	dir    string
	limits limits
}

func newCommand(t *testing.T, hostile []*node, good ...*node) *command {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("PULLWAY_STATE_DIR", filepath.Join(dir, "state"))
	t.Setenv("SSH_AUTH_SOCK", "")
	t.Setenv("PATH", dir) // the inventory is read by ourselves
	var hosts strings.Builder
	add := func(name string, n *node) {
		host, port, _ := net.SplitHostPort(n.addr)
		fmt.Fprintf(&hosts, "%s ansible_host=%s ansible_port=%s ansible_user=root\n", name, host, port)
	}
	for i, n := range hostile {
		add(fmt.Sprintf("evil%d", i+1), n)
	}
	for i, n := range good {
		add(fmt.Sprintf("honest%d", i+1), n)
	}
	c := &command{t: t, dir: dir, limits: limits{budget: protocol.DefaultBudget,
		timeouts: fleet.Timeouts{Plan: 3 * time.Second, Apply: 3 * time.Second, Settle: 3 * time.Second}}}
	c.write("hosts.ini", hosts.String())
	c.write("known_hosts", "")
	c.write("spec.yaml", `apiVersion: pullway.dev/v1alpha1
kind: RegistryConfig
metadata: {name: default}
spec:
  registries:
    - host: 192.168.21.9
      endpoints: [{url: "http://192.168.21.9"}]
  verify: {images: ["192.168.21.9/library/app:v1"]}
  rollout: {failureBudget: 100, canary: 0, maxUnavailable: 100%, confirmWithin: 10s}
`)
	return c
}

func (c *command) write(name, text string) {
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// run returns the exit code and what was said, with the time and the memory it took.
func (c *command) run(within time.Duration, args ...string) (code int, out, errs string, peak uint64) {
	c.t.Helper()
	args = append(args, "-i", filepath.Join(c.dir, "hosts.ini"), "--known-hosts", filepath.Join(c.dir, "known_hosts"), "--accept-new-host-keys", "--ssh-config", "none")
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, stopped := make(chan struct{}), make(chan struct{})
	var most atomic.Uint64
	go func() {
		defer close(stopped)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.HeapAlloc))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	ctx, cancel := context.WithTimeout(c.t.Context(), within)
	defer cancel()
	began := time.Now()
	var o, e bytes.Buffer
	a := &app{streams: Streams{In: strings.NewReader(""), Out: &o, Err: &e}, now: time.Now, limits: c.limits}
	code = a.main(ctx, args)
	close(stop)
	<-stopped
	if ctx.Err() != nil {
		c.t.Errorf("pullway %s did not end within %s", args[0], within)
	}
	c.t.Logf("pullway %s: exit code %d after %s, at most %d MB", args[0], code, time.Since(began).Round(time.Millisecond), (most.Load()-min(before.HeapAlloc, most.Load()))>>20)
	for name, text := range map[string]string{"standard output": o.String(), "standard error": e.String()} {
		if strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(text), terminal.Drives) {
			c.t.Errorf("%s drives a terminal: %.300q", name, text)
		}
	}
	return code, o.String(), e.String(), most.Load() - min(before.HeapAlloc, most.Load())
}

// many writes what again and again, n times or until nobody reads.
func many(out io.Writer, what string, n int) {
	block := strings.Repeat(what, max(1, min(n, 32<<10/len(what))))
	for n > 0 {
		k := min(n, len(block)/len(what))
		if _, err := io.WriteString(out, block[:k*len(what)]); err != nil {
			return
		}
		n -= k
	}
}

const forEver = 1 << 40

func planReply(before, after string) string {
	return `{"reply":{"plan":{"fingerprint":"f",` + before + after + `}}}` + "\n"
}

// behaviours are what a hostile node does when it is asked for a plan, and what
// is said of it.
var behaviours = []struct {
	name   string
	engine func(out, errs io.Writer, hold <-chan struct{})
	says   string
}{
	{name: "a line without end", engine: func(out, _ io.Writer, _ <-chan struct{}) { many(out, "x", forEver) }, says: "a line that is too long"},
	{name: "a line of 64 MB", engine: func(out, _ io.Writer, _ <-chan struct{}) {
		_, _ = io.WriteString(out, `{"reply":{"error":{"kind":"failed","text":"`)
		many(out, "x", 64<<20)
		_, _ = io.WriteString(out, `"}}}`+"\n")
	}, says: "a line that is too long"},
	{name: "a million events", engine: func(out, _ io.Writer, _ <-chan struct{}) {
		many(out, `{"event":{"step":"observe","text":"\u001b[2J"}}`+"\n", 1_000_000)
		_, _ = io.WriteString(out, planReply("", `"restart":{}`))
	}, says: "more than an engine has to say"},
	{name: "a million questions for a confirmation", engine: func(out, _ io.Writer, _ <-chan struct{}) { many(out, `{"event":{"step":"proven"}}`+"\n", 1_000_000) },
		says: "more than an engine has to say"},
	{name: "deep JSON", engine: func(out, _ io.Writer, _ <-chan struct{}) {
		_, _ = io.WriteString(out, `{"reply":{"x":`)
		many(out, "[", 1<<20)
		_, _ = io.WriteString(out, "\n")
	}, says: "nest deeper"},
	{name: "an array of two million", engine: func(out, _ io.Writer, _ <-chan struct{}) {
		_, _ = io.WriteString(out, `{"reply":{"plan":{"fingerprint":"f","changes":[{}`)
		many(out, ",{}", 2<<20)
		_, _ = io.WriteString(out, "]}}}\n")
	}, says: "values"},
	{name: "a reply of another operation", engine: func(out, _ io.Writer, _ <-chan struct{}) {
		_, _ = io.WriteString(out, `{"reply":{"status":{"healthy":true}}}`+"\n")
	}, says: "no plan"},
	{name: "an empty reply", engine: func(out, _ io.Writer, _ <-chan struct{}) { _, _ = io.WriteString(out, `{"reply":{}}`+"\n") }, says: "no plan"},
	{name: "no fingerprint", engine: func(out, _ io.Writer, _ <-chan struct{}) {
		_, _ = io.WriteString(out, `{"reply":{"plan":{"changes":[{"path":"/x"}]}}}`+"\n")
	}, says: "no fingerprint"},
	{name: "a fingerprint of a megabyte", engine: func(out, _ io.Writer, _ <-chan struct{}) {
		_, _ = io.WriteString(out, `{"reply":{"plan":{"changes":[{"path":"/x"}],"fingerprint":"`+strings.Repeat("f", 1<<20)+`"}}}`+"\n")
	}, says: "fingerprint of 1048576 bytes"},
	{name: "an early end", engine: func(out, _ io.Writer, _ <-chan struct{}) { _, _ = io.WriteString(out, `{"reply":{"plan":{`) }, says: "ended before the engine's answer"},
	{name: "no JSON", engine: func(out, _ io.Writer, _ <-chan struct{}) { _, _ = io.WriteString(out, "\x1b[2J<html>\n") }, says: "not a line of the engine's protocol"},
	{name: "an error full of control characters", engine: func(out, _ io.Writer, _ <-chan struct{}) {
		say(out, protocol.Message{Reply: &protocol.Reply{Error: &protocol.Error{Kind: "x\x1b[2J", Text: "boom" + strings.Repeat("\u202e\x1b[2J\u009b\n", 1<<16), Hint: "\x07\x1b]0;x\x07"}}})
	}, says: "boom"},
	{name: "a problem of a megabyte", engine: func(out, _ io.Writer, _ <-chan struct{}) {
		say(out, protocol.Message{Reply: &protocol.Reply{Plan: &plan.Node{Fingerprint: "f", Problems: []plan.Notice{{Text: "no way " + strings.Repeat("x", 1<<20)}}}}})
	}, says: "no way"},
	{name: "standard error without end", engine: func(_, errs io.Writer, _ <-chan struct{}) { many(errs, "\x1b[2J flood ", forEver) }, says: "deadline exceeded"},
	{name: "silence", engine: func(_, _ io.Writer, hold <-chan struct{}) { <-hold }, says: "deadline exceeded"},
	{name: "a drip", engine: func(out, _ io.Writer, hold <-chan struct{}) {
		for {
			if _, err := io.WriteString(out, " "); err != nil {
				return
			}
			select {
			case <-hold:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}, says: "deadline exceeded"},
}

// TestHostileNodePlan: whatever a node does when it is asked, the command ends
// soon, says one line about it, keeps little, and goes on with the others.
func TestHostileNodePlan(t *testing.T) {
	for _, tc := range behaviours {
		t.Run(tc.name, func(t *testing.T) {
			var evil *node
			evil = startNode(t, func(_ protocol.Request, _ *bufio.Reader, out, errs io.Writer) { tc.engine(out, errs, evil.hold) })
			c := newCommand(t, []*node{evil}, startNode(t, honest))
			code, out, _, peak := c.run(20*time.Second, "plan", "-f", filepath.Join(c.dir, "spec.yaml"), "--no-preflight")
			if code != ExitFailed || !strings.Contains(out, "honest1\n") || !strings.Contains(out, "1 node to change") {
				t.Errorf("exit code %d: %.2000s", code, out)
			}
			if !strings.Contains(out, tc.says) {
				t.Errorf("nothing says %q: %.2000s", tc.says, out)
			}
			if lines := strings.Count(out, "\n"); lines > 30 || len(out) > 3<<20 {
				t.Errorf("%d lines and %d bytes", lines, len(out))
			}
			if peak > 100<<20 {
				t.Errorf("%d MB", peak>>20)
			}
		})
	}
}
