package transport

import (
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
