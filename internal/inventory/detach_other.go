//go:build !unix

package inventory

import "os/exec"

// detach does nothing here; Ansible does not run on such systems.
func detach(*exec.Cmd) {}
