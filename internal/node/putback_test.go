package node

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/failpoint"
	"github.com/pullway/pullway/internal/protocol"
)

func TestANodeRemembersWhatItPutBack(t *testing.T) {
	b := newBench(t)
	tr := b.transaction(nil)
	tr.record.Operator = "ann@desk"
	b.cri.unhealthyAfter = b.daemon
	if res, err := tr.run(t.Context()); err == nil || res.Outcome != protocol.OutcomeRestored {
		t.Fatalf("%+v, %v", res, err)
	}
	got := b.store.putBacks()
	if len(got) != 1 || got[0].ID != tr.record.ID || got[0].Outcome != protocol.OutcomeRestored || got[0].Failed != protocol.StepRestart ||
		!strings.Contains(got[0].Reason, "CRI is missing") || got[0].Operator != "ann@desk" || got[0].Ended.IsZero() {
		t.Errorf("%+v", got)
	}
	if exists(b.store.transactionDir(tr.record.ID)) {
		t.Error("its backup is still there")
	}
	if history, err := b.store.history(); len(history) != 0 || err != nil {
		t.Errorf("it counts as standing: %v, %v", history, err)
	}
}

func TestPutBacksAreBounded(t *testing.T) {
	b := newBench(t)
	for i := range keptTransactions + 5 {
		r := &Record{ID: fmt.Sprintf("t%02d", i), Outcome: protocol.OutcomeRestored}
		for range 2 { // a crash in between repeats it
			if err := b.store.notePutBack(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := b.store.putBacks()
	if len(got) != keptTransactions || got[0].ID != "t24" || got[keptTransactions-1].ID != "t05" {
		t.Errorf("%d, from %s to %s", len(got), got[0].ID, got[len(got)-1].ID)
	}
}

// TestAFullDiskDoesNotKeepANodeFromBeingPutBack: the note is for people only.
func TestAFullDiskDoesNotKeepANodeFromBeingPutBack(t *testing.T) {
	b := newBench(t)
	b.cri.unhealthyAfter = b.daemon
	tr := b.transaction(func(_ failpoint.When, _, path string) error {
		if strings.Contains(path, putBackFile) {
			return errors.New("no space left on device")
		}
		return nil
	})
	if res, err := tr.run(t.Context()); err == nil || res.Outcome != protocol.OutcomeRestored {
		t.Fatalf("%+v, %v", res, err)
	}
	if diff := b.isOld(); diff != "" {
		t.Error(diff)
	}
}
