//go:build unix

package play

import (
	"os/exec"
	"syscall"
)

// detach takes ansible-playbook and its children off the terminal: Ctrl-C is for
// pullway, which decides when the play ends, and nothing can ask for a password.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
}

// endGroup ends what is left of a play that was interrupted.
func endGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
