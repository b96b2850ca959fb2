package report

import (
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/protocol"
)

// human writes one node's status.
func (s statusView) human(name string, out *Printer) {
	health := out.paint(green, "healthy")
	if !s.Healthy {
		health = out.paint(red, "not healthy: "+s.Health)
	}
	out.line("%s  containerd %s, %s", out.paint(bold, name), orNone(s.Facts.Release), health)
	switch {
	case s.Facts.ConfigPath == "":
		out.line("  no hosts directory is read")
	default:
		out.line("  hosts directory %s", s.Facts.ConfigPath)
	}
	if s.Facts.ConfigPathNote != "" {
		out.line("  %s %s", out.paint(yellow, "note:"), s.Facts.ConfigPathNote)
	}
	if s.Busy != "" {
		out.line("  %s %s", out.paint(yellow, "busy:"), s.Busy)
	}
	if s.Interrupted != nil {
		out.line("  %s transaction %s of run %s; apply and rollback settle it", out.paint(red, "interrupted:"), s.Interrupted.ID, s.Interrupted.Run)
	}
	if s.Applied == nil {
		out.line("  Pullway has no change standing on this node")
		return
	}
	out.line("  %q applied %s by run %s", s.Applied.Name, s.Applied.At.UTC().Format(time.DateTime), s.Applied.Run)
	for _, f := range s.Files {
		c := green
		if f.State != "as-written" {
			c = red
		}
		out.line("    %s %s", out.paint(c, f.State), f.Path)
	}
}

// History is the result of `pullway history`.
type History struct {
	Schema  string       `json:"schema"`
	Runs    []HistoryRun `json:"runs"`
	Damaged []string     `json:"damaged,omitempty"`
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

// Human writes a line for each run, newest first.
func (h History) Human(out *Printer) {
	for _, r := range h.Runs {
		outcome := string(r.Outcome)
		if outcome == "" {
			outcome = "not ended"
		}
		what := r.Command
		if r.Target != "" {
			what += " of " + r.Target
		}
		out.line("%s  %s  %-16s %d of %s changed  %s  %s", r.ID, r.Started.UTC().Format(time.DateTime), outcome, r.Changed, count(r.Nodes, "node"), what, r.Operator)
	}
	if len(h.Runs) == 0 {
		out.line("No runs are recorded on this machine.")
	}
	for _, d := range h.Damaged {
		out.line("%s %s", out.paint(yellow, "damaged:"), d)
	}
}

// statusView lets a status print itself.
type statusView protocol.Status
