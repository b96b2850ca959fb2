//go:build !unix

package transport

import (
	"os"
	"syscall"
)

// ownSession does nothing where there are no sessions.
func ownSession() *syscall.SysProcAttr { return nil }

// lockFile does nothing: here only one process at a time is protected.
func lockFile(*os.File) error { return nil }
