package node

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Holder says who holds a node's lock.
type Holder struct {
	Run   string    `json:"run"`
	Op    string    `json:"op"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// LockedError tells that another run works on this node.
type LockedError struct{ Holder Holder }

// Error returns one line with the run and since when.
func (e *LockedError) Error() string {
	return fmt.Sprintf("another run holds this node: %s of run %q since %s (pid %d)",
		e.Holder.Op, e.Holder.Run, e.Holder.Since.UTC().Format(time.RFC3339), e.Holder.PID)
}

// interrupted returns the transaction that a crash left, or who is at work on one
// right now.
func (s store) interrupted() (*Record, *Holder, error) {
	left, err := s.journal()
	if err != nil || left == nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written; closing lets go of the lock
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		h := holderOf(f)
		return nil, &h, nil
	}
	return left, nil, nil
}

// holderOf reads who wrote the lock file.
func holderOf(f *os.File) Holder {
	var h Holder
	if err := json.NewDecoder(f).Decode(&h); err != nil {
		h = Holder{Run: "unknown", Op: "something"}
	}
	return h
}

// lock takes the node's lock without waiting. The kernel lets go of it when the
// process ends, however it ends. The returned function lets go of it.
func (s store) lock(run, op string, now time.Time) (func(), error) {
	f, err := os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close() //nolint:errcheck // nothing was written
		return nil, &LockedError{holderOf(f)}
	}
	b, _ := json.Marshal(Holder{Run: run, Op: op, PID: os.Getpid(), Since: now})
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(append(b, '\n'), 0)
	}
	return func() { _ = f.Close() }, nil
}
