package report

import (
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/pullpolicy"
)

// History is the result of `pullway history`.
type History struct {
	Schema  string       `json:"schema"`
	Runs    []HistoryRun `json:"runs"`
	Damaged []string     `json:"damaged,omitempty"`
	// Unasked are nodes that could not be asked, when nodes were.
	Unasked []StatusNode `json:"unasked,omitempty"`
	asked   bool
}

// HistoryRun is one run in short.
type HistoryRun struct {
	ID       string        `json:"id"`
	Command  string        `json:"command"`
	Name     string        `json:"name,omitempty"`
	Target   string        `json:"target,omitempty"`
	Operator string        `json:"operator,omitempty"`
	Started  time.Time     `json:"started"`
	Ended    time.Time     `json:"ended,omitzero"`
	Outcome  fleet.Outcome `json:"outcome,omitempty"`
	Nodes    int           `json:"nodes"`
	Changed  int           `json:"changed"`
	// Workloads counts those of a policy freeze or restore, which has no nodes;
	// Changed counts those that it changed.
	Workloads int `json:"workloads,omitempty"`
	// Told is what each node tells of the run, when nodes were asked: then Nodes
	// counts them, Changed counts those that hold the change now, and Ended and
	// Outcome, which no single node knows, are absent.
	Told []HistoryNode `json:"told,omitempty"`
}

// HistoryNode is what one node tells of a run.
type HistoryNode struct {
	Node string `json:"node"`
	// Outcome is applied, rolled-back, restored when the node put itself back, busy
	// when it is at work on it, or interrupted when a crash left it in the middle.
	Outcome protocol.Outcome `json:"outcome"`
	// Holds tells that the change is in force there.
	Holds bool `json:"holds"`
	// At is when it began there, Ended when the node was whole again.
	At    time.Time `json:"at"`
	Ended time.Time `json:"ended,omitzero"`
	// Reason why the node put itself back.
	Reason string `json:"reason,omitempty"`
}

// NewHistory makes the result of the records that are kept.
func NewHistory(runs []*fleet.Run, damaged []*record.Damaged) History {
	h := History{Schema: HistorySchema, Runs: []HistoryRun{}}
	for _, r := range runs {
		e := HistoryRun{ID: r.ID, Command: r.Command, Name: r.Name, Target: r.Target, Operator: r.Operator,
			Started: r.Started, Ended: r.Ended, Outcome: r.Outcome, Nodes: len(r.Nodes)}
		for _, n := range r.Nodes {
			if n.Phase == fleet.Applied || n.Phase == fleet.RolledBack || n.Phase == fleet.Restored {
				e.Changed++
			}
		}
		h.Runs = append(h.Runs, e)
	}
	for _, d := range damaged {
		h.Damaged = append(h.Damaged, d.Error())
	}
	return h
}

// WithPolicies adds freezes and restores of pull policies, and keeps the newest
// most of all; 0 for all.
func (h History) WithPolicies(runs []*pullpolicy.Run, damaged []*record.Damaged, most int) History {
	for _, r := range runs {
		s := NewPolicyRun(r).Summary
		h.Runs = append(h.Runs, HistoryRun{ID: r.ID, Command: r.Command, Target: r.Target, Operator: r.Operator, Started: r.Started, Ended: r.Ended,
			Outcome: fleet.Outcome(r.Outcome), Workloads: len(r.Workloads), Changed: s.Changed + s.Stuck})
	}
	for _, d := range damaged {
		h.Damaged = append(h.Damaged, d.Error())
	}
	slices.SortStableFunc(h.Runs, func(a, b HistoryRun) int { return strings.Compare(b.ID, a.ID) })
	if most > 0 && len(h.Runs) > most {
		h.Runs = h.Runs[:most]
	}
	return h
}

// Human writes a line for each run, newest first.
func (h History) Human(out *Printer) {
	for _, r := range h.Runs {
		if r.Told != nil {
			r.told(out)
			continue
		}
		outcome := string(r.Outcome)
		if outcome == "" {
			outcome = "not ended"
		}
		what := r.Command
		if r.Target != "" {
			what += " of " + r.Target
		}
		of := count(r.Nodes, "node")
		if r.Workloads > 0 {
			of = count(r.Workloads, "workload")
		}
		out.line("%s  %s  %-16s %d of %s changed  %s  %s", r.ID, r.Started.UTC().Format(time.DateTime), outcome, r.Changed, of, what, r.Operator)
	}
	switch {
	case len(h.Runs) > 0:
	case h.asked:
		out.line("The nodes know of no run.")
	default:
		out.line("No runs are recorded on this machine.")
	}
	for _, n := range h.Unasked {
		out.line("%s %s could not be asked: %s", out.paint(yellow, "missing:"), n.Name, n.Error.Text)
		out.hint("  ", n.Error.Hint)
	}
	for _, d := range h.Damaged {
		out.line("%s %s", out.paint(yellow, "damaged:"), d)
	}
}

// NewKnownHistory makes the result of what the nodes tell; run, when not empty,
// is the one run that is wanted.
func NewKnownHistory(answers []fleet.Answer, run string, most int) History {
	h := History{Schema: HistorySchema, Runs: []HistoryRun{}, asked: true}
	for _, k := range fleet.KnownRuns(answers) {
		if run != "" && run != k.ID && run != "last" || most > 0 && len(h.Runs) == most || run == "last" && len(h.Runs) == 1 {
			continue
		}
		e := HistoryRun{ID: k.ID, Command: k.Command, Name: k.Name, Target: k.Target, Operator: k.Operator, Started: k.Started, Nodes: len(k.Nodes)}
		for _, n := range k.Nodes {
			if n.Holds {
				e.Changed++
			}
			e.Told = append(e.Told, HistoryNode{Node: n.Name, Outcome: n.Outcome, Holds: n.Holds, At: n.At, Ended: n.Ended, Reason: n.Reason})
		}
		h.Runs = append(h.Runs, e)
	}
	for _, a := range answers {
		if a.Err != nil && a.Reply == nil {
			h.Unasked = append(h.Unasked, StatusNode{Name: a.Target.Name, Error: a.Err})
		}
	}
	return h
}

// told writes a run as the nodes tell it: nodes with the same outcome together.
func (r HistoryRun) told(out *Printer) {
	what := r.Command
	if r.Name == protocol.MendName && r.Target == "" {
		what = r.Name // to the node a fix is an apply
	}
	if r.Target != "" {
		what += " of " + r.Target
	}
	out.line("%s  %s  %s  %s", out.paint(bold, r.ID), moment(r.Started), what, r.Operator)
	var order []string
	nodes := map[string][]string{}
	for _, n := range r.Told {
		text := n.text(r.Command)
		if nodes[text] == nil {
			order = append(order, text)
		}
		nodes[text] = append(nodes[text], n.Node)
	}
	for _, text := range order {
		out.line("  %s: %s", text, names(nodes[text], 8))
	}
}

func (n HistoryNode) text(command string) string {
	switch {
	case n.Outcome == protocol.OutcomeRestored && command == string(protocol.OpRollback):
		return "not rolled back, as it was before (" + n.Reason + ")"
	case n.Outcome == protocol.OutcomeRestored:
		return "put back by the node itself (" + n.Reason + ")"
	case n.Outcome == protocol.OutcomeApplied && !n.Holds:
		return "changed, rolled back since"
	case n.Outcome == protocol.OutcomeApplied:
		return "changed"
	case n.Outcome == fleet.OutcomeBusy:
		return "at work right now"
	}
	return string(n.Outcome)
}
