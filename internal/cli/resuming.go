package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
)

// leftover finds the run to go on with and tells what was decided. A run that is
// passed over gives up the nodes that still wait for its word.
func (s *session) leftover(ctx context.Context, want fleet.Wanted) (*fleet.Run, error) {
	for _, t := range s.nodes.targets {
		want.Nodes = append(want.Nodes, t.Name)
	}
	l := fleet.WhatToResume(s.earlier, want)
	for _, n := range l.Notes {
		s.say("%s", n)
	}
	if l.Passed != nil && want.Target == "" {
		s.takeBack(ctx, l.Passed)
	}
	if l.Run == nil {
		return nil, nil
	}
	done, failed, look, todo := l.Run.Standing()
	text := fmt.Sprintf("resuming run %s: %s done, %d to look at, %d to do", l.Run.ID, report.Count(done, "node"), look, todo)
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	s.say("%s", text)
	return l.Run, s.goOn(l.Run)
}

// takeBack has engines of a run that nobody goes on with undo what waits for a
// word. One that cannot be asked does so by itself.
func (s *session) takeBack(ctx context.Context, passed *fleet.Run) {
	req := protocol.Request{Op: protocol.OpConfirm, Run: passed.ID, Operator: s.head.Operator}
	for _, a := range fleet.Ask(ctx, s.nodes.connector, s.inFlight(passed), req, fleet.DefaultLimit, 0, nil) {
		if a.Reply != nil && a.Reply.Result != nil && a.Reply.Result.Outcome == protocol.OutcomeRestored {
			s.say("node %s: what run %s had begun there was taken back", a.Target.Name, passed.ID)
		}
	}
}

// inFlight are the nodes of this command that a run left in mid-change.
func (s *session) inFlight(r *fleet.Run) (targets []fleet.Target) {
	at := map[string]bool{}
	for _, n := range r.Nodes {
		at[n.Name] = n.Phase.InFlight()
	}
	for _, t := range s.nodes.targets {
		if at[t.Name] {
			targets = append(targets, t)
		}
	}
	return targets
}

// settled asks the nodes that were in flight what became of them.
func (s *session) settled(ctx context.Context, rec *fleet.Run, o fleet.Options) (*fleet.Run, error) {
	var looked []string
	for _, n := range rec.Nodes {
		if n.Phase.InFlight() {
			looked = append(looked, n.Name)
		}
	}
	if len(looked) == 0 {
		return rec, nil
	}
	progress := s.progress()
	defer progress.Close()
	d := &fleet.Driver{Connector: s.nodes.connector, Recorder: s.store.Keep(), Observer: progress, Timeouts: s.limits.timeouts, Gate: s.nodes.gate}
	rec, err := d.Settle(ctx, o, rec)
	if err != nil {
		return nil, err
	}
	done, failed, _, todo := rec.Standing()
	s.say("looked at %s: %s done now, %d to do, %d failed", strings.Join(looked, ", "), report.Count(done, "node"), todo, failed)
	return rec, nil
}

// failedRun ends an earlier run that had failed by its own rule, which includes to
// put back what that asks for. It reports whether anything was put back; then the
// command has done its work.
func (s *session) failedRun(ctx context.Context, rec *fleet.Run, o fleet.Options, yes bool) (over bool, err error) {
	why := rec.Failing()
	if why == "" {
		return false, nil
	}
	o.Run.Policy = rec.Policy
	resume := func(ctx context.Context, d *fleet.Driver, o fleet.Options) (*fleet.Run, error) {
		return d.Resume(ctx, o, rec, nil)
	}
	back := rec.ToPutBack()
	if back == 0 {
		if _, err := s.drive(ctx, o, resume); err != nil {
			return true, err
		}
		s.say("run %s had failed (%s) and has ended now; this is a run of its own", rec.ID, why)
		return false, s.anew()
	}
	s.say("run %s had failed when it was interrupted: %s; what is left of it is to put back %s", rec.ID, why, report.Count(back, "node"))
	if err := s.confirm(yes, fmt.Sprintf("Put back %s of run %s?", report.Count(back, "node"), rec.ID)); err != nil {
		return true, err
	}
	return true, s.run(ctx, o, resume)
}

// anew gives the session a run of its own again.
func (s *session) anew() error {
	s.head.ID = record.NewID(s.head.Started)
	return s.lock.Rename(s.holder(s.head.ID))
}

// notAsDone names finished nodes of an interrupted run that somebody changed since.
// They cannot be changed again under its id: one undo must be enough for one run.
func notAsDone(rec *fleet.Run, plans *fleet.Plans) (names []string) {
	done := map[string]bool{}
	for _, n := range rec.Nodes {
		done[n.Name] = n.Phase == fleet.Applied || n.Phase == fleet.Unchanged
	}
	for _, p := range plans.Nodes {
		if done[p.Target.Name] && p.Phase() == fleet.Pending {
			names = append(names, p.Target.Name)
		}
	}
	return names
}

// left are the plans of the nodes that an interrupted run has still to do.
func left(rec *fleet.Run, plans *fleet.Plans) (todo []fleet.Planned) {
	pending := map[string]bool{}
	for _, n := range rec.Nodes {
		pending[n.Name] = n.Phase == fleet.Pending
	}
	for _, p := range plans.Nodes {
		if pending[p.Target.Name] {
			todo = append(todo, p)
		}
	}
	return todo
}

// tellLost tells what became of nodes that the last run over them could not ask.
func (s *session) tellLost(ctx context.Context) {
	r, lost := fleet.LostIn(s.earlier, s.nodes.targets)
	if len(lost) == 0 {
		return
	}
	for _, a := range s.ask(ctx, &fleetNodes{targets: lost, connector: s.nodes.connector}, protocol.Request{Op: protocol.OpStatus}, 0) {
		if a.Reply != nil && a.Reply.Status != nil {
			s.say("node %s was lost in run %s: %s", a.Target.Name, r.ID, fleet.Became(a.Reply.Status, r.ID))
		}
	}
}

// errNotGoneOn ends a command that leaves an interrupted run as it is.
func errNotGoneOn(rec *fleet.Run, why string) error {
	return &exitError{ExitFailed, errors.New(why), fmt.Sprintf("nothing more was changed; apply again goes on with run %s, and pullway rollback %s undoes it", rec.ID, rec.ID)}
}
