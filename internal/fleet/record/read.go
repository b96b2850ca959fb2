package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/fleet"
)

// maxFile is the largest record that is read, in bytes. A run over 5,000 nodes
// takes about 10 MB.
const maxFile = 256 << 20

// ErrNotFound means that no run fits what was asked for.
var ErrNotFound = errors.New("no such run")

// Damaged is a record that cannot be read, and why.
type Damaged struct {
	// ID is the name of its folder.
	ID  string
	Err error
}

// Error names the record and the reason.
func (d *Damaged) Error() string { return fmt.Sprintf("record of run %q: %v", d.ID, d.Err) }

// Unwrap returns the reason.
func (d *Damaged) Unwrap() error { return d.Err }

// List returns the newest limit runs, newest first; a limit of 0 or less means
// all. Records that cannot be read are told apart and take a place of the limit.
// A store that does not exist yet is empty.
func (s Store) List(limit int) ([]*Run, []*Damaged, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, nil, err
	}
	if limit > 0 && len(ids) > limit {
		ids = ids[:limit]
	}
	var runs []*Run
	var damaged []*Damaged
	for _, id := range ids {
		run, err := s.read(id)
		if err != nil {
			damaged = append(damaged, &Damaged{ID: id, Err: err})
			continue
		}
		runs = append(runs, run)
	}
	return runs, damaged, nil
}

// Get returns one run: by its id, by the beginning of its id when only one run
// begins so, or the newest for "last". The error is ErrNotFound, a *Damaged, or
// tells which runs the beginning fits.
func (s Store) Get(ref string) (*Run, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	var fits []string
	for _, id := range ids {
		if ref == id || ref == "last" {
			fits = []string{id}
			break
		}
		if ref != "" && strings.HasPrefix(id, ref) {
			fits = append(fits, id)
		}
	}
	switch len(fits) {
	case 0:
		return nil, fmt.Errorf("%w: %q", ErrNotFound, ref)
	case 1:
		run, err := s.read(fits[0])
		if err != nil {
			return nil, &Damaged{ID: fits[0], Err: err}
		}
		return run, nil
	}
	shown := fits[:min(len(fits), 3)]
	return nil, fmt.Errorf("run %q fits %d runs, such as %s", ref, len(fits), strings.Join(shown, ", "))
}

// ids are the folders that have the name of a run, newest first.
func (s Store) ids() ([]string, error) {
	if err := private(s.Dir); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.runs())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if ValidID(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids, nil
}

// read reads a record and its log. A record that is written anew in between
// takes the log away that the former one named; then the new one is read.
func (s Store) read(id string) (*Run, error) {
	for missing := ""; ; {
		run, token, err := s.readRecord(id)
		if err != nil || token == "" {
			return run, err
		}
		log, err := s.readLog(id, token)
		switch {
		case errors.Is(err, errNoLog) && token == missing:
			return run, nil
		case errors.Is(err, errNoLog):
			missing = token
			continue
		case err != nil:
			return nil, err
		}
		if err := replay(run, log); err != nil {
			return nil, err
		}
		if err := check(run); err != nil {
			return nil, err
		}
		return run, nil
	}
}

// readRecord reads a record without its log, and the name of that.
func (s Store) readRecord(id string) (*Run, string, error) {
	f, err := os.Open(filepath.Join(s.folder(id), fileName))
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = f.Close() }()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, "", errors.Join(err, errors.New("run.json is not a regular file"))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, "", err
	}
	if len(b) > maxFile {
		return nil, "", fmt.Errorf("run.json is larger than %d MB", maxFile>>20)
	}
	run, err := decode(id, b)
	if err != nil || !run.Interrupted() {
		return run, "", err // an ended run has no log
	}
	var named struct {
		Log string `json:"log"`
	}
	return run, named.Log, json.Unmarshal(b, &named)
}

// decode reads one record and checks what others rely on.
func decode(id string, b []byte) (*Run, error) {
	var run Run
	if err := json.Unmarshal(b, &run); err != nil {
		return nil, err
	}
	switch {
	case run.Schema > fleet.RunSchema:
		return nil, fmt.Errorf("schema %d is of a later release, this one reads up to %d", run.Schema, fleet.RunSchema)
	case run.Schema < 1:
		return nil, fmt.Errorf("schema %d is not known", run.Schema)
	case run.ID != id:
		return nil, fmt.Errorf("it is of run %q", run.ID)
	}
	if err := check(&run); err != nil {
		return nil, err
	}
	return &run, nil
}

// check looks at what others rely on in the nodes of a record.
func check(run *Run) error {
	seen := make(map[string]bool, len(run.Nodes))
	for i, n := range run.Nodes {
		switch {
		case n.Name == "":
			return fmt.Errorf("node %d has no name", i+1)
		case seen[n.Name]:
			return fmt.Errorf("node %q stands there twice", n.Name)
		case !n.Phase.Known():
			return fmt.Errorf("node %q has the phase %q, which is not known", n.Name, n.Phase)
		}
		seen[n.Name] = true
	}
	return nil
}
