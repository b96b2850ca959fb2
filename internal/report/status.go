package report

import (
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// human writes the status of one node, or of several that are alike. at is when
// the last change was applied, if that is one moment.
func (n StatusNode) human(name string, at string, alone bool, out *Printer) {
	s := statusView(*n.Status)
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
	if k := s.Pins; k != nil {
		out.line("  %s %s for a change to come, by run %s%s since %s; pullway prepull --unpin lets go", out.paint(yellow, "pinned:"), count(len(k.Images), "image"), k.Run, of(k.Operator), moment(k.Since))
	}
	if s.Interrupted != nil {
		out.line("  %s run %s%s since %s; apply and rollback settle it", out.paint(red, "interrupted:"), s.Interrupted.Run, by(s.Interrupted.Operator), moment(s.Interrupted.At))
	}
	if t := putBack(protocol.Status(s)); t != nil {
		out.line("  %s run %s%s was put back by the node itself at %s: %s", out.paint(yellow, "put back:"), t.Run, by(t.Operator), moment(t.Ended), t.Reason)
	}
	if s.Applied == nil {
		out.line("  Pullway has no change standing here")
	} else {
		out.line("  %q applied%s by run %s%s", s.Applied.Name, at, s.Applied.Run, of(s.Applied.Operator))
	}
	out.notLoaded(s.NotLoaded, alone)
	n.drift(out)
}

// putBack is the node's last change, if the node put it back by itself.
func putBack(s protocol.Status) *protocol.Transaction {
	if len(s.History) == 0 || s.History[0].Outcome != protocol.OutcomeRestored {
		return nil
	}
	return &s.History[0]
}

// statusView lets a status print itself.
type statusView protocol.Status

// moment is a time for people; by and of name an operator, when one is known.
func moment(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" }

func by(operator string) string { return named(" by ", operator) }

func of(operator string) string { return named(" of ", operator) }

func named(word, operator string) string {
	if operator == "" {
		return ""
	}
	return word + operator
}
