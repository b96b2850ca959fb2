package transport

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/pullway/pullway/internal/engine"
)

// testServer is an SSH server in this process. It runs commands with /bin/sh.
type testServer struct {
	t      testing.TB
	addr   string
	config *ssh.ServerConfig
	// env of commands.
	env []string
	// exec, when set, takes the place of /bin/sh.
	exec func(ssh.Channel, string)

	mu       sync.Mutex
	conns    []net.Conn
	commands []string
	forwards int
	wg       sync.WaitGroup
	ln       net.Listener
}

// serve starts a server with the given host keys; change is called before.
func serve(t testing.TB, change func(*testServer), hostKeys ...ssh.Signer) *testServer {
	t.Helper()
	s := &testServer{t: t, config: &ssh.ServerConfig{MaxAuthTries: 6}}
	s.env = fakeBin(t, "root")
	if change != nil {
		change(s)
	}
	if s.config.PublicKeyCallback == nil && s.config.PasswordCallback == nil && s.config.KeyboardInteractiveCallback == nil {
		s.config.NoClientAuth = true
	}
	if len(hostKeys) == 0 {
		hostKeys = []ssh.Signer{newSigner(t)}
	}
	for _, k := range hostKeys {
		s.config.AddHostKey(k)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ln, s.addr = ln, ln.Addr().String()
	s.wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, nc)
			s.mu.Unlock()
			s.wg.Go(func() { s.handle(nc) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		s.drop()
		s.wg.Wait()
	})
	return s
}

// drop cuts every connection.
func (s *testServer) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

func (s *testServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *testServer) handle(nc net.Conn) {
	defer func() { _ = nc.Close() }()
	_, chans, reqs, err := ssh.NewServerConn(nc, s.config)
	if err != nil {
		return
	}
	s.wg.Go(func() { ssh.DiscardRequests(reqs) })
	for nch := range chans {
		switch nch.ChannelType() {
		case "session":
			ch, reqs, err := nch.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.session(ch, reqs) })
		case "direct-tcpip":
			s.wg.Go(func() { s.forward(nch) })
		default:
			_ = nch.Reject(ssh.UnknownChannelType, "no")
		}
	}
}

func (s *testServer) forward(nch ssh.NewChannel) {
	var m struct {
		Host string
		Port uint32
		From string
		FrP  uint32
	}
	_ = ssh.Unmarshal(nch.ExtraData(), &m)
	up, err := net.Dial("tcp", net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port))))
	if err != nil {
		_ = nch.Reject(ssh.ConnectionFailed, "Connection refused")
		return
	}
	s.mu.Lock()
	s.forwards++
	s.conns = append(s.conns, up)
	s.mu.Unlock()
	ch, reqs, err := nch.Accept()
	if err != nil {
		return
	}
	s.wg.Go(func() { ssh.DiscardRequests(reqs) })
	s.wg.Go(func() { _, _ = io.Copy(up, ch); _ = up.Close() })
	_, _ = io.Copy(ch, up)
	_ = ch.Close()
}

func (s *testServer) session(ch ssh.Channel, reqs <-chan *ssh.Request) {
	for req := range reqs {
		if req.Type != "exec" {
			s.t.Errorf("the server got the request %q, which costs a message", req.Type)
			_ = req.Reply(false, nil)
			continue
		}
		var m struct{ Command string }
		_ = ssh.Unmarshal(req.Payload, &m)
		if req.WantReply {
			s.t.Error("the command wants a reply, which costs a round trip")
		}
		s.mu.Lock()
		s.commands = append(s.commands, m.Command)
		s.mu.Unlock()
		run := s.exec
		if run == nil {
			run = s.shell
		}
		s.wg.Go(func() { run(ch, m.Command) })
	}
}

// shell runs a command the way sshd does.
func (s *testServer) shell(ch ssh.Channel, line string) {
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Env = s.env
	cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Error(err)
		return
	}
	if err := cmd.Start(); err != nil {
		s.t.Error(err)
		return
	}
	s.wg.Go(func() { _, _ = io.Copy(in, ch); _ = in.Close() })
	_ = cmd.Wait()
	finishWith(ch, cmd.ProcessState.ExitCode())
}

func finishWith(ch ssh.Channel, status int) {
	_ = ch.CloseWrite()
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ S uint32 }{uint32(status)}))
	_ = ch.Close()
}

// fakeBin is an environment with an id that says who we are ("root" or another
// name) and a sudo that behaves as the name says.
func fakeBin(t testing.TB, who string) []string {
	t.Helper()
	dir := t.TempDir()
	script := func(name, body string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if who == "root" {
		script("id", "echo 0\n")
	} else {
		script("id", "echo 1000\n")
	}
	if body, ok := sudos[who]; ok {
		script("sudo", body)
	}
	return []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "FAKE=" + dir}
}

func newSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signerOf(t, key)
}

func newRSASigner(t testing.TB) ssh.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return signerOf(t, key)
}

func signerOf(t testing.TB, key any) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// writeKey makes a private key file and returns its name and public key.
func writeKey(t testing.TB, passphrase string) (string, ssh.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "test")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return name, signerOf(t, key).PublicKey(), key
}

// testEngine says hello, then sends back what it reads.
const testEngine = "#!/bin/sh\n[ \"$1\" = serve ] || exit 9\necho hello\nexec cat\n"

func engineOf(script string) *engine.Set {
	sum := sha256.Sum256([]byte(script))
	var all []engine.Engine
	for _, arch := range []string{"amd64", "arm64"} {
		all = append(all, engine.New(arch, hex.EncodeToString(sum[:]), int64(len(script)), func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(script)), nil
		}))
	}
	return engine.NewSet(all...)
}

func hashOf(script string) string {
	sum := sha256.Sum256([]byte(script))
	return hex.EncodeToString(sum[:])
}

// dialer is a Dialer that knows nothing of this machine's user, and believes new
// host keys.
func dialer(t testing.TB) *Dialer {
	t.Helper()
	home := t.TempDir()
	return &Dialer{
		Engines: engineOf(testEngine),
		Options: Options{
			AcceptNewHostKeys: true, SSHConfig: "none", Agent: "none", Home: home,
			KnownHosts: []string{filepath.Join(home, "known_hosts")},
			EngineDir:  filepath.Join(t.TempDir(), "pullway", "engine"),
		},
		anyUser: true,
	}
}

// node is a target on the server, with root as its login.
func node(t testing.TB, addr string) Target {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return Target{Name: "n1", Host: host, Port: n, User: "root"}
}

func connect(t testing.TB, d *Dialer, target Target) Conn {
	t.Helper()
	c, err := d.Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// wantError fails unless err is an *Error of a kind whose text has all words, on
// one line, and that names the node.
func wantError(t testing.TB, err error, kind Kind, words ...string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v (%T), want an *Error", err, err)
	}
	if e.Kind != kind {
		t.Errorf("kind of %q is %q, want %q", e, e.Kind, kind)
	}
	if e.Node != "n1" {
		t.Errorf("node of %q is %q, want n1", e, e.Node)
	}
	if strings.ContainsAny(e.Error()+e.Hint, "\n\r\x1b") {
		t.Errorf("error is not one clean line: %q, hint %q", e.Error(), e.Hint)
	}
	for _, w := range words {
		if !strings.Contains(e.Text+" | "+e.Hint, w) {
			t.Errorf("error %q, hint %q; want %q in it", e.Text, e.Hint, w)
		}
	}
	return e
}

// talk starts the engine, says something and returns all that came back.
func talk(t testing.TB, c Conn, say string) string {
	t.Helper()
	p, err := c.StartWith(t.Context(), []byte(say))
	if err != nil {
		t.Fatalf("%v\nhint: %s", err, err.(*Error).Hint)
	}
	if err := p.Stdin().Close(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(p.Stdout())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func within(t testing.TB, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
		t.Fatalf("%s did not end within %s", what, d)
	}
}

func cancelled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// inNamespace runs each command in a mount namespace of its own, between two
// pieces of script.
func inNamespace(s *testServer, before, after string) func(ssh.Channel, string) {
	return func(ch ssh.Channel, line string) {
		s.shell(ch, "exec unshare -m /bin/sh -c "+Quote(before+"{ "+line+"; r=$?"+after+"; exit $r; }"))
	}
}
