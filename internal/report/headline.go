package report

import (
	"fmt"

	"github.com/pullway/pullway/internal/impact"
)

// Headline is an assessment in some numbers, beside a plan.
type Headline struct {
	// Summary counts all workloads on the nodes, ByChange those that fail because of
	// the change; see Assess.
	Summary  impact.Counts `json:"summary"`
	ByChange impact.Counts `json:"byChange"`
	// OnRestart counts workloads that fail now or if restarted on a node whose
	// containerd restarts.
	OnRestart int `json:"onRestart"`
	// NotRead is how many lists of the cluster could not be read.
	NotRead int `json:"notRead,omitempty"`
	// Drained are nodes on which nobody is hurt.
	Drained []string `json:"drained,omitempty"`
}

// NewHeadline shortens an assessment.
func NewHeadline(a *impact.Assessment) *Headline {
	h := &Headline{Summary: a.Summary, ByChange: a.ByChange, OnRestart: a.OnRestart, NotRead: len(a.Gaps)}
	for _, n := range a.NodeImpacts {
		if n.Drained {
			h.Drained = append(h.Drained, n.Name)
		}
	}
	return h
}

func (h *Headline) human(out *Printer) {
	if h == nil {
		return
	}
	text := Assess{Assessment: &impact.Assessment{Summary: h.Summary, ByChange: h.ByChange}}.Headline()
	if h.ByChange.Harmed() > 0 {
		c := h.ByChange
		c.Safe = 0
		text += " Of them " + countsText(c) + "."
	}
	if h.OnRestart > 0 {
		text += fmt.Sprintf(" %s on nodes whose containerd restarts.", count(h.OnRestart, "workload"))
	}
	if len(h.Drained) > 0 {
		text += fmt.Sprintf(" Drained: %s.", names(h.Drained, 4))
	}
	if h.NotRead > 0 {
		text += fmt.Sprintf(" Not all could be looked at (%d gaps).", h.NotRead)
	}
	if h.Summary.Harmed()+h.NotRead > 0 {
		text += " pullway assess tells which, why, and what to do."
	}
	out.wrap("", text)
}
