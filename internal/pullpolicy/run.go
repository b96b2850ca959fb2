package pullpolicy

import (
	"time"
)

// RunSchema is the present version of Run.
const RunSchema = 1

// The commands that make a Run.
const (
	FreezeCommand  = "policy freeze"
	RestoreCommand = "policy restore"
)

// Run is the record of one freeze or restore on the operator's machine. It is
// written before each change with what is about to be changed, and after it. It
// holds no secrets.
type Run struct {
	// Schema is the version of this type; RunSchema.
	Schema int `json:"schema"`
	// ID is ordered by time, such as 20261123T101502Z-4f2a.
	ID string `json:"id"`
	// Command is "policy freeze" or "policy restore".
	Command string `json:"command"`
	// Target is the run that a restore was asked to undo; empty for everything.
	Target string `json:"target,omitempty"`
	// Server is the API server's URL.
	Server string `json:"server,omitempty"`
	// Operator is user@host; Version is Pullway's.
	Operator string `json:"operator,omitempty"`
	Version  string `json:"version,omitempty"`

	Started time.Time `json:"started"`
	// Ended is zero while the run is under way, and for ever when it was killed.
	Ended time.Time `json:"ended,omitzero"`
	// Outcome is empty until the run ended. Reason says why it stopped early.
	Outcome Outcome `json:"outcome,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	// DryRun: the API server was asked and nothing was kept.
	DryRun bool `json:"dryRun,omitempty"`
	// Workloads in the order in which they are worked on.
	Workloads []WorkloadRun `json:"workloads"`
}

// WorkloadRun is what a run did to one workload.
type WorkloadRun struct {
	Ref
	UID   string `json:"uid,omitempty"`
	Phase Phase  `json:"phase"`
	Decision
	// Each container at a restore.
	Each  []ContainerBack `json:"each,omitempty"`
	Began time.Time       `json:"began,omitzero"`
	Ended time.Time       `json:"ended,omitzero"`
	// Note is what the workload had, recorded before it was changed.
	Note *Note `json:"note,omitempty"`
	// Error tells what went wrong.
	Error string `json:"error,omitempty"`
}

// Phase of a workload in a run.
type Phase string

// The phases.
const (
	// Pending: not reached.
	Pending Phase = "pending"
	// Unchanged: there was nothing to do.
	Unchanged Phase = "unchanged"
	// Refused: it was left as it is; the reason says why.
	Refused Phase = "refused"
	// Changing: the change was about to be written, or is written and its rollout
	// is not through. A run that was killed leaves one workload so.
	Changing Phase = "changing"
	// Done: changed, and its rollout is through.
	Done Phase = "done"
	// Failed: it was not changed.
	Failed Phase = "failed"
	// Stuck: it was changed, and its rollout did not get through.
	Stuck Phase = "stuck"
)

// Outcome of a run.
type Outcome string

// The outcomes.
const (
	AllDone     Outcome = "done"
	NothingToDo Outcome = "nothing-to-do"
	// NoneChanged: something was to be done, and nothing was.
	NoneChanged Outcome = "failed"
	// Partly: some workloads are changed, others are not.
	Partly Outcome = "partial"
)

// ExitCode of the outcome.
func (o Outcome) ExitCode() int {
	switch o {
	case AllDone, NothingToDo:
		return 0
	case Partly:
		return 6
	}
	return 1
}

// outcome derives from what became of the workloads.
func (r *Run) outcome() Outcome {
	var changed, not int
	for _, w := range r.Workloads {
		switch w.Phase {
		case Done:
			changed++
		case Stuck, Changing:
			changed++
			not++
		case Pending, Refused, Failed:
			not++
		}
	}
	switch {
	case changed > 0 && not > 0:
		return Partly
	case changed > 0:
		return AllDone
	case not > 0:
		return NoneChanged
	}
	return NothingToDo
}
