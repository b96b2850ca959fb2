// Package protocol is what the operator's side and the node engine say to each
// other. The operator's side writes one Request as one line of JSON to the
// engine's standard input and keeps it open; the engine answers with Message
// lines on standard output: any number of events, then exactly one reply, and
// exits. After the event StepProven of an apply the engine waits for a Control line.
//
// Limits: a line is at most MaxLine bytes; the reader refuses a longer one.
package protocol

import (
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/plan"
)

// Version of this protocol. The engine is uploaded by content hash, so both
// ends are always of one build; the number is checked all the same.
const Version = 1

// MaxLine is the longest line either side accepts, in bytes.
const MaxLine = 64 << 20

// Op is what the engine shall do.
type Op string

// The operations. Only OpApply, OpRollback and OpRecover change a node; OpVerify
// puts a probe directory there and takes it away again.
const (
	OpPlan     Op = "plan"
	OpApply    Op = "apply"
	OpVerify   Op = "verify"
	OpStatus   Op = "status"
	OpRollback Op = "rollback"
	OpRecover  Op = "recover"
	OpExport   Op = "export" // the present registry configuration, for import
)

// Request is the one thing the operator's side says first. It may hold secrets.
type Request struct {
	Version int `json:"version"`
	Op      Op  `json:"op"`
	// Run is the operator's run id; it is recorded on the node.
	Run string `json:"run,omitempty"`
	// Desired is set for plan, apply, verify and status.
	Desired *config.Wire `json:"desired,omitempty"`
	// Fingerprint is the plan that was reviewed (apply); another one is refused.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Adopt lets the plan change what others wrote under the hosts directory.
	Adopt bool `json:"adopt,omitempty"`
	// Force passes over problems that are forceable.
	Force bool `json:"force,omitempty"`
	// NoProof applies without a proving pull (when no verify image is given).
	NoProof bool `json:"noProof,omitempty"`
	// ConfirmWithin is how long the engine waits for ControlConfirm after it has
	// proven a change, before it undoes it.
	ConfirmWithin time.Duration `json:"confirmWithin,omitempty"`
	// Target of a rollback: the run whose changes on this node are undone.
	Target string `json:"target,omitempty"`
}

// Control is a further line to the engine of an apply.
type Control struct {
	// Confirm commits (true) or asks to undo (false).
	Confirm bool `json:"confirm"`
}

// Message is one line from the engine: either an event or the reply.
type Message struct {
	Event *Event `json:"event,omitempty"`
	Reply *Reply `json:"reply,omitempty"`
}

// Step names a stage of the transaction, in its order.
type Step string

// The steps of a transaction as they are told while it runs.
const (
	StepLock     Step = "lock"
	StepRecover  Step = "recover"
	StepObserve  Step = "observe"
	StepStage    Step = "stage"
	StepCheck    Step = "check"
	StepBackup   Step = "backup"
	StepArm      Step = "arm"
	StepSwap     Step = "swap"
	StepRestart  Step = "restart"
	StepHealth   Step = "health"
	StepProve    Step = "prove"
	StepProven   Step = "proven" // waits for Control
	StepCommit   Step = "commit"
	StepUndo     Step = "undo"
	StepRestored Step = "restored"
)

// Event tells that a step began.
type Event struct {
	Step Step `json:"step"`
	// Text adds a detail, such as the image that is pulled.
	Text string    `json:"text,omitempty"`
	At   time.Time `json:"at"`
}

// Outcome of an apply or a rollback on one node.
type Outcome string

// The outcomes.
const (
	// OutcomeUnchanged: nothing had to be done.
	OutcomeUnchanged Outcome = "unchanged"
	// OutcomeApplied: changed, proven, committed.
	OutcomeApplied Outcome = "applied"
	// OutcomeRefused: nothing was changed.
	OutcomeRefused Outcome = "refused"
	// OutcomeRestored: it failed and every byte was put back.
	OutcomeRestored Outcome = "restored"
	// OutcomeRolledBack: an earlier run was undone as asked.
	OutcomeRolledBack Outcome = "rolled-back"
	// OutcomeBroken: putting it back failed too; hands are needed.
	OutcomeBroken Outcome = "broken"
)

// Reply ends the conversation. Exactly the field of the operation is set, or
// only Error. An apply that fails sets both Result and Error.
type Reply struct {
	Plan   *plan.Node `json:"plan,omitempty"`
	Result *Result    `json:"result,omitempty"`
	Proofs []Proof    `json:"proofs,omitempty"`
	Status *Status    `json:"status,omitempty"`
	Export *Export    `json:"export,omitempty"`
	Error  *Error     `json:"error,omitempty"`
}

// Result of apply, rollback and recover.
type Result struct {
	Outcome Outcome `json:"outcome"`
	// Transaction is the node's id of what was done; empty when nothing was.
	Transaction string `json:"transaction,omitempty"`
	// Changed are the paths that were changed.
	Changed []string `json:"changed,omitempty"`
	// Restarted tells that containerd was restarted, and RestartGap how long CRI
	// did not answer.
	Restarted  bool          `json:"restarted"`
	RestartGap time.Duration `json:"restartGap,omitempty"`
	// Proofs of the pulls that were made.
	Proofs []Proof `json:"proofs,omitempty"`
	// Steps with the time each took.
	Steps []StepTime `json:"steps,omitempty"`
	// Failed is the step that failed; empty for success.
	Failed Step `json:"failed,omitempty"`
	// Warnings, such as a pre-existing image that was left where it was.
	Warnings []plan.Notice `json:"warnings,omitempty"`
}

// StepTime is how long one step took.
type StepTime struct {
	Step Step          `json:"step"`
	Took time.Duration `json:"took"`
}

// Proof is one image that was pulled through the configured endpoints only.
type Proof struct {
	Image string `json:"image"`
	// Endpoints that could have served it; no other host could.
	Endpoints []string `json:"endpoints"`
	// OK tells that the pull worked; Error is the reason when it did not.
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Digest of what came.
	Digest string `json:"digest,omitempty"`
	// Fresh is true when layers were really fetched, false when they were already
	// in the node's content store, so that only the manifest was proven.
	Fresh bool          `json:"fresh"`
	Took  time.Duration `json:"took"`
	// ByName tells what a pull under the image's own name showed: "pulled", or why
	// it was not tried.
	ByName string `json:"byName,omitempty"`
}

// Status is what a node knows of itself.
type Status struct {
	Facts plan.Facts `json:"facts"`
	// Healthy is true when CRI answers and no CRI plugin failed; Health says what is wrong.
	Healthy bool   `json:"healthy"`
	Health  string `json:"health,omitempty"`
	// Applied is the last committed transaction; nil when Pullway never changed the node.
	Applied *Transaction `json:"applied,omitempty"`
	// History of transactions, newest first.
	History []Transaction `json:"history,omitempty"`
	// Files of ours and their state.
	Files []FileState `json:"files,omitempty"`
	// Busy says who is at work on the node right now.
	Busy string `json:"busy,omitempty"`
	// Interrupted is a transaction that a crash left; recover settles it.
	Interrupted *Transaction `json:"interrupted,omitempty"`
}

// Transaction is the node's record of one change.
type Transaction struct {
	ID      string    `json:"id"`
	Run     string    `json:"run"`
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
	Outcome Outcome   `json:"outcome"`
	Changed []string  `json:"changed,omitempty"`
	// Undone is true once a rollback has put it back.
	Undone bool `json:"undone,omitempty"`
}

// FileState is one file of ours as it is now.
type FileState struct {
	Path string `json:"path"`
	// State is "as-written", "changed" or "gone".
	State string `json:"state"`
}

// Export is a node's present registry configuration, secrets left out.
type Export struct {
	Facts      plan.Facts       `json:"facts"`
	Registries []ExportRegistry `json:"registries"`
	Warnings   []plan.Notice    `json:"warnings,omitempty"`
}

// ExportRegistry is one registry as the node has it.
type ExportRegistry struct {
	Host      string           `json:"host"`
	Endpoints []ExportEndpoint `json:"endpoints"`
	Fallback  string           `json:"fallback"`
	// Username that the node has; HasPassword tells that there is a password or
	// header, which is not exported.
	Username    string `json:"username,omitempty"`
	HasPassword bool   `json:"hasPassword,omitempty"`
	// Source is the file and line it was read from.
	Source string `json:"source"`
}

// ExportEndpoint is one endpoint as the node has it. Keys and headers are left out.
type ExportEndpoint struct {
	URL                string   `json:"url"`
	Capabilities       []string `json:"capabilities,omitempty"`
	CA                 []byte   `json:"ca,omitempty"`
	InsecureSkipVerify bool     `json:"insecureSkipVerify,omitempty"`
	OverridePath       bool     `json:"overridePath,omitempty"`
	DialTimeout        string   `json:"dialTimeout,omitempty"`
	// HasClientKey and HeaderNames tell what was left out.
	HasClientKey bool     `json:"hasClientKey,omitempty"`
	HeaderNames  []string `json:"headerNames,omitempty"`
}

// ErrorKind says who can do something about an error.
type ErrorKind string

// The kinds of engine errors.
const (
	ErrInvalid   ErrorKind = "invalid"   // the request makes no sense
	ErrNoDaemon  ErrorKind = "no-daemon" // no containerd runs here
	ErrUnsupport ErrorKind = "unsupported"
	ErrLocked    ErrorKind = "locked"  // another run holds the node
	ErrStale     ErrorKind = "stale"   // the node changed since the plan
	ErrRefused   ErrorKind = "refused" // the plan has problems
	ErrFailed    ErrorKind = "failed"  // a step failed; see Result
)

// Error is a failure told by the engine: one line, and a hint where a person can act.
type Error struct {
	Kind ErrorKind `json:"kind"`
	Text string    `json:"text"`
	Hint string    `json:"hint,omitempty"`
}

// Error returns the one line.
func (e *Error) Error() string { return e.Text }
