//go:build unix

package secret

import "syscall"

// withoutTerminal puts a program into its own session: programs that ask for
// passwords open /dev/tty, whatever their standard input is.
func withoutTerminal() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
