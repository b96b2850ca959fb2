package report

import (
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// The schemas of the results that ask every node one thing.
const (
	VerifySchema  = "pullway.dev/verify/v1"
	StatusSchema  = "pullway.dev/status/v1"
	HistorySchema = "pullway.dev/history/v1"
)

// Verify is the result of `pullway verify`.
type Verify struct {
	Schema string       `json:"schema"`
	Nodes  []VerifyNode `json:"nodes"`
}

// VerifyNode is what the proving pulls on one node showed.
type VerifyNode struct {
	Name   string           `json:"name"`
	Proofs []protocol.Proof `json:"proofs,omitempty"`
	Error  *fleet.NodeError `json:"error,omitempty"`
}

// NewVerify makes the result of a fleet's answers.
func NewVerify(answers []fleet.Answer) Verify {
	v := Verify{Schema: VerifySchema}
	for _, a := range answers {
		n := VerifyNode{Name: a.Target.Name, Error: a.Err}
		if a.Reply != nil {
			n.Proofs = a.Reply.Proofs
		}
		v.Nodes = append(v.Nodes, n)
	}
	return v
}

// OK reports whether every image was pulled on every node.
func (v Verify) OK() bool {
	for _, n := range v.Nodes {
		if n.Error != nil {
			return false
		}
		for _, p := range n.Proofs {
			if !p.OK {
				return false
			}
		}
	}
	return true
}

// Human writes a line for each image on each node.
func (v Verify) Human(out *Printer) {
	bad, traced := 0, ""
	for _, n := range v.Nodes {
		out.line("%s", out.paint(bold, n.Name))
		failed := n.Error != nil
		if n.Error != nil {
			out.line("  %s %s", out.paint(red, "error:"), n.Error.Text)
			out.hint("  ", n.Error.Hint)
		}
		for _, p := range n.Proofs {
			out.proof("  ", p)
			failed = failed || !p.OK
			if traced == "" && p.Why != nil {
				traced = p.Image
			}
		}
		if failed {
			bad++
		}
	}
	if bad == 0 {
		out.line("%s", out.paint(green, "Every image was pulled on "+count(len(v.Nodes), "node")+" through the configured endpoints only."))
		return
	}
	out.line("%s", out.paint(red, count(bad, "node")+" of "+count(len(v.Nodes), "node")+" cannot pull."))
	if traced != "" {
		out.line("  host by host, as a node is configured: pullway trace %s", traced)
	}
}

// Status is the result of `pullway status`.
type Status struct {
	Schema string       `json:"schema"`
	Nodes  []StatusNode `json:"nodes"`
	// Summary counts the nodes.
	Summary StatusSummary `json:"summary"`
	// Each shows every node by itself, not those that are alike together.
	Each bool `json:"-"`
}

// StatusNode is what one node knows of itself.
type StatusNode struct {
	Name   string           `json:"name"`
	Status *protocol.Status `json:"status,omitempty"`
	Error  *fleet.NodeError `json:"error,omitempty"`
	// Stale are host directories that Kubespray wrote and its variables name no
	// more; only with --kubespray. VariablesUnknown says why they could not be told.
	Stale            []plan.Stale `json:"stale,omitempty"`
	VariablesUnknown string       `json:"variablesUnknown,omitempty"`
}

// Named gives the host directories that Kubespray's variables name for a node.
type Named func(node string) ([]string, error)

// stale compares what others wrote on a node with the variables.
func (named Named) stale(node string, s *protocol.Status) (all []plan.Stale, unknown string) {
	if named == nil || s == nil {
		return nil, ""
	}
	names, err := named(node)
	if err != nil {
		return nil, err.Error()
	}
	return plan.StaleOf(s.Kept, names), ""
}

// NewStatus makes the result of a fleet's answers. named is nil when no variables
// are compared.
func NewStatus(answers []fleet.Answer, named Named) Status {
	s := Status{Schema: StatusSchema}
	for _, a := range answers {
		n := StatusNode{Name: a.Target.Name, Error: a.Err}
		if a.Reply != nil {
			n.Status = a.Reply.Status
		}
		n.Stale, n.VariablesUnknown = named.stale(n.Name, n.Status)
		s.Nodes = append(s.Nodes, n)
		s.Summary.count(n)
	}
	return s
}
