package node

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// commit makes the new state the one that wins, then writes the record and the
// manifest, and tidies up. Only the first write can fail the transaction.
func (t *transaction) commit(context.Context) error {
	t.record.Outcome = protocol.OutcomeApplied
	if t.record.Op == protocol.OpRollback {
		t.record.Outcome = protocol.OutcomeRolledBack
	}
	t.record.Ended = t.now()
	told := t.told()
	t.record.Result = &told
	err := t.enter(PhaseCommitted)
	if t.record.Phase != PhaseCommitted {
		t.record.Outcome, t.record.Ended, t.record.Result = "", time.Time{}, nil
		return err
	}
	return errors.Join(err, finish(t.store, t.record))
}

// enter writes the journal with a new phase. When that fails, the phase is the
// one that stands on the disk, for that is what a recovery would go by: a write
// can fail after its rename.
func (t *transaction) enter(p Phase) error {
	was := t.record.Phase
	t.record.Phase = p
	err := t.store.writeJournal(t.record)
	if err == nil {
		return nil
	}
	if left, readErr := t.store.journal(); readErr != nil || left == nil || left.ID != t.record.ID || left.Phase != p {
		t.record.Phase = was
	}
	return err
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
	errs = append(errs, s.save(s.path("manifest.json"), r.After), s.writeRecord(r), s.markUndone(r))
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
	if t.record.Play != nil {
		t.owesRestart(ctx)
	}
	// A disk that failed once is asked once more: giving up costs a person's time.
	err := t.putFilesBack(ctx)
	if err != nil {
		err = t.putFilesBack(ctx)
	}
	if err != nil {
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
	// The node is whole; a note that cannot be written, on a full disk, changes nothing about that.
	_ = t.store.notePutBack(t.record)
	return t.store.dropJournal()
}

func (t *transaction) putFilesBack(ctx context.Context) error {
	// The probe is taken away first: without a journal nobody knows of it.
	errs := []error{t.removeProbe(ctx)}
	if p := t.record.Play; p != nil {
		errs = append(errs, t.record.appeared(), t.store.disk.foldersBack(p))
	}
	var late []Item
	for _, item := range slices.Backward(t.record.Items) {
		if item.undoLingers() {
			late = append(late, item)
			continue
		}
		errs = append(errs, t.store.disk.restore(item))
	}
	// A daemon that restarts now has no pull in flight, and does not wait.
	if len(late) > 0 && t.linger > 0 && !t.restarted {
		_ = waitUntil(ctx, time.Now().Add(t.linger)) // when it cannot wait, going back comes first
	}
	for _, item := range late {
		errs = append(errs, t.store.disk.restore(item))
	}
	return errors.Join(append(errs, removeEmpty(t.store.disk, t.record.MadeDirs))...)
}
