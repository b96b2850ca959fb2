package daemon

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// unitTime bounds the question for a unit.
const unitTime = 5 * time.Second

// systemctl talks to systemd by its command, for nodes where the bus is not to
// be had, such as a minimal image without dbus when we are not root's child.
type systemctl struct{ run Run }

const unitProperties = "LoadState,KillMode,Delegate,ActiveState,SubState,FragmentPath,MainPID,ExecStart"

// Unit implements Systemd.
func (s systemctl) Unit(ctx context.Context, name string) (Unit, error) {
	out, err := s.run(ctx, Command{Path: "/usr/bin/systemctl", Argv: []string{"systemctl", "show", "--no-pager", "--property=" + unitProperties, "--", name}})
	if err != nil {
		return Unit{}, fmt.Errorf("unit %q: %s", name, oneLine(err.Error()))
	}
	if out.Exit != 0 {
		return Unit{}, fmt.Errorf("unit %q: systemctl show: exit status %d: %s", name, out.Exit, oneLine(string(out.Stderr)))
	}
	return unitOfShow(name, string(out.Stdout))
}

// Restart implements Systemd.
func (s systemctl) Restart(ctx context.Context, name string) error {
	_, _ = s.run(ctx, Command{Path: "/usr/bin/systemctl", Argv: []string{"systemctl", "reset-failed", "--", name}})
	out, err := s.run(ctx, Command{Path: "/usr/bin/systemctl", Argv: []string{"systemctl", "restart", "--", name}})
	if err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	if out.Exit != 0 {
		return fmt.Errorf("restart %s: systemctl: exit status %d: %s", name, out.Exit, oneLine(string(out.Stderr)))
	}
	return nil
}

// unitOfShow reads a unit from the output of systemctl show.
func unitOfShow(name, output string) (Unit, error) {
	properties := map[string]any{}
	for line := range strings.Lines(output) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\n"), "=")
		if !ok {
			continue
		}
		if _, seen := properties[key]; seen {
			continue // a second ExecStart
		}
		switch key {
		case "Delegate":
			properties[key] = value == "yes"
		case "MainPID":
			pid, _ := strconv.ParseUint(value, 10, 31)
			properties[key] = uint32(pid)
		case "ExecStart":
			path, argv := execOfShow(value)
			properties[key] = [][]any{{path, argv}}
		default:
			properties[key] = value
		}
	}
	return unitOf(name, properties)
}

// execOfShow reads "{ path=/usr/bin/containerd ; argv[]=/usr/bin/containerd -c x ; … }".
// systemctl does not quote, so an argument with a blank in it comes as two.
func execOfShow(value string) (path string, argv []string) {
	for part := range strings.SplitSeq(strings.Trim(value, "{} "), " ; ") {
		if p, ok := strings.CutPrefix(strings.TrimSpace(part), "path="); ok {
			path = p
		}
		if a, ok := strings.CutPrefix(strings.TrimSpace(part), "argv[]="); ok {
			argv = strings.Fields(a)
		}
	}
	return path, argv
}
