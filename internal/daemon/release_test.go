package daemon

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/containerd"
)

func TestListenerIsTheProcessThatListens(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "c.sock")
	if pid := listener(socket); pid != 0 {
		t.Errorf("no socket: pid %d", pid)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test
	if pid := listener(socket); pid != os.Getpid() {
		t.Errorf("pid %d listens, want %d", pid, os.Getpid())
	}
	if pid := listener(strings.Repeat("x", 200)); pid != 0 {
		t.Errorf("a path that is too long: pid %d", pid)
	}
}

func TestReleaseIsAskedWhereItIsKnown(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "c.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test
	told := containerd.Release{Major: 2, Minor: 4, Patch: 2}
	for name, c := range map[string]struct {
		reason string
		pid    int
		err    error
		want   int // minor release
		ran    int
	}{
		"its own socket":        {"no program is started", os.Getpid(), nil, 4, 0},
		"somebody else's":       {"what listens there is another process", os.Getpid() + 1, nil, 7, 1},
		"it does not answer":    {"the binary knows too", os.Getpid(), errors.New("boom"), 7, 1},
		"the daemon is stopped": {"nobody to ask", 0, nil, 7, 1},
	} {
		run := version("1.7.35")
		d := Daemon{PID: c.pid, Exe: "/usr/bin/containerd", Args: containerd.Args{Address: socket}}
		d.opt = Options{Proc: t.TempDir(), Run: run.run, Release: func(_ context.Context, address string) (containerd.Release, error) {
			if address != socket {
				t.Errorf("%s: asked %q", name, address)
			}
			return told, c.err
		}}
		if err := d.askRelease(t.Context()); err != nil || d.Release.Minor != c.want || len(run.ran) != c.ran {
			t.Errorf("%s (%s): release %s, %d programs, %v", name, c.reason, d.Release, len(run.ran), err)
		}
	}
}
