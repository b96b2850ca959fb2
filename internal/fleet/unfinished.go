package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Wanted is what somebody wants to run, as far as an unfinished run is compared with it.
type Wanted struct {
	// Target is the run that a rollback shall undo; empty for an apply.
	Target string
	// SpecDigest of an apply.
	SpecDigest string
	// Nodes by name.
	Nodes []string
	// Play as in Run.
	Play bool
	// The flags of an apply.
	Adopt, Force, NoProof bool
}

// Leftover is what the records of earlier runs mean for a new one.
type Leftover struct {
	// Run is to be gone on with, without an end again; nil for a new run.
	Run *Run
	// Passed is an unfinished run that is not gone on with.
	Passed *Run
	// Notes tell a person why, one line each.
	Notes []string
}

// WhatToResume finds the run to go on with among the records, newest first. Only
// the newest run that shares a node with want counts: what came after an unfinished
// run has settled it. It is gone on with when it has no end, or was paused, and
// wants the same: the same specification on the same nodes, or the undo of the same
// run there. Flags may differ, since what is left is planned and shown anew.
func WhatToResume(records []*Run, want Wanted) Leftover {
	wanted := map[string]bool{}
	for _, n := range want.Nodes {
		wanted[n] = true
	}
	at := slices.IndexFunc(records, func(r *Run) bool {
		return slices.ContainsFunc(r.Nodes, func(n NodeRun) bool { return wanted[n.Name] })
	})
	if at < 0 {
		return Leftover{}
	}
	r := records[at]
	if !r.Interrupted() && !r.paused() {
		return Leftover{}
	}
	if why := r.differs(want); why != "" {
		return Leftover{Passed: r, Notes: []string{fmt.Sprintf("run %s did not end, and is not resumed: %s", r.ID, why)}}
	}
	l := Leftover{Run: r.reopened()}
	if now, then := flags(want.Adopt, want.Force, want.NoProof), flags(r.Adopt, r.Force, r.NoProof); want.Target == "" && now != then {
		l.Notes = append(l.Notes, fmt.Sprintf("run %s was started with %s and goes on with %s", r.ID, then, now))
	}
	return l
}

// paused reports whether the run was ended by one Ctrl-C and nothing else, and has
// nodes left to do. A run that stopped by its budget, or whose nodes in flight were
// taken back, was ended for a reason: another one begins anew, canary first.
func (r *Run) paused() bool {
	return r.Stop == StopSoon && (r.Outcome == Stopped || r.Outcome == FailedUnchanged) &&
		r.count(func(p Phase) bool { return p == Pending }) > 0 && r.Failing() == ""
}

// reopened is a copy of the run without its end.
func (r *Run) reopened() *Run {
	open := *r
	open.Nodes = slices.Clone(r.Nodes)
	open.Ended, open.Outcome, open.Reason, open.Stop = time.Time{}, "", "", StopNone
	return &open
}

// differs says why the run is not what is asked for; "" when it is.
func (r *Run) differs(want Wanted) string {
	switch {
	case r.Target != "" && want.Target == "":
		return fmt.Sprintf("it is the rollback of run %s, which pullway rollback %s goes on with", r.Target, r.Target)
	case r.Target != want.Target && want.Target == r.ID:
		return "it is to be undone"
	case r.Target != want.Target:
		return "it is another run than the one that is to be undone"
	case want.Target == "" && r.Play && !want.Play:
		return fmt.Sprintf("it runs Kubespray's playbook, which pullway kubespray apply --run goes on with and pullway rollback %s undoes", r.ID)
	case want.Target == "" && want.Play && !r.Play:
		return fmt.Sprintf("it is an apply over SSH, which pullway apply goes on with and pullway rollback %s undoes", r.ID)
	case want.Target == "" && r.SpecDigest != want.SpecDigest:
		return fmt.Sprintf("the specification has changed since; what it did is undone by pullway rollback %s", r.ID)
	}
	var missing, added []string
	has, wanted := map[string]bool{}, map[string]bool{}
	for _, n := range want.Nodes {
		wanted[n] = true
	}
	for _, n := range r.Nodes {
		if has[n.Name] = true; !wanted[n.Name] {
			missing = append(missing, n.Name)
		}
	}
	for _, n := range want.Nodes {
		if !has[n] && want.Target == "" { // nodes without a part in a run are none of its undo either
			added = append(added, n)
		}
	}
	var why []string
	for _, d := range []struct {
		nodes []string
		text  string
	}{{missing, "without"}, {added, "with"}} {
		if len(d.nodes) > 0 {
			why = append(why, d.text+" "+some(d.nodes))
		}
	}
	if len(why) > 0 {
		return "the nodes are others now: " + strings.Join(why, ", ")
	}
	return ""
}

// some joins a few names and counts the rest.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

func flags(adopt, force, noProof bool) string {
	var on []string
	for _, f := range []struct {
		on   bool
		name string
	}{{adopt, "--adopt"}, {force, "--force"}, {noProof, "--no-proof"}} {
		if f.on {
			on = append(on, f.name)
		}
	}
	if len(on) == 0 {
		return "no flags"
	}
	return strings.Join(on, " ")
}

func (r *Run) count(is func(Phase) bool) (n int) {
	for i := range r.Nodes {
		if is(r.Nodes[i].Phase) {
			n++
		}
	}
	return n
}

// Standing counts the nodes of a run that did not end: those that are done or
// were as desired, those that failed, those in flight when it was interrupted, and
// those to do.
func (r *Run) Standing() (done, failed, look, todo int) {
	return r.count(func(p Phase) bool { return p.Ended() && !p.Failed() }), r.count(Phase.Failed),
		r.count(Phase.InFlight), r.count(func(p Phase) bool { return p == Pending })
}

// Failing says why the run starts nothing more by its own rule, "" when it goes
// on. What is in flight counts as not begun.
func (r *Run) Failing() string {
	s := r.State()
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Phase.InFlight() && !n.Undo {
			n.Phase, n.Begun = Pending, false
		} else if n.Phase.InFlight() {
			n.Phase = Lost
		}
	}
	s.Stop = StopNone
	switch d := Next(s, r.Policy); d.Action {
	case Undo, Finish:
		return d.Reason
	}
	return ""
}

// ToPutBack counts the nodes that a failing run still has to undo.
func (r *Run) ToPutBack() int {
	if r.Failing() == "" {
		return 0
	}
	c := r.reopened()
	undone := 0
	for {
		d := Next(c.State(), c.Policy)
		if d.Action != Undo {
			return undone
		}
		for i := range c.Nodes {
			if n := &c.Nodes[i]; slices.Contains(d.Nodes, n.Name) {
				n.Phase, n.Undo = RolledBack, true
				undone++
			}
		}
	}
}
