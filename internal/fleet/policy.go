package fleet

import (
	"slices"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
)

// Policy is how carefully a run goes about it, in plain numbers: percentages
// are turned into counts before they get here.
type Policy struct {
	// Canary is the number of nodes that are changed first, alone. 0 means none.
	Canary int `json:"canary"`
	// WaveSize is maxUnavailable as a number of nodes: how many may be down at
	// once, those in flight (canaries and undos too) and those that are down
	// already: unreachable, broken, lost or not Ready. Less than 1 counts as 1.
	WaveSize int `json:"waveSize"`
	// FailureBudget is how many failed nodes are tolerated; one more stops the run.
	FailureBudget int `json:"failureBudget"`
	// OnFailure says what is put back when the run stops. Empty means rollback-wave.
	OnFailure v1alpha1.OnFailure `json:"onFailure"`
	// ConfirmWithin is how long a proven node waits for our confirmation before
	// it puts itself back.
	ConfirmWithin time.Duration `json:"confirmWithin"`
	// Groups are finished one after the other. The empty name stands for the nodes
	// in none of them; it comes last when it is not among them.
	Groups []string `json:"groups,omitempty"`
	// ControlPlane says when control-plane nodes go, one by one in any case. Empty
	// means last.
	ControlPlane v1alpha1.ControlPlaneOrder `json:"controlPlane,omitempty"`
}

// normal returns p with values out of range replaced by the careful ones.
func (p Policy) normal() Policy {
	p.Canary = max(p.Canary, 0)
	p.WaveSize = max(p.WaveSize, 1)
	p.FailureBudget = max(p.FailureBudget, 0)
	if p.OnFailure == "" {
		p.OnFailure = v1alpha1.RollbackWave
	}
	if p.ControlPlane == "" {
		p.ControlPlane = v1alpha1.ControlPlaneLast
	}
	return p
}

// groupOrder is Groups with the nodes in none of them in their place.
func (p Policy) groupOrder() []string {
	if slices.Contains(p.Groups, "") {
		return p.Groups
	}
	return append(slices.Clone(p.Groups), "")
}
