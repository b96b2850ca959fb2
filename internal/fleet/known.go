package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// Outcomes of a run on a node that is not through with it.
const (
	// OutcomeBusy: an engine is at work on it right now.
	OutcomeBusy protocol.Outcome = "busy"
	// OutcomeInterrupted: a crash left it in the middle; apply and rollback settle it.
	OutcomeInterrupted protocol.Outcome = "interrupted"
)

// KnownRun is a run as the nodes tell it, whoever made it. Nodes keep their last
// transactions only, so older runs may be missing or have fewer nodes.
type KnownRun struct {
	ID string
	// Command is apply or rollback; Target is the run that a rollback undoes.
	Command string
	Target  string
	// Name of the configuration.
	Name string
	// Operator is user@host; empty when the node was not told.
	Operator string
	// Started is the first sign of it on any node.
	Started time.Time
	// Nodes in the order in which they were asked.
	Nodes []KnownNode
}

// KnownNode is what one node tells of a run.
type KnownNode struct {
	Name string
	protocol.Transaction
	// Holds is true when a change of the run is in force on the node.
	Holds bool
}

// KnownRuns groups what the nodes told by run, newest first. Nodes that could not
// be asked are not in it.
func KnownRuns(answers []Answer) []KnownRun {
	byID := map[string]*KnownRun{}
	for _, a := range answers {
		if a.Reply == nil || a.Reply.Status == nil {
			continue
		}
		seen := map[string]bool{}
		for _, tx := range transactions(a.Reply.Status) {
			k := byID[tx.Run]
			if k == nil {
				k = &KnownRun{ID: tx.Run, Started: tx.At}
				byID[tx.Run] = k
			}
			k.learn(tx)
			if !seen[tx.Run] { // the newest of a run tells how it ended here
				seen[tx.Run] = true
				k.Nodes = append(k.Nodes, KnownNode{Name: a.Target.Name, Transaction: tx, Holds: holds(a.Reply.Status, tx.Run)})
			}
		}
	}
	var all []KnownRun
	for _, k := range byID {
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b KnownRun) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(b.ID, a.ID))
	})
	return all
}

// transactions are all that the node knows, newest first, with what is under way.
func transactions(s *protocol.Status) []protocol.Transaction {
	var all []protocol.Transaction
	if s.Interrupted != nil {
		tx := *s.Interrupted
		tx.Outcome = OutcomeInterrupted
		all = append(all, tx)
	}
	if w := s.UnderWay; w != nil && (w.Op == protocol.OpApply || w.Op == protocol.OpRollback) {
		all = append(all, protocol.Transaction{Run: w.Run, Op: w.Op, Operator: w.Operator, At: w.Since, Outcome: OutcomeBusy})
	}
	return append(all, s.History...)
}

// learn takes what every transaction of the run tells of the whole.
func (k *KnownRun) learn(tx protocol.Transaction) {
	if tx.At.Before(k.Started) {
		k.Started = tx.At
	}
	k.Operator = cmp.Or(k.Operator, tx.Operator)
	// A run that undid itself on a node is an apply all the same.
	switch {
	case tx.Op == protocol.OpRollback && tx.Target != k.ID, tx.Op == "" && tx.Outcome == protocol.OutcomeRolledBack:
		k.Command, k.Target = string(protocol.OpRollback), cmp.Or(k.Target, tx.Target)
	case k.Command == "":
		k.Command = string(protocol.OpApply)
	}
	if tx.Op != protocol.OpRollback {
		k.Name = cmp.Or(k.Name, tx.Name)
	}
}

// Standing reports whether the change of an apply is in force on any node.
func (k KnownRun) Standing() bool {
	return k.Command == string(protocol.OpApply) && slices.ContainsFunc(k.Nodes, func(n KnownNode) bool { return n.Holds })
}

// AsTold is the record of run id with what the nodes tell of it: they know better
// than a record. old is nil when this machine has none. Nodes that could not be
// asked stay as they were in it. The notes say, a line each, where the record was wrong.
func AsTold(id string, old *Run, answers []Answer) (*Run, []string) {
	run := &Run{Schema: RunSchema, ID: id, Command: "apply"}
	if old != nil {
		*run = *old
		run.Nodes = slices.Clone(old.Nodes)
	}
	var notes []string
	index := make(map[string]int, len(run.Nodes))
	for i, n := range run.Nodes {
		index[n.Name] = i
	}
	for _, a := range answers {
		if a.Reply == nil || a.Reply.Status == nil {
			continue
		}
		i, recorded := index[a.Target.Name]
		holds := holds(a.Reply.Status, id)
		// What is under way or was left in the middle is undone as well.
		midway := atWorkOn(a.Reply.Status, id) || a.Reply.Status.Interrupted != nil && a.Reply.Status.Interrupted.Run == id
		if !recorded {
			if holds || midway {
				phase := Applied
				if midway {
					phase = Unknown
				}
				run.Nodes = append(run.Nodes, NodeRun{Name: a.Target.Name, ControlPlane: a.Target.ControlPlane, Phase: phase, Begun: time.Now()})
				run.learn(newest(a.Reply.Status, id))
			}
			continue
		}
		n := &run.Nodes[i]
		if holdsChange(*n) == holds || midway {
			switch {
			case holds:
				n.Phase = Applied
			case midway && !holdsChange(*n):
				n.Phase, n.Begun = Unknown, cmp.Or(n.Begun, time.Now())
			}
			continue
		}
		notes = append(notes, fmt.Sprintf("node %s: the record of run %s says %s, the node says %s", n.Name, id, n.Phase, Became(a.Reply.Status, id)))
		if n.Phase = Unchanged; holds {
			n.Phase, n.Begun = Applied, cmp.Or(n.Begun, time.Now())
		}
	}
	return run, notes
}

func (r *Run) learn(tx *protocol.Transaction) {
	if tx == nil {
		return
	}
	r.Name, r.Operator = cmp.Or(r.Name, tx.Name), cmp.Or(r.Operator, tx.Operator)
	if r.Started.IsZero() || tx.At.Before(r.Started) {
		r.Started = tx.At
	}
}

// Became says in a few words what became of a run on a node, by the node's own word.
func Became(s *protocol.Status, run string) string {
	tx := newest(s, run)
	switch {
	case atWorkOn(s, run):
		return "it is at work on it"
	case s.Interrupted != nil && s.Interrupted.Run == run:
		return "it was interrupted; apply and rollback settle it"
	case holds(s, run):
		return "it holds the change"
	case tx == nil:
		return "it holds nothing of it"
	case tx.Outcome == protocol.OutcomeRestored:
		return fmt.Sprintf("it put itself back at %s: %s", clock(tx.Ended), tx.Reason)
	}
	return "it was rolled back"
}

func atWorkOn(s *protocol.Status, run string) bool { return s.UnderWay != nil && s.UnderWay.Run == run }

// LostIn returns the newest of the records, newest first, that shares a node with
// the targets, and those of them that it could not ask at its end.
func LostIn(records []*Run, targets []Target) (*Run, []Target) {
	named := make(map[string]Target, len(targets))
	for _, t := range targets {
		named[t.Name] = t
	}
	for _, r := range records {
		var lost []Target
		shared := false
		for _, n := range r.Nodes {
			t, ok := named[n.Name]
			shared = shared || ok
			if ok && n.Phase == Lost {
				lost = append(lost, t)
			}
		}
		if shared {
			return r, lost
		}
	}
	return nil, nil
}
