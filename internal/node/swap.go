package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// stage writes the journal and builds every new state beside its target.
func (t *transaction) stage(context.Context) error {
	if err := t.enter(PhasePreparing); err != nil {
		return err
	}
	for _, item := range t.record.Items {
		if err := t.store.disk.prepare(item); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) unstage(context.Context) error {
	var errs []error
	for _, item := range t.record.Items {
		errs = append(errs, t.store.disk.clear(item))
	}
	if err := errors.Join(errs...); err != nil {
		return err // the journal stays, and with it the list of what is to be cleared
	}
	if t.record.Phase == PhasePreparing {
		return t.store.dropJournal()
	}
	return nil
}

// checkCandidate asks the daemon's own binary about a new root configuration
// file before it is live. A changed drop-in can only be asked about in its
// place; swap does that before any restart.
func (t *transaction) checkCandidate(ctx context.Context) error {
	for _, item := range t.record.Items {
		if item.Target == t.record.ConfigFile && exists(item.Staged) {
			return t.check(ctx, item.Staged)
		}
	}
	return nil
}

func (t *transaction) check(ctx context.Context, path string) error {
	r, err := t.daemon.Check(ctx, path)
	if err != nil {
		return err
	}
	if r.OK() {
		return nil
	}
	at := t.record.ConfigFile
	if r.Row > 0 {
		at = fmt.Sprintf("%s:%d:%d", at, r.Row, r.Column)
	}
	return &protocol.Error{Kind: protocol.ErrFailed, Text: fmt.Sprintf("containerd's own binary refuses the new %s: %s", at, r.Error),
		Hint: "look whether the line was there before; if so containerd will not start again as it is: mend it, then plan again"}
}

func (t *transaction) backUp(context.Context) error { return t.store.backUp(t.record) }

// arm sets the switch that waits for the end of the signs of life.
func (t *transaction) arm(ctx context.Context) error { return t.deadMan.Arm(ctx) }

func (t *transaction) disarm(ctx context.Context) error {
	if t.deadMan == nil {
		return nil
	}
	return t.deadMan.Disarm(context.WithoutCancel(ctx))
}

func (t *transaction) dropBackup(context.Context) error {
	if t.record.Phase == PhaseBroken {
		return nil // it is all that is left of the former state
	}
	return t.store.disk.removeTree(t.store.transactionDir(t.record.ID))
}

// swap makes the journal active, from which moment the transaction is bound to
// be undone or committed, and brings every target to its new state but those
// that go: remove does that.
func (t *transaction) swap(ctx context.Context) error {
	if err := t.enter(PhaseActive); err != nil {
		return err
	}
	for _, dir := range t.record.MadeDirs {
		if err := t.store.disk.mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	dropIn := false
	for _, item := range t.record.Items {
		if err := asBefore(item); err != nil {
			return err
		}
		if item.removes() {
			continue
		}
		if err := t.store.disk.apply(item); err != nil {
			return err
		}
		dropIn = dropIn || item.Config && item.Target != t.record.ConfigFile
	}
	t.swapped = time.Now()
	if dropIn {
		return t.check(ctx, t.record.ConfigFile)
	}
	return nil
}

// remove takes away the targets that go. It comes when the new state is in force
// and proven: until then what the old one names is there.
func (t *transaction) remove(context.Context) error {
	for _, item := range t.record.Items {
		if !item.removes() {
			continue
		}
		if err := asBefore(item); err != nil {
			return err
		}
		if err := t.store.disk.apply(item); err != nil {
			return err
		}
	}
	return nil
}

// asBefore refuses to touch what is not as it was when the transaction began.
func asBefore(item Item) error {
	now, err := TakeEntry(item.Target)
	if err == nil && !now.Same(item.Before) {
		err = fmt.Errorf("%s was changed by somebody else a moment ago", item.Target)
	}
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
