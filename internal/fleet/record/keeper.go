package record

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/pullway/pullway/internal/fleet"
)

// Keeper keeps the record of one run while it is under way. Its first Save writes
// the whole record; later ones write what is new at the nodes to a log beside it,
// so that a run writes as much as its nodes tell, however many there are. A Save
// that finds the head changed, such as the end of the run, writes the whole again
// and takes the log away.
//
// It compares nodes with what it saved: whatever a NodeRun points to must be
// replaced and never changed in place.
type Keeper struct {
	store Store
	head  []byte
	nodes []fleet.NodeRun
	// log is nil while there is nothing in it.
	log *os.File
	// token names the log that belongs to the record on disk.
	token string
	// logged and whole are the bytes of the log and of the record beside it.
	logged, whole int64
	// broken is set when an append failed: half a line may stand in the log.
	broken bool

	// saves and written count what was asked for and what was written, in bytes.
	saves   int
	written int64
}

// minLog is how long a log may be before the record is written anew, in bytes.
const minLog = 1 << 20

// Keep returns a Keeper for one run. It is used by one goroutine.
func (s Store) Keep() *Keeper { return &Keeper{store: s} }

// Save implements fleet.Recorder. Whatever happens meanwhile, a reader finds the
// former record or this one; when Save returns, this one survives a loss of power.
func (k *Keeper) Save(run *Run) error {
	k.saves++
	head, err := headOf(run)
	if err != nil {
		return err
	}
	if k.token == "" || k.broken || k.logged > max(k.whole, minLog) || !bytes.Equal(head, k.head) || len(run.Nodes) != len(k.nodes) {
		return k.saveWhole(run, head)
	}
	return k.saveNews(run)
}

// headOf is the record without its nodes.
func headOf(run *Run) ([]byte, error) {
	head := *run
	head.Nodes = nil
	return json.Marshal(head)
}

// saveWhole writes the whole record. A run that has ended needs no log any more.
func (k *Keeper) saveWhole(run *Run, head []byte) error {
	token := ""
	if run.Interrupted() {
		b := make([]byte, 8)
		_, _ = rand.Read(b) // it never fails
		token = hex.EncodeToString(b)
	}
	n, err := k.store.save(run, token)
	if err != nil {
		return err
	}
	if k.log != nil {
		_ = k.log.Close()
		k.log = nil
	}
	k.written += n
	k.token, k.head, k.whole, k.logged, k.broken = token, head, n, 0, false
	k.nodes = append(k.nodes[:0], run.Nodes...)
	return k.store.dropLogs(run.ID, token)
}

// saveNews appends what is new.
func (k *Keeper) saveNews(run *Run) error {
	var lines bytes.Buffer
	var changed []int
	for i := range run.Nodes {
		if run.Nodes[i] == k.nodes[i] {
			continue
		}
		if err := appendNews(&lines, i, &k.nodes[i], &run.Nodes[i]); err != nil {
			return err
		}
		changed = append(changed, i)
	}
	if len(changed) == 0 {
		return nil
	}
	if err := k.append(run.ID, lines.Bytes()); err != nil {
		k.broken = true
		return err
	}
	for _, i := range changed {
		k.nodes[i] = run.Nodes[i]
	}
	return nil
}

func (k *Keeper) append(id string, lines []byte) error {
	isNew := k.log == nil
	if isNew {
		f, err := os.OpenFile(k.store.logFile(id, k.token), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		k.log = f
	}
	n, err := k.log.Write(lines)
	k.logged += int64(n)
	k.written += int64(n)
	if err != nil {
		return err
	}
	if err := k.log.Sync(); err != nil {
		return err
	}
	if isNew {
		return syncDir(k.store.folder(id))
	}
	return nil
}

func (s Store) logFile(id, token string) string {
	return filepath.Join(s.folder(id), "run-"+token+".log")
}

// dropLogs removes the logs of a run but the one that belongs to its record.
func (s Store) dropLogs(id, token string) error {
	logs, err := filepath.Glob(s.logFile(id, "*"))
	if err != nil {
		return err
	}
	logs = slices.DeleteFunc(logs, func(name string) bool { return name == s.logFile(id, token) })
	var errs []error
	for _, name := range logs {
		errs = append(errs, os.Remove(name))
	}
	return errors.Join(errs...)
}
