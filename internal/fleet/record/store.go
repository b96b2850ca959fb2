// Package record keeps the records of runs on the operator's disk: one folder a
// run, runs/ID/run.json with a log beside it while the run is under way, and a lock
// so that one operator has one run at a time.
// Only run ids become paths; node names stand inside the file.
package record

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/terminal"
)

// Run is the record of one run.
type Run = fleet.Run

// Store keeps records under Dir, an absolute folder that is made when needed.
// Folders are 0700 and files 0600. A Store may be used by several goroutines for
// different runs.
type Store struct{ Dir string }

const fileName = "run.json"

func (s Store) runs() string            { return filepath.Join(s.Dir, "runs") }
func (s Store) folder(id string) string { return filepath.Join(s.runs(), id) }

// Save writes the whole record of run. Whatever happens meanwhile, a reader
// finds the former record or this one; when Save returns, this one survives a
// loss of power.
func (s Store) Save(run *Run) error {
	if _, err := s.save(run, ""); err != nil {
		return err
	}
	return s.dropLogs(run.ID, "")
}

// saved is a record on disk: with the name of the log that goes on from it.
type saved struct {
	*Run
	Log string `json:"log,omitempty"`
}

// save writes the whole record, which from then on goes with the log of that
// name, and returns its size.
func (s Store) save(run *Run, log string) (int64, error) {
	if !ValidID(run.ID) {
		return 0, fmt.Errorf("run id %q is not of the form 20060102T150405Z-4f2a", run.ID)
	}
	if err := private(s.Dir); err != nil {
		return 0, err
	}
	dir := s.folder(run.ID)
	if _, err := os.Stat(dir); err != nil {
		if err := s.makeFolder(dir); err != nil {
			return 0, err
		}
	}
	size, err := writeFile(dir, fileName, saved{run, log})
	if err != nil {
		return 0, err
	}
	return size, syncDir(dir)
}

// makeFolder makes the run's folder and all above it last.
func (s Store) makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(syncDir(s.runs()), syncDir(s.Dir))
}

// writeFile writes a record whole under its name, or leaves the former one.
func writeFile(dir, name string, record any) (size int64, err error) {
	// One name, so that what a crash left is written over by the next Save.
	f, err := os.OpenFile(filepath.Join(dir, name+".new"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	enc := json.NewEncoder(terminal.EscapeJSON(w))
	enc.SetIndent("", " ")
	if err := enc.Encode(record); err != nil {
		return 0, err
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	if size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	return size, os.Rename(f.Name(), filepath.Join(dir, name))
}

// syncDir makes names in dir last. Windows has no such thing to ask for.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
