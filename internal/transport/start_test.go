package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/pullway/pullway/internal/engine"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv("PULLWAY_TEST_RELAY"); addr != "" {
		os.Exit(relayMain(addr))
	}
	goleak.VerifyTestMain(m)
}

// relayMain is a ProxyCommand: it passes its streams on to addr.
func relayMain(addr string) int {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return 1
	}
	go func() { _, _ = io.Copy(nc, os.Stdin); _ = nc.Close() }()
	_, _ = io.Copy(os.Stdout, nc)
	return 0
}

func TestStartUploadsOnceAndTalks(t *testing.T) {
	s := serve(t, nil)
	d := dialer(t)
	c := connect(t, d, node(t, s.addr))
	if got := talk(t, c, "ping\n"); got != "hello\nping\n" {
		t.Fatalf("the engine said %q", got)
	}
	f := c.Facts()
	if !f.Uploaded || f.UploadTime <= 0 || f.Arch == "" {
		t.Errorf("facts after an upload: %+v", f)
	}
	if got := talk(t, c, "again\n"); got != "hello\nagain\n" {
		t.Fatalf("the second run said %q", got)
	}
	if n := s.connections(); n != 1 {
		t.Errorf("two runs took %d connections, want 1", n)
	}
	c2 := connect(t, d, node(t, s.addr))
	_ = talk(t, c2, "")
	if c2.Facts().Uploaded {
		t.Error("the engine was uploaded again")
	}
	st, err := os.Stat(filepath.Join(d.Options.EngineDir, "pullway-node-"+hashOf(testEngine)))
	if err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("the engine on the node: %v, error %v; want mode 0755", st, err)
	}
	if st, _ := os.Stat(d.Options.EngineDir); st.Mode().Perm() != 0o700 {
		t.Errorf("its directory has mode %v, want 0700", st.Mode())
	}
}

func TestNoEngineForTheNode(t *testing.T) {
	s := serve(t, nil)
	d := dialer(t)
	d.Engines = nil
	_, err := connect(t, d, node(t, s.addr)).Start(t.Context())
	wantError(t, err, KindEngine, "this build of pullway carries no engine for linux/")
	if !errors.As(err, new(*engine.MissingError)) {
		t.Errorf("cause of %v is no MissingError", err)
	}
}

func TestEngineThatFails(t *testing.T) {
	s := serve(t, nil)
	d := dialer(t)
	d.Engines = engineOf("#!/bin/sh\necho 'bad \x1b[31mnews' >&2\nexit 5\n")
	c := connect(t, d, node(t, s.addr))
	p, err := c.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(p.Stdout()); err != nil || len(b) > 0 {
		t.Errorf("read %q, error %v", b, err)
	}
	if e := wantError(t, p.Wait(), KindEngine, "status 5", "bad [31mnews"); e.Exit != 5 {
		t.Errorf("exit status is %d, want 5", e.Exit)
	}
	if p.Stderr() != "bad [31mnews\n" {
		t.Errorf("standard error is %q", p.Stderr())
	}
}

func TestEngineThatCannotBeExecuted(t *testing.T) {
	s := serve(t, nil)
	d := dialer(t)
	d.Engines = engineOf("#!/no/such/interpreter\n")
	p, err := connect(t, d, node(t, s.addr)).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(p.Stdout())
	wantError(t, p.Wait(), KindEngine, "could not be executed", "noexec")
}

func TestCancelEndsARun(t *testing.T) {
	s := serve(t, nil)
	c := connect(t, dialer(t), node(t, s.addr))
	ctx, cancel := context.WithCancelCause(t.Context())
	p, err := c.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("enough")
	cancel(why)
	within(t, 5*time.Second, "a cancelled run", func() {
		_, err := io.ReadAll(p.Stdout())
		if !errors.Is(err, why) {
			t.Errorf("reading gives %v, want the cause", err)
		}
		if err := p.Wait(); !errors.Is(err, why) {
			t.Errorf("Wait gives %v, want the cause", err)
		}
		wantError(t, p.Wait(), KindClosed, "enough")
		if _, err := p.Stdin().Write([]byte("x")); err == nil {
			t.Error("writing to a run that is over works")
		}
	})
	if got := talk(t, c, "still\n"); got != "hello\nstill\n" {
		t.Errorf("the connection is no good after a cancelled run: %q", got)
	}
	_, err = c.Start(cancelled(t))
	wantError(t, err, KindClosed)
}

func TestLostConnectionEndsARun(t *testing.T) {
	s := serve(t, nil)
	c := connect(t, dialer(t), node(t, s.addr))
	p, err := c.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.drop()
	within(t, 5*time.Second, "a run without connection", func() {
		_, err := io.ReadAll(p.Stdout())
		wantError(t, err, KindClosed, "connection was lost")
		wantError(t, p.Wait(), KindClosed, "connection was lost")
	})
	_, err = c.Start(t.Context())
	wantError(t, err, KindClosed)
}

func TestCloseEndsRuns(t *testing.T) {
	s := serve(t, nil)
	c := connect(t, dialer(t), node(t, s.addr))
	p, err := c.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "Close", func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		wantError(t, p.Wait(), KindClosed)
	})
	_, err = c.Start(t.Context())
	wantError(t, err, KindClosed)
}

func TestManyRunsAtOnce(t *testing.T) {
	s := serve(t, nil)
	c := connect(t, dialer(t), node(t, s.addr))
	_ = talk(t, c, "")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			say := strings.Repeat("x", 300_000) + "\n"
			if got := talk(t, c, say); got != "hello\n"+say {
				t.Errorf("%d bytes came back, want %d", len(got), len(say)+6)
			}
		})
	}
	wg.Wait()
}

func TestNoisyShellIsHeardOut(t *testing.T) {
	s := serve(t, func(s *testServer) { s.env = append(s.env, "ENV=/dev/null") })
	inner := s.shell
	s.exec = func(ch ssh.Channel, line string) {
		_, _ = ch.Write([]byte("Welcome to node 1\nno newline at the end"))
		inner(ch, line)
	}
	if got := talk(t, connect(t, dialer(t), node(t, s.addr)), "a\n"); got != "hello\na\n" {
		t.Errorf("the engine said %q", got)
	}
}

func TestHostileNodes(t *testing.T) {
	cases := map[string]struct {
		exec func(ssh.Channel, string)
		kind Kind
		says string
	}{
		"noise without end": {func(ch ssh.Channel, _ string) {
			for {
				if _, err := ch.Write([]byte(strings.Repeat("noise", 1000))); err != nil {
					return
				}
			}
		}, KindEngine, "printed more than"},
		"reports without end": {func(ch ssh.Channel, line string) {
			mark := markIn(line)
			for {
				if _, err := ch.Write([]byte(mark + " sudo\n")); err != nil {
					return
				}
			}
		}, KindEngine, ""},
		"an answer that makes no sense": {func(ch ssh.Channel, line string) {
			_, _ = ch.Write([]byte(markIn(line) + " \x1b[2Jnonsense $(reboot)\n"))
			finishWith(ch, 0)
		}, KindEngine, "[2Jnonsense"},
		"silence":               {func(ch ssh.Channel, _ string) { _, _ = io.Copy(io.Discard, ch) }, KindEngine, "no answer within"},
		"an end without a word": {func(ch ssh.Channel, _ string) { finishWith(ch, 1) }, KindEngine, "status 1: it said nothing"},
		"a long complaint": {func(ch ssh.Channel, _ string) {
			_, _ = ch.Stderr().Write([]byte(strings.Repeat("\x1b]0;evil\x07 ", 100_000) + "This account is currently not available.\n"))
			finishWith(ch, 1)
		}, KindEngine, "evil"},
		"it hangs up": {func(ch ssh.Channel, _ string) { _ = ch.Close() }, KindClosed, "connection was lost"},
		"an architecture of its own": {func(ch ssh.Channel, line string) {
			_, _ = ch.Write([]byte(markIn(line) + " fail arch ../../sparc\n"))
			finishWith(ch, 97)
		}, KindEngine, "sparc"},
		"missing for ever": {func(ch ssh.Channel, line string) {
			if strings.Contains(line, "echo \"$m go\"") {
				_, _ = ch.Write([]byte(markIn(line) + " go\n" + markIn(line) + " stored\n"))
			} else {
				_, _ = ch.Write([]byte(markIn(line) + " missing amd64\n"))
			}
			_, _ = io.Copy(io.Discard, ch)
			finishWith(ch, 97)
		}, KindEngine, "vanishes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(s *testServer) { s.exec = c.exec })
			d := dialer(t)
			if name == "silence" {
				d.patience = 500 * time.Millisecond
			}
			within(t, 10*time.Second, "Start", func() {
				_, err := connect(t, d, node(t, s.addr)).Start(t.Context())
				wantError(t, err, c.kind, c.says)
			})
		})
	}
}

// markIn finds the mark in a command line: the first word that looks like one.
func markIn(line string) string { return markRE.FindString(line) }

var markRE = regexp.MustCompile(`\bpullway-[A-Z2-7]{26}\b`)
