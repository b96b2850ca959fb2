//go:build !windows

package kubespray

import (
	"io/fs"
	"os"
	"syscall"
)

// own gives a new file the owner of the one it replaces; only root can.
func own(f *os.File, like fs.FileInfo) error {
	if like == nil || os.Geteuid() != 0 {
		return nil
	}
	if sys, ok := like.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(sys.Uid), int(sys.Gid))
	}
	return nil
}
