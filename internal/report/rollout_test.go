package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/fleet"
)

func TestRolloutText(t *testing.T) {
	node := func(name, group string, control bool) fleet.NodeState {
		return fleet.NodeState{Name: name, Group: group, ControlPlane: control, Phase: fleet.Pending}
	}
	zones := []fleet.NodeState{node("cp1", "", true), node("cp2", "", true), node("a1", "zone_a", false), node("a2", "zone_a", false), node("a3", "zone_a", false),
		node("a4", "zone_a", false), node("b1", "zone_b", false), node("b2", "zone_b", false), node("lone", "", false)}
	many := []fleet.NodeState{node("cp1", "", true)}
	for i := range 100 {
		many = append(many, node(fmt.Sprintf("w%03d", i), "", false))
	}
	mixed := []fleet.NodeState{}
	for i := range 10 {
		mixed = append(mixed, node(fmt.Sprintf("w%d", i), "", false), node(fmt.Sprintf("c%d", i), "", true))
	}
	gone := append([]fleet.NodeState{{Name: "x", Phase: fleet.Unreachable}}, zones...)
	for name, tc := range map[string]struct {
		nodes  []fleet.NodeState
		policy fleet.Policy
		want   string
	}{
		"one node":     {zones[:1], fleet.Policy{Canary: 1, WaveSize: 1, OnFailure: "stop"}, "Rollout: canary cp1.\n  nodes down at once: at most 1; failures tolerated: 0; on failure: stop.\n"},
		"nothing":      {nil, fleet.Policy{}, ""},
		"small":        {zones[2:5], fleet.Policy{Canary: 1, WaveSize: 1, OnFailure: "rollback-wave"}, "Rollout: canary a1, then 2 nodes one by one.\n  nodes down at once: at most 1; failures tolerated: 0; on failure: rollback-wave.\n"},
		"zones":        {zones, fleet.Policy{Canary: 1, WaveSize: 2, OnFailure: "rollback-wave", Groups: []string{"zone_a", "zone_b"}}, "Rollout: canary a1, then zone_a: 3 nodes in 2 waves of at most 2, then zone_b: b1, b2, then lone, then control plane one by one: cp1, cp2.\n  nodes down at once: at most 2; failures tolerated: 0; on failure: rollback-wave.\n"},
		"large":        {many, fleet.Policy{Canary: 2, WaveSize: 10, FailureBudget: 3, OnFailure: "rollback-run"}, "Rollout: canaries w000, w001, then 98 nodes in 10 waves of at most 10, then control plane: cp1.\n  nodes down at once: at most 10; failures tolerated: 3; on failure: rollback-run.\n"},
		"too many":     {gone, fleet.Policy{Canary: 1, WaveSize: 1}, "Rollout: no node would be started: 1 node failed, the budget is 0.\n"},
		"one is down":  {gone[:2], fleet.Policy{WaveSize: 2, FailureBudget: 1, OnFailure: "stop"}, "Rollout: control plane: cp1.\n  nodes down at once: at most 2 (1 already); failures tolerated: 1; on failure: stop.\n"},
		"a long story": {mixed, fleet.Policy{WaveSize: 1, OnFailure: "stop", ControlPlane: "with-workers"}, "Rollout: w0, then control plane: c0, then w1, then control plane: c1, then w2, then control plane: c2, then w3, then 13 legs more.\n  nodes down at once: at most 1; failures tolerated: 0; on failure: stop.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			NewRollout(fleet.State{Nodes: tc.nodes}, tc.policy).human(NewPrinter(&b, false))
			if b.String() != tc.want {
				t.Errorf("got\n%swant\n%s", b.String(), tc.want)
			}
		})
	}
}

func TestGateInViews(t *testing.T) {
	plan := NewPlan("default", "d", nil)
	var b strings.Builder
	out := NewPrinter(&b, false)
	plan.Human(out)
	out.gate("  ", "refused:", fleet.GateAnswer{Verdict: fleet.GateDeny, Reason: "not Ready", Hint: "repair it", Notes: []string{"cordoned"}})
	out.gates("  ", &fleet.GateRun{Before: &fleet.GateAnswer{Verdict: fleet.GatePass}, After: &fleet.GateAnswer{Verdict: fleet.GatePass}})
	out.gates("  ", &fleet.GateRun{Before: &fleet.GateAnswer{Verdict: fleet.GatePass}, After: &fleet.GateAnswer{Verdict: fleet.GateSilent, Reason: "connection refused", Hint: "is it up?"}})
	out.gates("  ", &fleet.GateRun{Before: &fleet.GateAnswer{Verdict: fleet.GateDeny, Reason: "is told as the node's error"}})
	out.gates("  ", nil)
	want := `Plan: 0 nodes to change (0 restarts of containerd), 0 as desired.
  refused: not Ready
    hint: repair it
  Kubernetes: cordoned
  Kubernetes: Ready, no container was restarted
  warning: connection refused
    hint: is it up?
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
