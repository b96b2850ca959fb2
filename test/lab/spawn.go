package lab

import (
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// spawn starts a process that outlives this one, in that control group, with its output in a file.
func spawn(g group, output string, argv ...string) (*exec.Cmd, error) {
	procs, err := g.create()
	if err != nil {
		return nil, err
	}
	return spawnIn(procs, output, argv...)
}

// spawnIn is spawn for a group that was made; procs are the files by which it is joined.
func spawnIn(procs []string, output string, argv ...string) (*exec.Cmd, error) {
	out, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	// The shell joins the group before it becomes the program, so that nothing is
	// ever started outside of it.
	script := `until [ "$1" = -- ]; do echo $$ > "$1" || exit 1; shift; done; shift; exec "$@"`
	args := append([]string{"-c", script, "sh"}, procs...)
	cmd := exec.Command("sh", append(append(args, "--"), argv...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return cmd, nil
}
