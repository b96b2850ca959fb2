package node

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/pullway/pullway/internal/protocol"
)

// commit makes the new state the one that wins, then writes the record and the
// manifest, and tidies up. Only the first write can fail the transaction.
func (t *transaction) commit(context.Context) error {
	t.record.Phase = PhaseCommitted
	t.record.Outcome = protocol.OutcomeApplied
	if t.record.Op == protocol.OpRollback {
		t.record.Outcome = protocol.OutcomeRolledBack
	}
	t.record.Ended = t.now()
	if err := t.store.writeJournal(t.record); err != nil {
		t.record.Phase = PhaseActive
		return err
	}
	return finish(t.store, t.record)
}

// finish does what follows the commit point; it may be repeated.
func finish(s store, r *Record) error {
	var errs []error
	for _, item := range r.Items {
		errs = append(errs, s.disk.clear(item))
	}
	if r.Probe != "" {
		errs = append(errs, s.disk.discard(r.Probe), s.disk.discard(probeStage(filepath.Dir(r.Probe))))
	}
	errs = append(errs, s.save(s.path("manifest.json"), r.After), s.writeRecord(r))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := s.dropJournal(); err != nil {
		return err
	}
	return s.prune(r.ID)
}

// restore is the undo of swap, of a restart, and of a crash: it brings every
// target to its former state in reverse order, reached or not, removes the
// folders that were made, and restarts containerd when it was restarted or may
// have read the new state.
func (t *transaction) restore(ctx context.Context) error {
	if t.record.Phase == PhasePreparing {
		return nil
	}
	var errs []error
	for _, item := range slices.Backward(t.record.Items) {
		errs = append(errs, t.store.disk.restore(item))
	}
	for _, dir := range slices.Backward(t.record.MadeDirs) {
		if err := t.store.disk.remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.record.Phase = PhaseBroken
		return errors.Join(err, t.store.writeJournal(t.record))
	}
	if t.record.Restart && t.restarted {
		if err := t.restartAfterUndo(ctx); err != nil {
			t.record.Phase = PhaseBroken
			return errors.Join(err, t.store.writeJournal(t.record))
		}
	}
	t.record.Phase = PhaseUndone
	t.record.Outcome = protocol.OutcomeRestored
	t.record.Ended = t.now()
	return t.store.dropJournal()
}

func (t *transaction) restartAfterUndo(ctx context.Context) error {
	if err := t.daemon.Restart(ctx); err != nil {
		return err
	}
	if err := t.daemon.Refresh(ctx); err != nil {
		return err
	}
	if t.baseline == nil {
		return nil // CRI was not well before either; the bytes are back
	}
	_, _, err := t.cri.WaitHealthy(ctx, *t.baseline, healthWithin)
	return err
}
