package fleet

// Phase is where one node stands in a run.
type Phase string

// The phases. Working, unknown and rolling-back are in flight; pending has not
// begun; every other one is an end.
const (
	// Pending: planned, has something to do, not begun.
	Pending Phase = "pending"
	// Unchanged: the node already is as desired.
	Unchanged Phase = "unchanged"
	// Refused: the plan or the engine forbids the change. Nothing was changed.
	Refused Phase = "refused"
	// Unreachable: no connection. Nothing was changed.
	Unreachable Phase = "unreachable"
	// Working: the engine is at it.
	Working Phase = "working"
	// Unknown: the line broke while the engine was at it, and the node is being
	// asked what became of it.
	Unknown Phase = "unknown"
	// Applied: changed, proven, committed.
	Applied Phase = "applied"
	// Restored: it failed and put itself back.
	Restored Phase = "restored"
	// RollingBack: the engine is undoing a committed change.
	RollingBack Phase = "rolling-back"
	// RolledBack: a committed change was undone.
	RolledBack Phase = "rolled-back"
	// Broken: putting it back failed too. Hands are needed.
	Broken Phase = "broken"
	// Lost: the line broke and the node could not be asked afterwards. An
	// unconfirmed change undoes itself there; whether it was confirmed in time
	// nobody knows.
	Lost Phase = "lost"
)

// InFlight reports whether an engine may be at work on the node.
func (p Phase) InFlight() bool { return p == Working || p == Unknown || p == RollingBack }

// Ended reports whether nothing more happens to the node unless it is undone.
func (p Phase) Ended() bool { return p != Pending && !p.InFlight() }

// Failed reports whether the phase counts against the failure budget.
func (p Phase) Failed() bool {
	switch p {
	case Refused, Unreachable, Restored, Broken, Lost:
		return true
	}
	return false
}

// Known reports whether p is one of the phases.
func (p Phase) Known() bool {
	switch p {
	case Pending, Unchanged, Refused, Unreachable, Working, Unknown, Applied, Restored, RollingBack, RolledBack, Broken, Lost:
		return true
	}
	return false
}
