//go:build unix

package transport

import (
	"os"
	"syscall"
)

// ownSession detaches a command from our terminal.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// lockFile waits for the exclusive lock on f; closing f gives it back.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }
