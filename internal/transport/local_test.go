package transport

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/secret"
)

func TestLocal(t *testing.T) {
	for _, who := range []string{"root", "nopasswd", "needs a password"} {
		t.Run(who, func(t *testing.T) {
			for _, kv := range fakeBin(t, who) {
				name, value, _ := strings.Cut(kv, "=")
				t.Setenv(name, value)
			}
			d := dialer(t)
			c := connect(t, d, Target{Name: "n1", Local: true})
			// The test may run as root: let it behave as the case says.
			inner := c.(*conn)
			inner.root = who == "root"
			if who == "needs a password" {
				inner.password = secret.New(goodPassword)
			}
			if got := talk(t, c, "x\n"); got != "hello\nx\n" {
				t.Errorf("the engine said %q", got)
			}
			if !c.Facts().Uploaded {
				t.Error("the engine was not stored first")
			}
			if got := talk(t, c, "y\n"); got != "hello\ny\n" {
				t.Errorf("the second run said %q", got)
			}
		})
	}
}

func TestLocalRunIsLeftToTidyUp(t *testing.T) {
	for _, kv := range fakeBin(t, "root") {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	d := dialer(t)
	note := t.TempDir() + "/undone"
	d.Engines = engineOf("#!/bin/sh\ntrap 'exit 1' INT TERM\ntrap '' PIPE\necho hello\ncat >/dev/null\necho yes >" + Quote(note) + "\n")
	c := connect(t, d, Target{Name: "n1", Local: true})
	p, err := c.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "Close", func() { _ = c.Close() })
	wantError(t, p.Wait(), KindClosed)
	if b, err := os.ReadFile(note); err != nil || string(b) != "yes\n" {
		t.Errorf("the engine did not come to its end when it was let go of: %q, %v", b, err)
	}
}

// Passwords come by the environment; the engine of this machine has its own way
// of getting them, and its environment is there to read in /proc.
func TestLocalEngineGetsNoPasswords(t *testing.T) {
	t.Setenv("HARBOR_PASSWORD", goodPassword)
	t.Setenv("GODEBUG", "http2debug=2")
	t.Setenv("SSL_CERT_FILE", "/tmp/x")
	l := &localRunner{}
	c, err := l.run(t.Context(), []string{"/bin/sh", "-c", "env; ulimit -c >/dev/null"})
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, c.Errors())
	if _, err := c.Wait(); err != nil {
		t.Error(err)
	}
	if text := string(out); strings.Contains(text, goodPassword) || strings.Contains(text, "GODEBUG") || strings.Contains(text, "SSL_CERT") || !strings.Contains(text, "PATH=") {
		t.Errorf("the engine's environment: %s", out)
	}
}
