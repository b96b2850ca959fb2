package node

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
)

// backUp writes the data of every item's former state below the transaction's
// folder, one numbered file an item, or a numbered folder for a host directory.
// Modes, owners, times, hashes and absence are in the record itself.
func (s store) backUp(r *Record) error {
	dir := filepath.Join(s.transactionDir(r.ID), "backup")
	if err := s.disk.ensureDir(dir); err != nil {
		return err
	}
	for i, item := range r.Items {
		if err := s.backUpEntry(filepath.Join(dir, strconv.Itoa(i)), item.Before); err != nil {
			return err
		}
	}
	return s.disk.syncDir(dir)
}

func (s store) backUpEntry(path string, e Entry) error {
	switch e.Kind {
	case KindFile:
		copied := NewFile(e.Data, 0o600)
		return s.disk.create(path, copied)
	case KindDir:
		if err := s.disk.mkdir(path, 0o700); err != nil {
			return err
		}
		for i, c := range e.Children {
			if err := s.backUpEntry(filepath.Join(path, strconv.Itoa(i)), c.Entry); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadBackup fills in the data of every item's former state and checks it
// against the recorded hashes. One that cannot be read does not keep the others
// from being filled in.
func (s store) loadBackup(r *Record) error {
	dir := filepath.Join(s.transactionDir(r.ID), "backup")
	var errs []error
	for i := range r.Items {
		if err := loadEntry(filepath.Join(dir, strconv.Itoa(i)), &r.Items[i].Before); err != nil {
			errs = append(errs, fmt.Errorf("backup of %s: %w", r.Items[i].Target, err))
		}
	}
	return errors.Join(errs...)
}

func loadEntry(path string, e *Entry) error {
	switch e.Kind {
	case KindFile:
		b, err := readOwn(path, MaxFile)
		if err != nil {
			return err
		}
		if hash(b) != e.SHA256 {
			return fmt.Errorf("%s does not have the recorded hash", path)
		}
		e.Data = b
	case KindDir:
		for i := range e.Children {
			if err := loadEntry(filepath.Join(path, strconv.Itoa(i)), &e.Children[i].Entry); err != nil {
				return err
			}
		}
	}
	return nil
}
