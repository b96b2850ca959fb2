package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/pullpolicy"
)

func (s Store) policies() string { return filepath.Join(s.Dir, "policies") }

// Policies keeps the records of freezes and restores of pull policies, one file a
// run: policies/ID.json. They are apart from the runs, which are about nodes.
type Policies struct{ Store }

// Save writes the whole record of a freeze or a restore, as Store.Save does.
func (p Policies) Save(run *pullpolicy.Run) error {
	if !ValidID(run.ID) {
		return fmt.Errorf("run id %q is not of the form 20060102T150405Z-4f2a", run.ID)
	}
	if err := private(p.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(p.policies(), 0o700); err != nil {
		return err
	}
	if _, err := writeFile(p.policies(), run.ID+".json", run); err != nil {
		return err
	}
	return errors.Join(syncDir(p.policies()), syncDir(p.Dir))
}

// List returns the newest limit records, newest first; 0 or less means all. What
// cannot be read is told apart.
func (p Policies) List(limit int) ([]*pullpolicy.Run, []*Damaged, error) {
	if err := private(p.Dir); err != nil {
		return nil, nil, err
	}
	entries, err := os.ReadDir(p.policies())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var runs []*pullpolicy.Run
	var damaged []*Damaged
	slices.Reverse(entries)
	for _, e := range entries {
		id, isRecord := strings.CutSuffix(e.Name(), ".json")
		if !isRecord || !ValidID(id) {
			continue
		}
		if limit > 0 && len(runs)+len(damaged) == limit {
			break
		}
		run, err := p.read(id)
		if err != nil {
			damaged = append(damaged, &Damaged{ID: id, Err: err})
			continue
		}
		runs = append(runs, run)
	}
	return runs, damaged, nil
}

func (p Policies) read(id string) (*pullpolicy.Run, error) {
	b, err := os.ReadFile(filepath.Join(p.policies(), id+".json"))
	if err != nil {
		return nil, err
	}
	var run pullpolicy.Run
	if err := json.Unmarshal(b, &run); err != nil {
		return nil, err
	}
	switch {
	case run.ID != id:
		return nil, fmt.Errorf("it says that it is run %q", run.ID)
	case run.Schema != pullpolicy.RunSchema:
		return nil, fmt.Errorf("schema %d is not known; this Pullway reads %d", run.Schema, pullpolicy.RunSchema)
	}
	return &run, nil
}
