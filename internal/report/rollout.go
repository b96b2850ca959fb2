package report

import (
	"fmt"
	"strings"

	"github.com/pullway/pullway/internal/fleet"
)

// Rollout is how a run would go about it.
type Rollout struct {
	// MaxUnavailable is how many nodes may be down at once, and Down how many are.
	MaxUnavailable int `json:"maxUnavailable"`
	Down           int `json:"down,omitempty"`
	FailureBudget  int `json:"failureBudget"`
	// OnFailure as in the specification.
	OnFailure string `json:"onFailure"`
	// Waves in their order; nodes of one wave go together.
	Waves []fleet.Coming `json:"waves,omitempty"`
	// Reason why no node would be started.
	Reason string `json:"reason,omitempty"`
}

// NewRollout foretells a run. It is nil when there is nothing to do.
func NewRollout(s fleet.State, p fleet.Policy) *Rollout {
	waves, why := fleet.Forecast(s, p)
	if len(waves) == 0 && why == "" {
		return nil
	}
	return &Rollout{MaxUnavailable: p.WaveSize, Down: s.Down(), FailureBudget: p.FailureBudget, OnFailure: string(p.OnFailure), Waves: waves, Reason: why}
}

// human writes it in two lines.
func (r *Rollout) human(out *Printer) {
	switch {
	case r == nil:
		return
	case len(r.Waves) == 0:
		out.line("Rollout: no node would be started: %s.", r.Reason)
		return
	}
	out.line("Rollout: %s.", strings.Join(r.legs(), ", then "))
	down := ""
	if r.Down > 0 {
		down = fmt.Sprintf(" (%d already)", r.Down)
	}
	out.line("  nodes down at once: at most %d%s; failures tolerated: %d; on failure: %s.", r.MaxUnavailable, down, r.FailureBudget, r.OnFailure)
}

// maxLegs is how many legs of a rollout are told.
const maxLegs = 8

// legs joins waves of one kind: the canaries, each group, the control plane.
func (r *Rollout) legs() []string {
	var legs []string
	for i := 0; i < len(r.Waves); {
		first, end := r.Waves[i], i
		var nodes []string
		most := 0
		for ; end < len(r.Waves) && sameLeg(first, r.Waves[end]); end++ {
			nodes = append(nodes, r.Waves[end].Nodes...)
			most = max(most, len(r.Waves[end].Nodes))
		}
		legs = append(legs, legText(first, nodes, end-i, most))
		i = end
	}
	if len(legs) > maxLegs {
		legs = append(legs[:maxLegs-1], fmt.Sprintf("%d legs more", len(legs)-maxLegs+1))
	}
	return legs
}

func sameLeg(a, b fleet.Coming) bool {
	canary := a.Wave == 0
	return canary == (b.Wave == 0) && (canary || a.ControlPlane == b.ControlPlane && (a.ControlPlane || a.Group == b.Group))
}

func legText(first fleet.Coming, nodes []string, waves, most int) string {
	group := ""
	if first.Group != "" {
		group = first.Group + ": "
	}
	switch {
	case first.Wave == 0 && len(nodes) == 1:
		return "canary " + names(nodes, 8)
	case first.Wave == 0:
		return "canaries " + names(nodes, 8)
	case first.ControlPlane && len(nodes) == 1:
		return "control plane: " + nodes[0]
	case first.ControlPlane:
		return "control plane one by one: " + names(nodes, 8)
	case waves == 1:
		return group + names(nodes, 8)
	case most == 1:
		return fmt.Sprintf("%s%s one by one", group, count(len(nodes), "node"))
	}
	return fmt.Sprintf("%s%s in %d waves of at most %d", group, count(len(nodes), "node"), waves, most)
}
