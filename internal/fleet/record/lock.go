package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Holder is who holds the lock.
type Holder struct {
	// Operator is user@host.
	Operator string `json:"operator"`
	PID      int    `json:"pid"`
	// Run is the run's id, Command what it does.
	Run     string    `json:"run"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

// HeldError means that another run holds the lock.
type HeldError struct {
	Path string
	// Holder is nil when the holder has not written its name yet.
	Holder *Holder
}

// Error tells who holds the lock and since when.
func (e *HeldError) Error() string {
	if e.Holder == nil {
		return fmt.Sprintf("another run holds %s", e.Path)
	}
	h := e.Holder
	return fmt.Sprintf("another run holds %s: %q of %q, run %q, process %d, since %s",
		e.Path, h.Command, h.Operator, h.Run, h.PID, h.Since.Local().Format(time.DateTime))
}

// Hint says what to do about it.
func (e *HeldError) Hint() string { return "wait until it ends, or stop it there with Ctrl-C" }

// Lock is the right to run. It ends with Unlock or with the process.
type Lock struct {
	file *os.File
	// Abandoned is who held the lock before and did not give it back: that run
	// crashed, and its nodes may be in mid-change. Nil when all is well.
	Abandoned *Holder
}

// maxHolder is the most that is read of a lock file, in bytes.
const maxHolder = 64 << 10

// Lock takes the one lock of the store without waiting. It returns a *HeldError
// when another process, or another Lock of this one, has it. The kernel frees it
// when its process dies, so that a lock is never stale; the file with the name of
// the holder stays, which is how a crash is noticed. It is not to be relied on
// across machines that share the folder.
func (s Store) Lock(h Holder) (*Lock, error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := private(s.Dir); err != nil {
		return nil, err
	}
	path := filepath.Join(s.Dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	switch held, err := lockFile(f); {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	case held:
		e := &HeldError{Path: path, Holder: readHolder(f)}
		_ = f.Close()
		return nil, e
	}
	l := &Lock{file: f, Abandoned: readHolder(f)}
	if err := l.write(h); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return l, nil
}

// Rename writes another name of the same holder, who goes on with another run.
func (l *Lock) Rename(h Holder) error { return l.write(h) }

// Unlock gives the lock back.
func (l *Lock) Unlock() error {
	return errors.Join(l.file.Truncate(0), l.file.Close())
}

func (l *Lock) write(h Holder) error {
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err = l.file.WriteAt(append(b, '\n'), 0)
	return err
}

// readHolder returns nil for an empty or damaged lock file.
func readHolder(f *os.File) *Holder {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, maxHolder))
	if err != nil {
		return nil
	}
	var h Holder
	if json.Unmarshal(b, &h) != nil {
		return nil
	}
	return &h
}
