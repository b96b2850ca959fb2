package fleet

// Outcome is how a run ended. It is kept in run records, so the words are stable.
type Outcome string

// The outcomes and the exit code of each; see ExitCode.
const (
	// Done (0): every node that had something to do has it.
	Done Outcome = "done"
	// NothingToDo (0): every node was as desired already.
	NothingToDo Outcome = "nothing-to-do"
	// FailedUnchanged (1): it failed or was stopped, and no node was changed.
	FailedUnchanged Outcome = "failed-unchanged"
	// AllRolledBack (4): it failed, and every node that was changed was put back.
	AllRolledBack Outcome = "rolled-back"
	// RollbackFailed (5): a node is broken, could not be asked, or did not undo
	// what it should have. Hands are needed.
	RollbackFailed Outcome = "rollback-failed"
	// Partial (6): some nodes keep the new state; the others failed and are as
	// they were, or were not touched.
	Partial Outcome = "partial"
	// Stopped (6): as Partial, because somebody asked the run to stop.
	Stopped Outcome = "stopped"
)

// ExitCode is the command's exit code for the outcome. An outcome that is not
// known (a record of a later release) gives 1.
func (o Outcome) ExitCode() int {
	switch o {
	case Done, NothingToDo:
		return 0
	case AllRolledBack:
		return 4
	case RollbackFailed:
		return 5
	case Partial, Stopped:
		return 6
	}
	return 1
}

// outcomeOf judges a run in which nothing is in flight any more.
func outcomeOf(s State) Outcome {
	var kept, putBack, hands, failed, pending, undone int
	for _, n := range s.Nodes {
		switch {
		case n.Phase == Broken, n.Phase == Lost, n.Phase == Applied && n.Undo:
			hands++
		case n.Phase == Applied, n.Phase == RolledBack && !n.Undo:
			// Without Undo, rolled-back is what a run of OpRollback set out to do.
			kept++
		case n.Phase == Restored, n.Phase == RolledBack:
			putBack++
		case n.Phase == Pending:
			pending++
		}
		if n.Phase.Failed() {
			failed++
		}
		if n.Undo {
			undone++
		}
	}
	switch {
	case hands > 0:
		return RollbackFailed
	case failed+pending+undone == 0 && kept > 0:
		return Done
	case failed+pending+undone == 0:
		return NothingToDo
	case kept > 0 && s.Stop != StopNone:
		return Stopped
	case kept > 0:
		return Partial
	case putBack > 0:
		return AllRolledBack
	}
	return FailedUnchanged
}
