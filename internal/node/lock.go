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
	Run string `json:"run"`
	Op  string `json:"op"`
	// Operator is user@host of whoever made the run; empty when nobody told.
	Operator string    `json:"operator,omitempty"`
	PID      int       `json:"pid"`
	Since    time.Time `json:"since"`
	// Silence is how long it may give no sign of life before it counts as dead.
	Silence time.Duration `json:"silence,omitempty"`
}

// LockedError tells that another run works on this node.
type LockedError struct{ Holder Holder }

// Error returns one line with the run and since when.
func (e *LockedError) Error() string {
	return "another run holds this node: " + e.Holder.String()
}

// String says in one line what is under way, who made the run and since when.
func (h Holder) String() string {
	by := ""
	if h.Operator != "" {
		by = " by " + h.Operator
	}
	return fmt.Sprintf("%s of run %q%s since %s (pid %d)", h.Op, h.Run, by, h.Since.UTC().Format(time.RFC3339), h.PID)
}

// interrupted returns the transaction that a crash left, or who is at work on one
// right now.
func (s store) interrupted() (*Record, *Holder, error) {
	left, err := s.journal()
	if err != nil || left == nil {
		return nil, nil, err
	}
	holder, err := s.holder()
	if err != nil || holder != nil {
		return nil, holder, err
	}
	// Its engine may have ended well between the two looks.
	still, err := s.journal()
	if err != nil || still == nil || still.ID != left.ID {
		return nil, nil, err
	}
	return left, nil, nil
}

// holder returns who holds the lock right now; nil when nobody does.
func (s store) holder() (*Holder, error) {
	f, err := s.openLock()
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written; closing lets go of the lock
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		h := holderOf(f)
		return &h, nil
	}
	return nil, nil
}

func (s store) openLock() (*os.File, error) {
	return os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
}

// holderOf reads who wrote the lock file.
func holderOf(f *os.File) Holder {
	var h Holder
	if err := json.NewDecoder(f).Decode(&h); err != nil {
		h = Holder{Run: "unknown", Op: "something"}
	}
	return h
}

// glance is the most that holder holds the lock for while it looks.
const glance = 200 * time.Millisecond

// lock takes the node's lock; who holds it longer than a glance at it takes is an
// error. The kernel lets go of it when the process ends, however it ends. The
// returned function lets go of it.
func (s store) lock(h Holder) (unlock func(), err error) {
	err = s.disk.around("lock", s.path("lock"), func() error {
		unlock, err = s.takeLock(h)
		return err
	})
	if err != nil && unlock != nil {
		unlock()
	}
	return unlock, err
}

func (s store) takeLock(h Holder) (func(), error) {
	f, err := s.openLock()
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(glance); ; time.Sleep(glance / 20) {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			break
		}
		if time.Now().After(deadline) {
			defer f.Close() //nolint:errcheck // nothing was written
			return nil, &LockedError{holderOf(f)}
		}
	}
	// Before anybody can read whose lock this is: a holder without a sign of life
	// counts as dead.
	s.beat()
	h.PID = os.Getpid()
	b, _ := json.Marshal(h)
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(append(b, '\n'), 0)
	}
	return func() { _ = f.Close() }, nil
}
