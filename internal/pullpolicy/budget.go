package pullpolicy

import (
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
)

// Budget is what is looked at of a PodDisruptionBudget.
type Budget struct {
	Namespace, Name string
	Selector        labels.Selector
	// Allowed disruptions right now.
	Allowed int
}

// Held says why the budgets forbid to replace the pods of w now: a rollout passes
// by every budget, so that it is held to them here. Empty when they allow it.
func Held(w Workload, budgets []Budget) string {
	if w.Template == nil || !w.Rollout.Restarts {
		return ""
	}
	need := min(w.Rollout.Down, max(1, w.Rollout.Pods))
	for _, b := range budgets {
		if b.Namespace == w.Namespace && b.Selector.Matches(labels.Set(w.Template.Labels)) && b.Allowed < need {
			return fmt.Sprintf("PodDisruptionBudget %s/%s allows %s now, and the rollout takes up to %d away at once", b.Namespace, b.Name, disruptions(b.Allowed), need)
		}
	}
	return ""
}

func disruptions(n int) string {
	switch n {
	case 0:
		return "no disruption"
	case 1:
		return "1 disruption"
	}
	return fmt.Sprintf("%d disruptions", n)
}
