package kubespray

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Kept says how a change of variables is put back, by this process or by a later
// one. It holds no content: that waits in the backups beside the files.
type Kept struct {
	Files []KeptFile `json:"files"`
}

// KeptFile is one file of variables that is written.
type KeptFile struct {
	Path string `json:"path"`
	// Backup has the former content; empty for a file that did not exist.
	Backup string `json:"backup,omitempty"`
	// Before and After are hex SHA-256 of the contents; Before is empty for absence.
	Before string `json:"before,omitempty"`
	After  string `json:"after"`
}

// Keep says how the changes are put back, once Save has written them at that time.
// It is to be kept before they are written.
func Keep(changes []FileChange, now time.Time) Kept {
	var k Kept
	for _, c := range changes {
		f := KeptFile{Path: c.Path, After: sum(c.After)}
		if c.Before != nil {
			f.Before, f.Backup = sum(c.Before), backupOf(c.Path, now)
		}
		k.Files = append(k.Files, f)
	}
	return k
}

// Then is k with a later change on top of it: a file goes back to what it was before
// the first of them.
func (k Kept) Then(later Kept) Kept {
	all := Kept{Files: slices.Clone(k.Files)}
	for _, f := range later.Files {
		at := slices.IndexFunc(all.Files, func(o KeptFile) bool { return o.Path == f.Path })
		if at < 0 {
			all.Files = append(all.Files, f)
			continue
		}
		all.Files[at].After = f.After
	}
	return all
}

// PutBack gives the files their former content, byte for byte, with the mode and the
// owner that they have, and takes their backups away. What is as before is left
// alone, so it may be repeated. A file that somebody changed since is an error, and
// stays with its backup; the others are put back all the same.
func (k Kept) PutBack() error {
	var errs []error
	for i := len(k.Files) - 1; i >= 0; i-- {
		errs = append(errs, k.Files[i].putBack())
	}
	return errors.Join(errs...)
}

func (f KeptFile) putBack() error {
	present, err := readVars(f.Path)
	there := err == nil
	if err != nil && !errors.Is(statError(f.Path), os.ErrNotExist) {
		return err
	}
	switch {
	case there && f.Before == sum(present):
	case !there && f.Before == "":
		_ = os.Remove(filepath.Dir(f.Path)) // where it was made for this file alone
	case there && f.After != sum(present):
		return &FileError{File: f.Path, Text: "was changed by somebody since, and is left alone" + f.asItWas()}
	case f.Before == "":
		if err := os.Remove(f.Path); err != nil {
			return err
		}
		_ = os.Remove(filepath.Dir(f.Path))
		return nil
	default:
		if err := f.write(there); err != nil {
			return err
		}
	}
	if err := os.Remove(f.Backup); f.Backup != "" && err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (f KeptFile) write(there bool) error {
	old, err := readVars(f.Backup)
	if err != nil {
		return err
	}
	if sum(old) != f.Before {
		return &FileError{File: f.Backup, Text: "is not any more what " + f.Path + " was"}
	}
	like := f.Backup
	if there {
		like = f.Path
	}
	st, err := os.Lstat(like)
	if err != nil {
		return err
	}
	return replaceFile(f.Path, old, st.Mode().Perm(), st)
}

func (f KeptFile) asItWas() string {
	if f.Backup == "" {
		return ""
	}
	return fmt.Sprintf("; as it was: %s", f.Backup)
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// backupOf is where the content of a file waits that is written at that time, under
// a name that Ansible passes over.
func backupOf(path string, now time.Time) string {
	return path + "." + now.UTC().Format("20060102T150405Z") + ".bak"
}
