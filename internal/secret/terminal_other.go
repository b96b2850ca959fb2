//go:build !unix

package secret

import "syscall"

// withoutTerminal has nothing to do where there are no sessions.
func withoutTerminal() *syscall.SysProcAttr { return nil }
