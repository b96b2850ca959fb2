package transport

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/pullway/pullway/internal/secret"
)

// onlyKey makes a server accept one key.
func onlyKey(pub ssh.PublicKey) func(*testServer) {
	return func(s *testServer) {
		s.config.PublicKeyCallback = func(_ ssh.ConnMetadata, got ssh.PublicKey) (*ssh.Permissions, error) {
			if bytes.Equal(got.Marshal(), pub.Marshal()) {
				return nil, nil
			}
			return nil, errors.New("no")
		}
	}
}

// serveAgent holds keys on a socket.
func serveAgent(t *testing.T, keys ...ed25519.PrivateKey) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: k}); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "agent") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, c); _ = c.Close() }()
		}
	}()
	return ln.Addr().String()
}

func TestLogin(t *testing.T) {
	plain, plainPub, _ := writeKey(t, "")
	locked, lockedPub, lockedKey := writeKey(t, "a phrase")
	other, _, otherKey := writeKey(t, "")
	asks := func(questions ...string) func(*testServer) {
		return func(s *testServer) {
			s.config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
				answers, err := ask("", "", questions, make([]bool, len(questions)))
				if err == nil && len(answers) > 0 && answers[0] == "Harbor12345" {
					return nil, nil
				}
				return nil, errors.New("no")
			}
		}
	}
	password := func(s *testServer) {
		s.config.PasswordCallback = func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
			if string(p) == "Harbor12345" {
				return nil, nil
			}
			return nil, errors.New("no")
		}
	}
	cases := map[string]struct {
		server   func(*testServer)
		keys     []string
		agent    []ed25519.PrivateKey
		password string
		args     []string
		says     []string // empty: the login works
	}{
		"a key file":                       {server: onlyKey(plainPub), keys: []string{plain}},
		"the second key file":              {server: onlyKey(plainPub), keys: []string{other, plain}},
		"a key of the command line":        {server: onlyKey(plainPub), args: []string{"-i", plain}},
		"a key of the agent":               {server: onlyKey(lockedPub), agent: []ed25519.PrivateKey{otherKey, lockedKey}},
		"an encrypted key that is held":    {server: onlyKey(lockedPub), keys: []string{locked}, agent: []ed25519.PrivateKey{otherKey, lockedKey}, args: []string{"-oIdentitiesOnly=yes"}},
		"a password":                       {server: password, password: "Harbor12345"},
		"a password that is asked for":     {server: asks("Password: "), password: "Harbor12345"},
		"a key first, then the password":   {server: password, password: "Harbor12345", keys: []string{plain}},
		"an encrypted key without agent":   {server: onlyKey(lockedPub), keys: []string{locked}, says: []string{"encrypted", "ssh-add", locked}},
		"a key file that is not there":     {server: onlyKey(plainPub), keys: []string{"/no/such/key"}, says: []string{"/no/such/key (no such file", "tried: nothing"}},
		"a key file that is none":          {server: onlyKey(plainPub), keys: []string{"/etc/passwd"}, says: []string{"no private key that is understood"}},
		"the wrong key":                    {server: onlyKey(plainPub), keys: []string{other}, says: []string{"tried: key " + other, "it accepts: publickey", `"root"`}},
		"the wrong password":               {server: password, password: "secret-wrong", says: []string{"tried: password"}},
		"more questions than one":          {server: asks("Password: ", "Code: "), password: "Harbor12345", says: []string{"tried: password"}},
		"only the agent's keys that count": {server: onlyKey(lockedPub), keys: []string{plain}, agent: []ed25519.PrivateKey{lockedKey}, args: []string{"-oIdentitiesOnly=yes"}, says: []string{"tried: key " + plain + ";"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.server)
			d := dialer(t)
			if len(c.agent) > 0 {
				d.Options.Agent = serveAgent(t, c.agent...)
			}
			target := node(t, s.addr)
			target.IdentityFiles, target.Password, target.SSHArgs = c.keys, secret.New(c.password), c.args
			conn, err := d.Connect(t.Context(), target)
			if len(c.says) > 0 {
				e := wantError(t, err, KindAuth, c.says...)
				if e.Hint == "" || bytes.Contains([]byte(e.Error()), []byte("secret-wrong")) {
					t.Errorf("error %q, hint %q", e, e.Hint)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
		})
	}
}

func TestManyKeysOfTheAgentDoNotHideTheRightOne(t *testing.T) {
	good, goodPub, _ := writeKey(t, "")
	var many []ed25519.PrivateKey
	for range 20 {
		_, _, k := writeKey(t, "")
		many = append(many, k)
	}
	s := serve(t, onlyKey(goodPub))
	d := dialer(t)
	d.Options.Agent = serveAgent(t, many...)
	target := node(t, s.addr)
	target.IdentityFiles = []string{good}
	connect(t, d, target)

	target.IdentityFiles = nil
	_, err := d.Connect(t.Context(), target)
	wantError(t, err, KindAuth, "IdentitiesOnly")
}

func TestAgentThatHangs(t *testing.T) {
	dir, err := os.MkdirTemp("", "agent")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	must(t, err)
	t.Cleanup(func() { _ = ln.Close() }) // it accepts nobody and answers nothing
	s := serve(t, nil)
	d := dialer(t)
	d.Options.Agent, d.Options.ConnectTimeout = ln.Addr().String(), 200*time.Millisecond
	within(t, 5*time.Second, "Connect", func() {
		_, err := d.Connect(t.Context(), node(t, s.addr))
		wantError(t, err, KindUnreachable, "within 200ms")
	})
}
