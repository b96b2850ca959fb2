package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// fakeProc makes a procfs of testdata/proc/NAME.txtar: a file that is "-> x"
// becomes a link to x, and the lines of cmdline and environ are ended by NUL.
func fakeProc(t *testing.T, name string) string {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", "proc", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range a.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		text := string(f.Data)
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(strings.TrimSuffix(target, "\n"), path)
		} else {
			if base := filepath.Base(path); base == "cmdline" || base == "environ" {
				text = strings.ReplaceAll(strings.TrimLeft(text, "\n"), "\n", "\x00")
			}
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fakeSystemd has these units and remembers the restarts.
type fakeSystemd struct {
	units     map[string]Unit
	err       error // of every question
	restart   error
	restarted []string
}

func (f *fakeSystemd) Unit(_ context.Context, name string) (Unit, error) {
	if f.err != nil {
		return Unit{}, f.err
	}
	u, ok := f.units[name]
	if !ok {
		return Unit{}, fmt.Errorf("unit %q: %w", name, ErrNoUnit)
	}
	return u, nil
}

func (f *fakeSystemd) Restart(_ context.Context, name string) error {
	f.restarted = append(f.restarted, name)
	return f.restart
}

// fakeRun answers every program and remembers the command lines.
type fakeRun struct {
	out  Output
	err  error
	each func(Command) (Output, error)
	ran  []Command
}

func (f *fakeRun) run(_ context.Context, c Command) (Output, error) {
	f.ran = append(f.ran, c)
	if f.each != nil {
		return f.each(c)
	}
	return f.out, f.err
}

func version(text string) *fakeRun {
	return &fakeRun{out: Output{Stdout: []byte("containerd github.com/containerd/containerd " + text + " 0123abcd\n")}}
}

func plainUnit() Unit {
	return Unit{Name: unitName, KillMode: "process", Delegate: "yes", ActiveState: "active", SubState: "running",
		FragmentPath: "/lib/systemd/system/containerd.service", MainPID: 612, ExecStart: []string{"/usr/bin/containerd"}}
}
