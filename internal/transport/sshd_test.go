package transport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// realServer starts OpenSSH's sshd on loopback with keys and configuration of its
// own, as whoever runs the test.
func realServer(t *testing.T, more string) (Target, *Dialer) {
	t.Helper()
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		if sshd = "/usr/sbin/sshd"; exec.Command("test", "-x", sshd).Run() != nil {
			t.Skip("NO SSHD: install openssh-server to try the transport against the real thing")
		}
	}
	dir := t.TempDir()
	hostKey, _, _ := writeKey(t, "")
	rsaKey := filepath.Join(dir, "rsa")
	writeSigner(t, rsaKey)
	userKey, userPub, _ := writeKey(t, "")
	authorized := filepath.Join(dir, "authorized_keys")
	must(t, os.WriteFile(authorized, ssh.MarshalAuthorizedKey(userPub), 0o600))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := ln.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	must(t, ln.Close())
	env := fakeBin(t, "root")
	conf := filepath.Join(dir, "sshd_config")
	must(t, os.WriteFile(conf, []byte(fmt.Sprintf(`ListenAddress 127.0.0.1
Port %s
HostKey %s
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv %s
%s
`, port, rsaKey, hostKey, authorized, env[0], more)), 0o600))

	argv := []string{sshd, "-D", "-e", "-f", conf}
	if os.Getuid() == 0 {
		if exec.Command("unshare", "-m", "true").Run() != nil {
			t.Skip("NO UNSHARE: as root, sshd needs /run/sshd, which this test makes in a mount namespace only")
		}
		script := "mount -t tmpfs none /run && mkdir -m 0755 /run/sshd && exec " + commandLine(argv)
		argv = []string{"unshare", "-m", "/bin/sh", "-c", script}
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = ownSession()
	errs, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	listening, done := make(chan struct{}), make(chan struct{})
	var log tail
	go func() {
		defer close(done)
		var once sync.Once
		lines := bufio.NewScanner(errs)
		for lines.Scan() {
			_, _ = log.Write(append(lines.Bytes(), '\n'))
			if strings.Contains(lines.Text(), "Server listening on") {
				once.Do(func() { close(listening) })
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = errs.Close() // sessions may outlive the listener and hold it
		<-done
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("sshd says:\n%s", log.String())
		}
	})
	select {
	case <-listening:
	case <-done:
		t.Fatalf("sshd does not start:\n%s", log.String())
	case <-time.After(10 * time.Second):
		t.Fatalf("sshd does not listen:\n%s", log.String())
	}
	me, err := user.Current()
	must(t, err)
	target := node(t, addr)
	target.User, target.IdentityFiles = me.Username, []string{userKey}
	return target, dialer(t)
}

func writeSigner(t *testing.T, name string) {
	t.Helper()
	out, err := exec.Command("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", name).CombinedOutput()
	if err != nil {
		t.Skipf("NO SSH-KEYGEN: %v %s", err, out)
	}
}

func TestRealSSHD(t *testing.T) {
	t.Parallel()
	target, d := realServer(t, "")
	big := testEngine + strings.Repeat("# padding of an engine\n", 200_000)
	d.Engines = engineOf(big)
	c := connect(t, d, target)
	if got := talk(t, c, "x\n"); got != "hello\nx\n" {
		t.Fatalf("the engine said %q", got)
	}
	if f := c.Facts(); !f.Uploaded {
		t.Errorf("facts are %+v", f)
	} else {
		t.Logf("upload of %d bytes took %s", len(big), f.UploadTime)
	}
	// with is another dialer that knows the server, and carries another engine.
	with := func(script string) *Dialer {
		return &Dialer{Engines: engineOf(script), Options: d.Options, anyUser: true}
	}
	t.Run("known by a name that ssh-keygen hashed", func(t *testing.T) {
		file := d.Options.KnownHosts[0]
		if out, err := exec.Command("ssh-keygen", "-H", "-f", file).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		d2 := dialer(t)
		d2.Options.KnownHosts, d2.Options.AcceptNewHostKeys, d2.Options.EngineDir = []string{file}, false, d.Options.EngineDir
		d2.Engines = d.Engines
		if c := connect(t, d2, target); talk(t, c, "") != "hello\n" || c.Facts().Uploaded {
			t.Error("the second connection does not find the engine")
		}
	})
	t.Run("many runs at once", func(t *testing.T) {
		t.Parallel()
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				say := strings.Repeat("y", 3_000_000) + "\n" // more than a window
				if got := talk(t, c, say); len(got) != len(say)+6 {
					t.Errorf("%d bytes came back, want %d", len(got), len(say)+6)
				}
			})
		}
		wg.Wait()
	})
	t.Run("Kill closes the engine's input", func(t *testing.T) {
		t.Parallel()
		note := filepath.Join(t.TempDir(), "note")
		c := connect(t, with("#!/bin/sh\necho hello\ntrap '' PIPE HUP\ncat >/dev/null\necho over >"+note+"\n"), target)
		p, err := c.Start(t.Context())
		must(t, err)
		line, err := bufio.NewReader(p.Stdout()).ReadString('\n')
		if err != nil || line != "hello\n" {
			t.Fatalf("read %q, %v", line, err)
		}
		p.Kill()
		wantError(t, p.Wait(), KindClosed)
		deadline := time.Now().Add(5 * time.Second)
		for {
			if b, _ := os.ReadFile(note); string(b) == "over\n" {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("the engine did not learn that nobody listens any more")
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	t.Run("an exit status", func(t *testing.T) {
		t.Parallel()
		p, err := connect(t, with("#!/bin/sh\nexit 7\n"), target).Start(t.Context())
		must(t, err)
		_, _ = io.ReadAll(p.Stdout())
		if e := wantError(t, p.Wait(), KindEngine, "status 7"); e.Exit != 7 {
			t.Errorf("exit is %d", e.Exit)
		}
	})
	t.Run("a signal", func(t *testing.T) {
		t.Parallel()
		p, err := connect(t, with("#!/bin/sh\nkill -KILL $$\n"), target).Start(t.Context())
		must(t, err)
		_, _ = io.ReadAll(p.Stdout())
		wantError(t, p.Wait(), KindEngine, "signal KILL")
	})
	t.Run("another key", func(t *testing.T) {
		t.Parallel()
		other, _, _ := writeKey(t, "")
		target := target
		target.IdentityFiles = []string{other}
		_, err := d.Connect(t.Context(), target)
		wantError(t, err, KindAuth, "tried: key "+other, "it accepts: publickey")
	})
}

func TestRealSSHDThatForbids(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config string
		kind   Kind
		says   string
	}{
		"sessions":      {"MaxSessions 0", KindUnreachable, "opens no session"},
		"our commands":  {"ForceCommand echo only this", KindEngine, "ended with status 0"},
		"anything long": {"ForceCommand sleep 20", KindEngine, "no answer within"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, d := realServer(t, c.config)
			if name == "anything long" { // the one that is never answered
				d.patience = 700 * time.Millisecond
			}
			_, err := connect(t, d, target).Start(t.Context())
			wantError(t, err, c.kind, c.says)
		})
	}
}
