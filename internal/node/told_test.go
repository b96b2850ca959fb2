package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/protocol"
)

// stuckSwitch cannot be taken away.
type stuckSwitch struct{}

func (stuckSwitch) Arm(context.Context) error    { return nil }
func (stuckSwitch) Disarm(context.Context) error { return errors.New("systemctl is gone") }

// A node that was put back is not broken because something beside it could not be
// cleared away: that is a warning.
func TestWhatOnlyTidiesDoesNotBreakANode(t *testing.T) {
	b := newBench(t)
	b.refusePullsOnceRestarted()
	tr := b.transaction(nil)
	tr.deadMan = stuckSwitch{}
	res, err := tr.run(t.Context())
	if err == nil || res.Outcome != protocol.OutcomeRestored || res.Failed != protocol.StepProve {
		t.Fatalf("run = %+v, %v; want it restored", res, err)
	}
	if len(res.Warnings) != 1 || res.Warnings[0].ID != "tidy-up" || res.Warnings[0].Hint == "" {
		t.Errorf("warnings %+v", res.Warnings)
	}
	if d := b.isOld(); d != "" {
		t.Error(d)
	}
}

// A disk that fails once while files are put back is asked again.
func TestAnUndoTriesTwice(t *testing.T) {
	b := newBench(t)
	b.refusePullsOnceRestarted()
	all := points(t)
	restarted := slices.IndexFunc(all, func(p string) bool { return strings.HasPrefix(p, "after restart ") })
	at := restarted + slices.IndexFunc(all[restarted:], func(p string) bool { return strings.Contains(p, "before pull") })
	s := &blows{left: []blow{{at + 10, false}}}
	res, err := b.transaction(s.hook).run(t.Context())
	if err == nil || res.Outcome != protocol.OutcomeRestored || len(s.at) != 1 {
		t.Fatalf("struck %q: run = %+v, %v; want it restored", s.at, res, err)
	}
	if d := b.isOld(); d != "" {
		t.Error(d)
	}
}

// An engine that is killed between asking systemd for a restart and the end of
// containerd's old process leaves a daemon that is about to read the new state. The
// recovery sees the old process, and restarts all the same.
func TestRecoveryRestartsADaemonThatWasAboutToBe(t *testing.T) {
	b := newBench(t)
	at := slices.IndexFunc(points(t), func(p string) bool { return strings.HasPrefix(p, "before restart ") })
	if at < 0 {
		t.Fatal("no restart")
	}
	s := &blows{left: []blow{{at + 1, true}}}
	if alive(func() { _, _ = b.transaction(s.hook).run(t.Context()) }) {
		t.Fatal("it was not killed")
	}
	b.sameDaemon = true
	if _, err := b.contact(nil); err != nil {
		t.Fatal(err)
	}
	if b.daemon.restarts != 1 {
		t.Errorf("%d restarts by the recovery, want 1", b.daemon.restarts)
	}
	if d := b.isOld(); d != "" {
		t.Error(d)
	}
}

// The new state may be why nothing can be found out about the node: the files are
// put back before that is given up.
func TestRecoveryPutsFilesBackBeforeItLooks(t *testing.T) {
	for what, comesBack := range map[string]bool{"with the old files": true, "never": false} {
		b := newBench(t)
		at := slices.IndexFunc(points(t), func(p string) bool { return strings.HasPrefix(p, "before restart ") })
		s := &blows{left: []blow{{at + 1, true}}}
		_ = alive(func() { _, _ = b.transaction(s.hook).run(t.Context()) })
		if b.isOld() == "" {
			t.Fatal("the new state was to be there")
		}
		b.unseen = func() bool { return !comesBack || b.isOld() != "" }
		if _, err := b.contact(nil); (err == nil) != comesBack {
			t.Errorf("it can be looked at again %s: %v", what, err)
		}
		if d := b.isOld(); d != "" {
			t.Errorf("it can be looked at again %s: %s", what, d)
		}
		if r, err := b.store.journal(); (r == nil) != comesBack || err != nil {
			t.Errorf("it can be looked at again %s: journal %+v, %v", what, r, err)
		}
	}
}
