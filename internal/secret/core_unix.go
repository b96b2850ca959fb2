//go:build unix

package secret

import "golang.org/x/sys/unix"

// NoCoreDumps keeps this process, and those that it starts, from leaving their
// memory, which holds secrets, in a core dump.
func NoCoreDumps() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
