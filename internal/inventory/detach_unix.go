//go:build unix

package inventory

import (
	"os/exec"
	"syscall"
)

// detach takes the terminal away from a program, which then cannot ask for a
// password on it, and lets a timeout end its children too.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
