//go:build unix

package record

import (
	"fmt"
	"os"
	"syscall"
)

// private sees that nobody else can have put anything into dir: what is there is
// believed by a rollback, and written over. A folder that does not exist yet is fine.
func private(dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return nil // whoever uses it says why
	}
	why := ""
	switch sys, ok := st.Sys().(*syscall.Stat_t); {
	case ok && int(sys.Uid) != os.Geteuid():
		why = fmt.Sprintf("belongs to user %d", sys.Uid)
	case st.Mode().Perm()&0o022 != 0:
		why = fmt.Sprintf("can be written to by others (mode %04o)", st.Mode().Perm())
	default:
		return nil
	}
	return &NotPrivateError{Dir: dir, Why: why}
}
