package node

import (
	"errors"
	"syscall"

	"github.com/pullway/pullway/internal/protocol"
)

// hintOf says what a person can do about an error of the node's own file system
// or of the engine; empty when there is nothing to say.
func hintOf(err error) string {
	var pe *protocol.Error
	if errors.As(err, &pe) {
		return pe.Hint
	}
	for _, h := range []struct {
		errno syscall.Errno
		hint  string
	}{
		{syscall.EROFS, "the file system is read-only: mount it writable, or look in the kernel's log why it no longer is"},
		{syscall.ENOSPC, "make room on that file system, then run it again"},
		{syscall.EDQUOT, "make room within the quota of that file system, then run it again"},
		{syscall.ENOTDIR, "something stands where a folder belongs: look at it and move it away"},
		{syscall.EISDIR, "a folder stands where a file belongs: look at it and move it away"},
		{syscall.EACCES, "the engine has to run as root: let the inventory say ansible_become, or log in as root"},
		{syscall.EPERM, "root is not let do that: look for chattr +i, a read-only mount, or AppArmor and SELinux denials"},
		{syscall.EIO, "the disk fails: look in the kernel's log"},
	} {
		if errors.Is(err, h.errno) {
			return h.hint
		}
	}
	return ""
}
