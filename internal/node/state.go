package node

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// StateDir is where the engine keeps what it must remember on a node: lock,
// journal, manifest, transactions with their backups, and the engine itself.
const StateDir = "/var/lib/pullway"

// keptTransactions is how many backups are kept on a node.
const keptTransactions = 20

// store is the engine's own folder on the node. All of it is 0700 and 0600:
// backups hold what was in config.toml and hosts.toml, secrets included.
type store struct {
	dir  string
	disk disk
}

func (s store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// prepare makes the folders, and refuses those that others could write to.
func (s store) prepare() error {
	if err := s.disk.ownFolder(s.dir); err != nil {
		return err
	}
	return s.disk.ownFolder(s.path("transactions"))
}

// key returns the node's own random key, making it at first use. Fingerprints
// and hashes that leave the node are keyed with it, so that nobody can try
// passwords against them elsewhere.
func (s store) key() ([]byte, error) {
	b, err := readOwn(s.path("key"), 64)
	if err == nil && len(b) == 32 {
		return b, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	b = make([]byte, 32)
	_, _ = rand.Read(b)
	return b, s.disk.replace(s.path("key"), b, 0o600)
}

// Record is one transaction: what it changes, where the former state is kept,
// and how far it came. As the journal it is the promise that everything can be
// put back; afterwards it stays as history and for rollback.
type Record struct {
	ID   string      `json:"id"`
	Run  string      `json:"run"`
	Name string      `json:"name"`
	Op   protocol.Op `json:"op"`
	// Operator made the run; Target is the run that a rollback undoes.
	Operator string           `json:"operator,omitempty"`
	Target   string           `json:"target,omitempty"`
	Started  time.Time        `json:"started"`
	Ended    time.Time        `json:"ended,omitzero"`
	Phase    Phase            `json:"phase"`
	Outcome  protocol.Outcome `json:"outcome,omitempty"`
	// Items in the order in which they are changed; those that go come last.
	Items []Item `json:"items"`
	// MadeDirs are folders that had to be made for the targets, outermost first.
	MadeDirs []string `json:"madeDirs,omitempty"`
	// Restart tells that the change needs one, and so does its undo.
	Restart bool `json:"restart,omitempty"`
	// Unwell tells that CRI was not healthy before, so an undo brings that back.
	Unwell bool `json:"unwell,omitempty"`
	// ConfigFile is the daemon's root configuration file.
	ConfigFile string `json:"configFile"`
	// Address of the containerd socket, for the health check of a recovery.
	Address string `json:"address,omitempty"`
	// DaemonPID and Boot are the daemon's process when the transaction began, by
	// which a later engine knows whether it was started anew since.
	DaemonPID int    `json:"daemonPID,omitempty"`
	Boot      string `json:"boot,omitempty"`
	// Play is set when the change comes from the operator's side. What it makes of the
	// items is known only once it is through.
	Play *Play `json:"play,omitempty"`
	// Probe is the host directory of the proof; never there outside of it.
	Probe string `json:"probe,omitempty"`
	// Before and After are the manifests on either side of the change.
	Before plan.Manifest `json:"manifestBefore"`
	After  plan.Manifest `json:"manifestAfter"`
	// Restarting is written before containerd is restarted: from then on it may have
	// read the new state, whatever a later engine sees of its process.
	Restarting bool `json:"restarting,omitempty"`
	// Undoes is the transaction that a rollback takes back, and EmptyDirs the folders
	// that one had made, which go with it if nothing is in them.
	Undoes    string   `json:"undoes,omitempty"`
	EmptyDirs []string `json:"emptyDirs,omitempty"`
	// Undone tells that a later rollback put this transaction back.
	Undone bool `json:"undone,omitempty"`
	// Result is what was told of a committed transaction, for an operator whose
	// connection ended before it heard.
	Result *protocol.Result `json:"result,omitempty"`
	// Failed and Reason say why it was put back.
	Failed protocol.Step `json:"failed,omitempty"`
	Reason string        `json:"reason,omitempty"`
}

// Phase of a Record.
type Phase string

// The phases. In PhasePreparing only temporary files exist. Up to PhaseActive the
// former state wins, from PhaseCommitted on the new one does.
const (
	PhasePreparing Phase = "preparing"
	PhaseActive    Phase = "active"
	PhaseCommitted Phase = "committed"
	PhaseUndone    Phase = "undone"
	PhaseBroken    Phase = "broken"
)

// Item is one target of a transaction: a file, or a whole host directory.
type Item struct {
	Target string `json:"target"`
	// Staged is where the new state is built before it is renamed to Target.
	Staged string `json:"staged"`
	Before Entry  `json:"before"`
	After  Entry  `json:"after"`
	// Config marks a file that containerd reads only when it starts.
	Config bool `json:"config,omitempty"`
}

// changed are the paths that the transaction brought something new to.
func (r *Record) changed() (paths []string) {
	for _, i := range r.Items {
		if i.changed() {
			paths = append(paths, i.Target)
		}
	}
	return paths
}

// removes reports whether the item's target goes. Such items come last.
func (i Item) removes() bool { return i.After.Kind == KindAbsent }

func (s store) load(path string, v any) (bool, error) {
	b, err := readOwn(path, MaxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = json.Unmarshal(b, v)
	if r, ok := v.(*Record); ok && err == nil {
		err = r.check()
	}
	if err != nil {
		return false, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return true, nil
}

func (s store) save(path string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return s.disk.replace(path, b, 0o600)
}

func (s store) manifest() (m plan.Manifest, err error) {
	_, err = s.load(s.path("manifest.json"), &m)
	return m, err
}

// journal returns the transaction that is under way, or that a crash left.
func (s store) journal() (*Record, error) {
	var r Record
	found, err := s.load(s.path("journal.json"), &r)
	if err != nil || !found {
		return nil, err
	}
	return &r, nil
}

func (s store) writeJournal(r *Record) error { return s.save(s.path("journal.json"), r) }

func (s store) dropJournal() error { return s.disk.remove(s.path("journal.json")) }

func (s store) transactionDir(id string) string { return s.path("transactions", id) }

func (s store) writeRecord(r *Record) error {
	if err := s.disk.ensureDir(s.transactionDir(r.ID)); err != nil {
		return err
	}
	return s.save(filepath.Join(s.transactionDir(r.ID), "record.json"), r)
}

// history returns the records of all kept transactions, newest first. A damaged
// one is left out and told of in the error; the others are returned all the same.
func (s store) history() ([]*Record, error) {
	names, err := os.ReadDir(s.path("transactions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []*Record
	var damaged []error
	for _, n := range names {
		var r Record
		found, err := s.load(filepath.Join(s.transactionDir(n.Name()), "record.json"), &r)
		if found && err == nil && r.ID != n.Name() {
			err = fmt.Errorf("the record in %s is of transaction %q", s.transactionDir(n.Name()), r.ID)
		}
		if err != nil {
			damaged = append(damaged, err)
		}
		if found && err == nil {
			all = append(all, &r)
		}
	}
	slices.SortFunc(all, func(a, b *Record) int { return strings.Compare(b.ID, a.ID) })
	return all, errors.Join(damaged...)
}

// prune deletes the backups of the oldest transactions, and of attempts that
// never came to a record, keeping keptTransactions.
func (s store) prune(keep string) error {
	names, err := os.ReadDir(s.path("transactions"))
	if err != nil {
		return err
	}
	surplus := len(names) - keptTransactions
	for _, n := range names {
		_, err := os.Lstat(filepath.Join(s.transactionDir(n.Name()), "record.json"))
		if n.Name() == keep || (err == nil && surplus <= 0) {
			continue
		}
		surplus--
		if err := s.dropTransaction(n.Name()); err != nil {
			return err
		}
	}
	return nil
}

// dropTransaction deletes a record and its backup. The record goes first, so that
// history never names a transaction whose backup is half gone.
func (s store) dropTransaction(id string) error {
	dir := s.transactionDir(id)
	if !exists(dir) {
		return nil
	}
	return errors.Join(s.disk.remove(filepath.Join(dir, "record.json")), s.disk.removeTree(dir))
}

// markUndone does the rest of a rollback r: the transaction that it took back is
// told so, and the folders which that one had made go if they are empty.
func (s store) markUndone(r *Record) error {
	if r.Undoes == "" {
		return nil
	}
	var target Record
	found, err := s.load(filepath.Join(s.transactionDir(r.Undoes), "record.json"), &target)
	if err == nil && found && !target.Undone {
		target.Undone = true
		err = s.writeRecord(&target)
	}
	return errors.Join(err, removeEmpty(s.disk, r.EmptyDirs))
}

// idTime is how an id begins.
const idTime = "20060102T150405.000Z"

// newID makes an id that sorts behind all that are there: by the time, and, where
// the clock was set back, by the newest of them. History and rollback go by it.
func (s store) newID(now time.Time) string {
	names, _ := os.ReadDir(s.path("transactions"))
	for _, n := range names {
		at, _, _ := strings.Cut(n.Name(), "-")
		if then, err := time.Parse(idTime, at); err == nil && !now.After(then.Add(time.Millisecond)) {
			now = then.Add(time.Millisecond)
		}
	}
	var b [2]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%s-%x", now.UTC().Format(idTime), b)
}
