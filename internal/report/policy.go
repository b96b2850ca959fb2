package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/pullpolicy"
)

// PolicyRunSchema is the present version of PolicyRun.
const PolicyRunSchema = "pullway.dev/policy-run/v1"

// PolicyRun is the result of `pullway policy freeze` and `pullway policy restore`,
// and one record of them in `pullway history`.
type PolicyRun struct {
	Schema string `json:"schema"`
	*pullpolicy.Run
	ExitCode int           `json:"exitCode"`
	Summary  PolicySummary `json:"summary"`
}

// PolicySummary counts the workloads of a run.
type PolicySummary struct {
	// Changed are frozen or restored; Stuck are so too, and their rollout is not through.
	Changed int `json:"changed"`
	Stuck   int `json:"stuck"`
	// Unchanged needed nothing, Refused must not be changed from here, Failed could
	// not be, Pending were not reached.
	Unchanged int `json:"unchanged"`
	Refused   int `json:"refused"`
	Failed    int `json:"failed"`
	Pending   int `json:"pending"`
	// Restarts counts the pods that rollouts replaced, or would.
	Restarts int `json:"restarts"`
	// Left counts containers that somebody changed since the freeze.
	Left int `json:"left"`
}

// NewPolicyRun makes the result.
func NewPolicyRun(r *pullpolicy.Run) PolicyRun {
	p := PolicyRun{Schema: PolicyRunSchema, Run: r, ExitCode: r.Outcome.ExitCode()}
	count := map[pullpolicy.Phase]*int{pullpolicy.Done: &p.Summary.Changed, pullpolicy.Stuck: &p.Summary.Stuck, pullpolicy.Changing: &p.Summary.Stuck,
		pullpolicy.Unchanged: &p.Summary.Unchanged, pullpolicy.Refused: &p.Summary.Refused, pullpolicy.Failed: &p.Summary.Failed, pullpolicy.Pending: &p.Summary.Pending}
	for _, w := range r.Workloads {
		*count[w.Phase]++
		if w.Action == pullpolicy.Change {
			p.Summary.Restarts += w.Restarts
		}
		for _, c := range w.Each {
			if c.Back == pullpolicy.BackLeft {
				p.Summary.Left++
			}
		}
	}
	return p
}

// PolicyPhase says a phase in words.
func PolicyPhase(p pullpolicy.Phase) string {
	return map[pullpolicy.Phase]string{
		pullpolicy.Pending: "not reached", pullpolicy.Unchanged: "nothing to do", pullpolicy.Refused: "refused", pullpolicy.Failed: "failed, not changed",
		pullpolicy.Changing: "UNKNOWN: was being changed", pullpolicy.Done: "done", pullpolicy.Stuck: "STUCK: changed, its rollout is not through",
	}[p]
}

func policyColour(p pullpolicy.Phase) colour {
	switch p {
	case pullpolicy.Done:
		return green
	case pullpolicy.Failed, pullpolicy.Stuck, pullpolicy.Changing:
		return red
	case pullpolicy.Refused:
		return yellow
	}
	return faint
}

// head says what a person has to know of it.
func (p PolicyRun) head(out *Printer) {
	if p.Command == pullpolicy.FreezeCommand {
		out.line("Always becomes IfNotPresent. A change of a pod template restarts its pods, and a new pod on a")
		out.line("node without the image is itself a pull.")
	} else {
		out.line("What was frozen gets back what it had. The pods restart, and with Always each of them asks its")
		out.line("registry: restore when pulls work.")
	}
	out.line("")
}

// Plan writes what would be done, before anybody is asked.
func (p PolicyRun) Plan(out *Printer) {
	p.head(out)
	for _, w := range p.Workloads {
		word := PolicyPhase(w.Phase)
		c := policyColour(w.Phase)
		if w.Phase == pullpolicy.Pending {
			word, c = "change", cyan
		}
		out.workload(word, c, w)
	}
	out.line("")
	out.line("%d to change, which restarts %s; %d refused; %d with nothing to do.", p.Summary.Pending, count(p.Summary.Restarts, "pod"), p.Summary.Refused, p.Summary.Unchanged)
}

func (p *Printer) workload(word string, c colour, w pullpolicy.WorkloadRun) {
	what := ""
	if w.Action == pullpolicy.Change {
		what = ", " + restarts(w.Restarts)
		if names := changedContainers(w); names != "" {
			what = ": " + names + what
		}
	}
	p.line("%s %s%s", p.paint(c, word+":"), p.paint(bold, w.String()), what)
	if w.Reason != "" {
		p.line("  %s", w.Reason)
		p.hint("  ", w.Hint)
	} else if w.Error != "" {
		defer p.hint("  ", w.Hint)
	}
	for _, n := range w.Notes {
		p.line("  note: %s", n)
	}
	if w.Error != "" {
		p.line("  %s %s", p.paint(red, "error:"), w.Error)
	}
}

func changedContainers(w pullpolicy.WorkloadRun) string {
	var names []string
	for _, c := range w.Containers {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

func restarts(n int) string {
	if n == 0 {
		return "no pod restarts"
	}
	if n == 1 {
		return "1 pod restarts"
	}
	return fmt.Sprintf("%d pods restart", n)
}

// Human writes what became of each workload, and what stands now.
func (p PolicyRun) Human(out *Printer) {
	if p.DryRun {
		p.head(out)
	}
	for _, w := range p.Workloads {
		word := PolicyPhase(w.Phase)
		if w.Phase == pullpolicy.Done {
			word = p.done()
		}
		out.workload(word, policyColour(w.Phase), w)
	}
	if len(p.Workloads) > 0 {
		out.line("")
	}
	s := p.Summary
	head, text := green, ""
	switch {
	case p.Ended.IsZero():
		head, text = yellow, fmt.Sprintf("Not ended: %s %s, %d stuck or in flight, %d not reached.", count(s.Changed, "workload"), p.done(), s.Stuck, s.Pending)
	case p.Outcome == pullpolicy.NothingToDo && p.Command == pullpolicy.FreezeCommand:
		text = "Nothing to do: no workload that was named has Always."
	case p.Outcome == pullpolicy.NothingToDo:
		text = "Nothing to do: nothing is frozen."
	case p.Outcome == pullpolicy.AllDone:
		text = fmt.Sprintf("Done: %s %s.", count(s.Changed, "workload"), p.done())
	case p.Outcome == pullpolicy.Partly:
		head, text = yellow, fmt.Sprintf("In part: %s %s, %d stuck, %d refused, %d failed, %d not reached.", count(s.Changed, "workload"), p.done(), s.Stuck, s.Refused, s.Failed, s.Pending)
	default:
		head, text = red, fmt.Sprintf("Nothing was changed: %d refused, %d failed, %d not reached.", s.Refused, s.Failed, s.Pending)
	}
	out.line("%s %s", out.paint(head, text), painted("(run "+Clean(p.ID)+", "+took(p.Started, p.Ended)+")"))
	if p.DryRun {
		out.line("  a dry run: the API server checked it and kept nothing")
		return
	}
	if s.Left > 0 {
		out.line("  %s left as somebody set them meanwhile", count(s.Left, "container"))
	}
	if p.Command == pullpolicy.FreezeCommand && s.Changed+s.Stuck > 0 {
		out.line("  undo it with: pullway policy restore %s --kubeconfig FILE", p.ID)
	}
	if s.Stuck > 0 && p.Command == pullpolicy.RestoreCommand {
		out.line("  what is stuck has its policies back; its rollout goes on by itself when its images can be pulled")
	}
	if s.Pending > 0 {
		out.line("  the same command goes on with what was not reached")
	}
}

// done is what was done to a workload that is done.
func (p PolicyRun) done() string {
	word := "restored"
	if p.Command == pullpolicy.FreezeCommand {
		word = "frozen"
	}
	if p.DryRun {
		return "would be " + word
	}
	return word
}

// PolicyStatusSchema is the present version of PolicyStatus.
const PolicyStatusSchema = "pullway.dev/policy-status/v1"

// PolicyStatus is the result of `pullway policy status`.
type PolicyStatus struct {
	Schema string `json:"schema"`
	// Server is the API server's URL.
	Server    string           `json:"server"`
	Workloads []PolicyWorkload `json:"workloads"`
}

// PolicyWorkload is one frozen workload.
type PolicyWorkload struct {
	pullpolicy.Ref
	// Run that froze it, by whom and when.
	Run      string    `json:"run,omitempty"`
	Operator string    `json:"operator,omitempty"`
	At       time.Time `json:"at,omitzero"`
	// Each container, and what a restore would make of it.
	Each []pullpolicy.ContainerBack `json:"each,omitempty"`
	// Rollout says what a rollout waits for; absent when all pods are available.
	Rollout string `json:"rollout,omitempty"`
	// Restore says what a restore would do with it: change, nothing or refuse; and why.
	Restore pullpolicy.Decision `json:"restore"`
}

// NewPolicyStatus makes the result.
func NewPolicyStatus(server string, frozen []pullpolicy.FrozenWorkload) PolicyStatus {
	s := PolicyStatus{Schema: PolicyStatusSchema, Server: server, Workloads: []PolicyWorkload{}}
	for _, f := range frozen {
		note, _ := f.Note()
		r, _ := pullpolicy.Restore(f.Workload, f.Kept, true) // pods that are not well are told apart
		s.Workloads = append(s.Workloads, PolicyWorkload{Ref: f.Workload.Ref, Run: note.Run, Operator: note.Operator, At: note.At.Time,
			Each: r.Each, Rollout: f.Workload.Rollout.Waiting, Restore: r.Decision})
	}
	return s
}

// Human writes a block for each workload.
func (s PolicyStatus) Human(out *Printer) {
	for _, w := range s.Workloads {
		since := ""
		if w.Run != "" {
			since = fmt.Sprintf(" frozen since %s by %s (run %s)", moment(w.At), w.Operator, w.Run)
		}
		out.line("%s%s", out.paint(bold, w.String()), since)
		for _, c := range w.Each {
			text := "IfNotPresent, was " + string(c.Policy)
			if c.Back != pullpolicy.BackSet {
				text = "is as it was"
			}
			if c.Why != "" {
				text = c.Why
			}
			out.line("  %s: %s", c.Name, text)
		}
		if w.Rollout != "" {
			out.line("  its rollout: %s", w.Rollout)
		}
		if w.Restore.Reason != "" {
			out.line("  %s %s", out.paint(yellow, "restore would refuse:"), w.Restore.Reason)
			out.hint("  ", w.Restore.Hint)
		}
	}
	if len(s.Workloads) == 0 {
		out.line("Nothing is frozen.")
		return
	}
	out.line("")
	out.line("%s frozen; pullway policy restore gives them back what they had.", count(len(s.Workloads), "workload"))
}
