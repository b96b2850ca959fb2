//go:build !unix

package play

import (
	"os"
	"os/exec"
)

// detach does what there is to do where no process groups are.
func detach(cmd *exec.Cmd) {
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
}

func endGroup(*exec.Cmd) {}
