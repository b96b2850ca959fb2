package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDeadManLeavesNothing(t *testing.T) {
	for name, fail := range map[string]bool{"armed": false, "systemd-run fails": true} {
		dir := t.TempDir()
		var ran []string
		d := DeadMan{Program: "/var/lib/pullway/engine/pullway-node-1", Args: []string{"recover", "--if-silent=30s"}, Every: 15 * time.Second, Dir: dir,
			Run: func(_ context.Context, c Command) (Output, error) {
				ran = append(ran, strings.Join(c.Argv, " "))
				if fail && c.Argv[0] == "systemd-run" {
					return Output{Exit: 1, Stderr: []byte("no\n")}, nil
				}
				return Output{}, nil
			}}
		err := d.Arm(t.Context())
		if (err != nil) != fail {
			t.Fatalf("%s: %v", name, err)
		}
		unit, readErr := os.ReadFile(filepath.Join(dir, bootUnit))
		if !fail {
			if !strings.Contains(string(unit), "ExecStart=/var/lib/pullway/engine/pullway-node-1 recover --if-silent=30s\n") {
				t.Errorf("the unit for the next boot: %q, %v", unit, readErr)
			}
			if all := strings.Join(ran, "\n"); !strings.Contains(all, "--on-active=15000ms") || !strings.HasSuffix(all, "recover --if-silent=30s") {
				t.Errorf("%s: ran\n%s", name, all)
			}
			if err := d.Arm(t.Context()); err != nil {
				t.Errorf("armed twice: %v", err)
			}
			if err := errors.Join(d.Disarm(t.Context()), d.Disarm(t.Context())); err != nil {
				t.Error(err)
			}
		}
		left, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
		units, _ := filepath.Glob(filepath.Join(dir, "pullway*"))
		if len(left)+len(units) > 0 {
			t.Errorf("%s: left behind %q %q", name, left, units)
		}
	}
}
