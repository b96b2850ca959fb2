// Package protocol is what the operator's side and the node engine say to each
// other. The operator's side writes one Request as one line of JSON to the
// engine's standard input and keeps it open; the engine answers with Message
// lines on standard output: any number of events, then exactly one reply. After
// the events StepPlay and StepProven of an apply the engine waits for a Control line. The next
// Request may follow a reply; the engine exits at the end of its input.
//
// Limits: a request is at most MaxLine bytes, a line of an engine MaxAnswer; see
// limits.go for what else an engine may not do.
package protocol

import (
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/trace"
)

// Version of this protocol. The engine is uploaded by content hash, so both
// ends are always of one build; the number is checked all the same.
const Version = 1

// MaxLine is the longest request that an engine takes, in bytes.
const MaxLine = 64 << 20

// Op is what the engine shall do.
type Op string

// The operations. Only OpApply, OpRollback, OpRecover and OpConfirm change a node's
// configuration; OpPrepull its images. OpVerify puts a probe directory there and takes it away again.
const (
	OpPlan     Op = "plan"
	OpApply    Op = "apply"
	OpVerify   Op = "verify"
	OpStatus   Op = "status"
	OpRollback Op = "rollback"
	OpRecover  Op = "recover"
	OpExport   Op = "export" // the present registry configuration, for import
	// OpSurvey is what assess asks: the plan, the present registry configuration, the
	// images, and whether the endpoints answer from here.
	OpSurvey Op = "survey"
	OpDoctor Op = "doctor" // known mistakes in the node's configuration
	// OpConfirm says over a new connection what a Control line would have said over
	// the one that ended, to an engine that waits for it; see Request.Confirm.
	OpConfirm Op = "confirm"
	// OpTrace says where a pull of Request.Image goes, and asks the hosts for it.
	OpTrace Op = "trace"
	// OpPrepull fetches images ahead of need and pins them; see Request.Prepull.
	OpPrepull Op = "prepull"
)

// Request is what the operator's side asks for. It may hold secrets.
type Request struct {
	Version int `json:"version"`
	Op      Op  `json:"op"`
	// Run is the operator's run id; it is recorded on the node.
	Run string `json:"run,omitempty"`
	// Operator is user@host of whoever asks; it is recorded on the node.
	Operator string `json:"operator,omitempty"`
	// Desired is set for plan, apply, verify, status and survey.
	Desired *config.Wire `json:"desired,omitempty"`
	// Fingerprint is the plan that was reviewed (apply); another one is refused.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Overwrite lets a plan write anew what somebody changed or removed since we
	// wrote it, and a rollback go over such changes.
	Overwrite bool `json:"overwrite,omitempty"`
	// Adopt lets the plan change what others wrote under the hosts directory, and
	// does what Overwrite does.
	Adopt bool `json:"adopt,omitempty"`
	// Force passes over problems that are forceable.
	Force bool `json:"force,omitempty"`
	// Kubespray lets the plan write files as that line of Kubespray would.
	Kubespray *plan.Kubespray `json:"kubespray,omitempty"`
	// Play says that the change of an apply, or of its plan, is made from the
	// operator's side, by Kubespray's playbook: the engine backs up what that may
	// change, tells StepPlay, waits for a Control line, and then judges and proves what
	// it finds, or puts it back. Kubespray says where its files are.
	Play bool `json:"play,omitempty"`
	// NoProof applies without a proving pull (when no verify image is given).
	NoProof bool `json:"noProof,omitempty"`
	// ConfirmWithin is how long the engine waits for ControlConfirm after it has
	// proven a change, before it undoes it.
	ConfirmWithin time.Duration `json:"confirmWithin,omitempty"`
	// Target of a rollback: the run whose changes on this node are undone.
	Target string `json:"target,omitempty"`
	// Logins of OpSurvey are the registries that may be asked with the credential:
	// those where it is known to be good. A wrong one that all nodes send locks its
	// user out.
	Logins []string `json:"logins,omitempty"`
	// Images of OpSurvey are asked for at the endpoints that they would come from.
	Images []string `json:"images,omitempty"`
	// Since of OpDoctor is how far back containerd's journal is read; 0 is not at all.
	Since time.Duration `json:"since,omitempty"`
	// Image of OpTrace is a reference as in a pod.
	Image string `json:"image,omitempty"`
	// Pull makes OpTrace pull the image, too, and drop it again.
	Pull bool `json:"pull,omitempty"`
	// Confirm of OpConfirm: true keeps the change of Run that is under way on the
	// node, once it is proven; false takes it back. The reply comes when that engine
	// has ended; when none was at work its Result is what the run has committed there,
	// or unchanged.
	Confirm bool `json:"confirm,omitempty"`
	// Prepull is set for OpPrepull.
	Prepull *Prepull `json:"prepull,omitempty"`
	// Mend makes the plan of OpPlan and OpApply the one that mends what is mechanical
	// of what doctor finds, in place of Desired; for OpDoctor it says what is left out.
	Mend *Mend `json:"mend,omitempty"`
}

// Mend is what pullway doctor --fix asks for.
type Mend struct {
	// Ignore are rules that are left out.
	Ignore []string `json:"ignore,omitempty"`
	// Verify are images that the node has to be able to pull afterwards, under their
	// own names.
	Verify []string `json:"verify,omitempty"`
}

// MendName is what a fix is called where an apply has the name of its
// specification.
const MendName = "doctor --fix"

// Control is a further line to the engine of an apply.
type Control struct {
	// Confirm commits (true) or asks to undo (false).
	Confirm bool `json:"confirm"`
	// Reason says in one line why what was done at StepPlay failed, and Hint what to
	// do about it. It is empty when somebody just takes the change back.
	Reason string `json:"reason,omitempty"`
	Hint   string `json:"hint,omitempty"`
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
	StepProbe    Step = "probe" // pulls through the new endpoints while the old ones are in force
	StepPlay     Step = "play"  // waits for Control while the operator's side changes the node
	StepSwap     Step = "swap"
	StepRestart  Step = "restart"
	StepHealth   Step = "health"
	StepProve    Step = "prove"
	StepProven   Step = "proven" // waits for Control
	StepLinger   Step = "linger" // waits until pulls that began before have read what they name
	StepRemove   Step = "remove" // takes away what is named no more
	StepCommit   Step = "commit"
	StepUndo     Step = "undo"
	StepRestored Step = "restored"
	// StepPull tells how many bytes of a prepull have come, StepPulled that an image has.
	StepPull   Step = "pull"
	StepPulled Step = "pulled"
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

// Reply ends the conversation about one Request. Exactly the field of the operation is set, or
// only Error. An apply that fails sets both Result and Error.
type Reply struct {
	Plan   *plan.Node `json:"plan,omitempty"`
	Result *Result    `json:"result,omitempty"`
	Proofs []Proof    `json:"proofs,omitempty"`
	Status *Status    `json:"status,omitempty"`
	Export *Export    `json:"export,omitempty"`
	Ahead  *Fetched   `json:"ahead,omitempty"`
	Survey *Survey    `json:"survey,omitempty"`
	Doctor *Doctor    `json:"doctor,omitempty"`
	// Trace is of OpTrace.
	Trace *trace.Trace `json:"trace,omitempty"`
	Error *Error       `json:"error,omitempty"`
}

// Result of apply, rollback and recover.
type Result struct {
	Outcome Outcome `json:"outcome"`
	// Transaction is the node's id of what was done; empty when nothing was.
	Transaction string `json:"transaction,omitempty"`
	// Changed are the paths that were changed.
	Changed []string `json:"changed,omitempty"`
	// Restarted tells that containerd was restarted.
	Restarted bool `json:"restarted"`
	// Restarts is how often: putting back takes another one.
	Restarts int `json:"restarts,omitempty"`
	// RestartGap is how long CRI did not answer at the most: the longest time from
	// a good answer to the next one, asked every 10 ms.
	RestartGap time.Duration `json:"restartGap,omitempty"`
	// Kept counts the containers that ran before the last restart and were seen to
	// run on after it: the same container, the same first process.
	Kept int `json:"kept,omitempty"`
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
	// Endpoints that could have served it; no other host could. None when containerd
	// reads no hosts directory, as before Kubespray 2.23: then it is not shown who did.
	Endpoints []string `json:"endpoints"`
	// OK tells that the pull worked; Error is the reason when it did not.
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Why is what a trace of a pull that failed found right behind it, by the files that
	// the pull went by. It is absent where none was made: for the fourth failure of a
	// verify that is of another kind, and when there was no time left.
	Why *Why `json:"why,omitempty"`
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

// WhatToDo is the hint for a pull that failed: that of the trace, which asked the
// hosts, before that of the error alone.
func (p Proof) WhatToDo() string {
	if p.Why != nil && !p.Why.Served && p.Why.Hint != "" {
		return p.Why.Hint
	}
	return p.Hint
}

// Why is why a pull failed, as a trace sees it.
type Why struct {
	// SameAs is another image of the registry, whose pull failed in the same way and
	// whose Why counts for this one too; nothing else is set then.
	SameAs string `json:"sameAs,omitempty"`
	// Served tells that a host gives the image to a trace, though not to the pull.
	Served bool `json:"served,omitempty"`
	// Host is the URL of the host that the sentence is of: the one that serves, or whose
	// answer says most about why none does; empty when none was asked.
	Host string `json:"host,omitempty"`
	// Text is one sentence, Hint what to do about it.
	Text string `json:"text,omitempty"`
	Hint string `json:"hint,omitempty"`
}

// Status is what a node knows of itself.
type Status struct {
	Facts plan.Facts `json:"facts"`
	// Healthy is true when CRI answers and no CRI plugin failed; Health says what is wrong.
	Healthy bool   `json:"healthy"`
	Health  string `json:"health,omitempty"`
	// Applied is the last committed transaction; nil when Pullway never changed the node.
	Applied *Transaction `json:"applied,omitempty"`
	// History of transactions, newest first. Those that the node put back are among
	// them; only the last 20 of each kind are kept.
	History []Transaction `json:"history,omitempty"`
	// Files of ours, and of the configuration that we changed, and their state.
	Files []plan.FileState `json:"files,omitempty"`
	// Kept is what others wrote beside our files, and files of the configuration
	// that are not ours.
	Kept []plan.Foreign `json:"kept,omitempty"`
	// NotLoaded tells that containerd does not run on its configuration files, or
	// may not; nil when nothing speaks against it.
	NotLoaded *plan.NotLoaded `json:"notLoaded,omitempty"`
	// Busy says in one line who is at work on the node right now; UnderWay says it
	// for programs.
	Busy     string    `json:"busy,omitempty"`
	UnderWay *UnderWay `json:"underWay,omitempty"`
	// Interrupted is a transaction that a crash left; recover settles it.
	Interrupted *Transaction `json:"interrupted,omitempty"`
	// Pins are the images that a prepull keeps on the node until the change is done.
	Pins *Pins `json:"pins,omitempty"`
}

// UnderWay is what an engine is doing on the node right now.
type UnderWay struct {
	Run string `json:"run"`
	Op  Op     `json:"op"`
	// Operator is user@host; empty when nobody told.
	Operator string    `json:"operator,omitempty"`
	Since    time.Time `json:"since"`
}

// Transaction is the node's record of one change.
type Transaction struct {
	ID   string `json:"id"`
	Run  string `json:"run"`
	Name string `json:"name"`
	// Op is apply or rollback; Target is the run that a rollback undoes.
	Op     Op     `json:"op,omitempty"`
	Target string `json:"target,omitempty"`
	// Operator is user@host of whoever made the run.
	Operator string `json:"operator,omitempty"`
	// At is when it began, Ended when the node was whole again.
	At    time.Time `json:"at"`
	Ended time.Time `json:"ended,omitzero"`
	// Outcome is restored when the node put itself back; Reason then says why, and
	// Failed which step failed: none when the operator's side or the engine was gone.
	Outcome Outcome  `json:"outcome"`
	Failed  Step     `json:"failed,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Changed []string `json:"changed,omitempty"`
	// Undone is true once a rollback has put it back.
	Undone bool `json:"undone,omitempty"`
}

// Doctor is what was found on a node.
type Doctor struct {
	doctor.Report
	// Health says what is wrong with CRI; empty when it is well.
	Health string `json:"health,omitempty"`
	// Fixes are what is mechanical of it.
	Fixes []doctor.Fix `json:"fixes,omitempty"`
	// Journal is what containerd's journal tells of pulls; nil when it was not asked for.
	Journal *doctor.Journal `json:"journal,omitempty"`
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

// Survey is what assess wants to know of a node.
type Survey struct {
	Plan   plan.Node `json:"plan"`
	Export Export    `json:"export"`
	// Images are the names in containerd's store for Kubernetes, sorted; none with
	// ImagesError when they could not be listed.
	Images      []string `json:"images,omitempty"`
	ImagesError string   `json:"imagesError,omitempty"`
	// Endpoints of the specification, in its order, asked from the node.
	Endpoints []Asked `json:"endpoints,omitempty"`
}

// Asked is what an endpoint told a node.
type Asked struct {
	// Registry is its host as in the specification.
	Registry string `json:"registry"`
	URL      string `json:"url"`
	// Fault is one word, such as unreachable; empty when it answers as a registry and
	// takes the credential, where there is one to try.
	Fault string `json:"fault,omitempty"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Images are those of Request.Images that it was asked for.
	Images []AskedImage `json:"images,omitempty"`
}

// AskedImage is what an endpoint told a node of one image. Fault and Error are empty
// for one that it gives.
type AskedImage struct {
	Image string `json:"image"`
	Fault string `json:"fault,omitempty"`
	Error string `json:"error,omitempty"`
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
