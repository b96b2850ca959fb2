package fleet

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/api/v1alpha1"
)

func in(group string, n NodeState) NodeState { n.Group = group; return n }

func unready(n NodeState) NodeState { n.Unready = true; return n }

// TestNextOrder is about who goes with whom: groups, the control plane, and the
// nodes that are down already.
func TestNextOrder(t *testing.T) {
	zones := Policy{Canary: 1, WaveSize: 2, Groups: []string{"a", "b"}}
	first := Policy{Canary: 1, WaveSize: 2, ControlPlane: v1alpha1.ControlPlaneFirst}
	among := Policy{Canary: 1, WaveSize: 2, ControlPlane: v1alpha1.ControlPlaneWithWorkers}
	patient := Policy{Canary: 0, WaveSize: 2, FailureBudget: 9}
	cases := map[string]struct {
		nodes  []NodeState
		policy Policy
		want   Decision
	}{
		"the canary is of the first group": {
			nodes:  []NodeState{idle("n1", Pending), in("b", idle("b1", Pending)), in("a", idle("a1", Pending))},
			policy: zones,
			want:   Decision{Action: Start, Nodes: []string{"a1"}, Wave: 0},
		},
		"a wave does not mix groups, though it has room": {
			nodes:  []NodeState{in("b", idle("b1", Pending)), in("a", at("a1", 0, Applied)), in("a", idle("a2", Pending))},
			policy: zones,
			want:   Decision{Action: Start, Nodes: []string{"a2"}, Wave: 1},
		},
		"a group waits until the former one ended": {
			nodes:  []NodeState{in("b", idle("b1", Pending)), in("a", at("a1", 0, Applied)), in("a", at("a2", 1, Working))},
			policy: zones,
			want:   Decision{Action: Wait},
		},
		"the next group": {
			nodes:  []NodeState{in("b", idle("b1", Pending)), in("b", idle("b2", Pending)), in("a", at("a1", 0, Applied))},
			policy: zones,
			want:   Decision{Action: Start, Nodes: []string{"b1", "b2"}, Wave: 1},
		},
		"nodes in no group come last among the workers": {
			nodes:  []NodeState{idle("n1", Pending), control(in("a", idle("c1", Pending))), in("b", at("b1", 0, Applied))},
			policy: zones,
			want:   Decision{Action: Start, Nodes: []string{"n1"}, Wave: 1},
		},
		"a group that the policy does not name counts as none": {
			nodes:  []NodeState{in("z", idle("z1", Pending)), in("a", idle("a1", Pending))},
			policy: zones,
			want:   Decision{Action: Start, Nodes: []string{"a1"}, Wave: 0},
		},
		"nodes in no group come where the empty name stands": {
			nodes:  []NodeState{in("a", idle("a1", Pending)), idle("n1", Pending)},
			policy: Policy{WaveSize: 2, Groups: []string{"", "a"}},
			want:   Decision{Action: Start, Nodes: []string{"n1"}, Wave: 1},
		},
		"canaries of two groups go group by group": {
			nodes:  []NodeState{in("b", idle("b1", Pending)), in("a", idle("a1", Pending))},
			policy: Policy{Canary: 2, WaveSize: 2, Groups: []string{"a", "b"}},
			want:   Decision{Action: Start, Nodes: []string{"a1"}, Wave: 0},
		},
		"control-plane nodes keep to the groups among themselves": {
			nodes:  []NodeState{control(in("b", idle("c1", Pending))), control(in("a", idle("c2", Pending))), in("a", at("a1", 0, Applied))},
			policy: zones,
			want:   Decision{Action: Start, Nodes: []string{"c2"}, Wave: 1},
		},
		"an undo does not mix groups either": {
			nodes:  []NodeState{in("a", at("a1", 0, Applied)), in("a", at("a2", 1, Applied)), in("b", at("b1", 2, Applied)), in("b", at("b2", 2, Restored))},
			policy: Policy{Canary: 1, WaveSize: 2, Groups: []string{"a", "b"}, OnFailure: v1alpha1.RollbackRun},
			want:   Decision{Action: Undo, Nodes: []string{"b1"}, Reason: "1 node failed, the budget is 0"},
		},
		"control plane first: the canary is one of it": {
			nodes:  []NodeState{idle("w1", Pending), control(idle("c1", Pending)), control(idle("c2", Pending))},
			policy: first,
			want:   Decision{Action: Start, Nodes: []string{"c1"}, Wave: 0},
		},
		"control plane first: one by one, before any worker": {
			nodes:  []NodeState{idle("w1", Pending), control(at("c1", 0, Applied)), control(idle("c2", Pending)), control(idle("c3", Pending))},
			policy: first,
			want:   Decision{Action: Start, Nodes: []string{"c2"}, Wave: 1},
		},
		"control plane first: then the workers": {
			nodes:  []NodeState{idle("w1", Pending), idle("w2", Pending), control(at("c1", 0, Applied))},
			policy: first,
			want:   Decision{Action: Start, Nodes: []string{"w1", "w2"}, Wave: 1},
		},
		"control plane with workers: in its place": {
			nodes:  []NodeState{idle("w1", Pending), control(idle("c1", Pending)), idle("w2", Pending)},
			policy: Policy{WaveSize: 3, ControlPlane: v1alpha1.ControlPlaneWithWorkers},
			want:   Decision{Action: Start, Nodes: []string{"w1"}, Wave: 1},
		},
		"control plane with workers: alone all the same": {
			nodes:  []NodeState{at("w1", 0, Applied), control(idle("c1", Pending)), idle("w2", Pending)},
			policy: among,
			want:   Decision{Action: Start, Nodes: []string{"c1"}, Wave: 1},
		},
		"an unreachable node takes a place in the wave": {
			nodes:  []NodeState{idle("a", Unreachable), idle("b", Pending), idle("c", Pending)},
			policy: patient,
			want:   Decision{Action: Start, Nodes: []string{"b"}, Wave: 1},
		},
		"so does a broken one, a lost one, and one that is not Ready": {
			nodes:  []NodeState{at("a", 1, Broken), at("b", 2, Lost), unready(idle("c", Refused)), idle("d", Pending), idle("e", Pending)},
			policy: Policy{WaveSize: 4, FailureBudget: 9},
			want:   Decision{Action: Start, Nodes: []string{"d"}, Wave: 3},
		},
		"a refused or restored one serves": {
			nodes:  []NodeState{idle("a", Refused), at("b", 1, Restored), idle("c", Pending), idle("d", Pending)},
			policy: patient,
			want:   Decision{Action: Start, Nodes: []string{"c", "d"}, Wave: 2},
		},
		"no place is left": {
			nodes:  []NodeState{idle("a", Unreachable), idle("b", Unreachable), idle("c", Pending)},
			policy: patient,
			want:   Decision{Action: Finish, Outcome: FailedUnchanged, Reason: "2 nodes are down already and maxUnavailable is 2: no other may start"},
		},
		"no place is left in mid-run": {
			nodes:  []NodeState{at("a", 1, Applied), at("b", 2, Unreachable), idle("c", Pending)},
			policy: Policy{WaveSize: 1, FailureBudget: 1},
			want:   Decision{Action: Finish, Outcome: Partial, Reason: "1 node is down already and maxUnavailable is 1: no other may start"},
		},
		"a node that is down itself takes none away": {
			nodes:  []NodeState{unready(idle("a", Pending)), idle("b", Pending)},
			policy: Policy{WaveSize: 1},
			want:   Decision{Action: Start, Nodes: []string{"a"}, Wave: 1},
		},
		"a lost node is asked to undo though no place is left": {
			nodes:  []NodeState{at("a", 1, Applied), at("b", 2, Lost)},
			policy: Policy{WaveSize: 1, OnFailure: v1alpha1.RollbackRun},
			want:   Decision{Action: Undo, Nodes: []string{"b"}, Reason: "1 node failed, the budget is 0"},
		},
		"an undo takes no healthy node where no place is left": {
			nodes:  []NodeState{at("a", 1, Applied), at("b", 2, Broken)},
			policy: Policy{WaveSize: 1, OnFailure: v1alpha1.RollbackRun},
			want: Decision{Action: Finish, Outcome: RollbackFailed,
				Reason: "1 node failed, the budget is 0; 1 node is down already and maxUnavailable is 1, so 1 node is not undone"},
		},
		"a lost node is asked to undo before its turn, where a healthy one may not": {
			nodes:  []NodeState{at("a", 1, Lost), at("b", 1, Applied), at("c", 2, Broken)},
			policy: Policy{WaveSize: 2, FailureBudget: 1, OnFailure: v1alpha1.RollbackRun},
			want:   Decision{Action: Undo, Nodes: []string{"a"}, Reason: "2 nodes failed, the budget is 1"},
		},
		"an undo keeps to the places that are left": {
			nodes:  []NodeState{at("a", 1, Applied), at("b", 1, Applied), at("c", 1, Broken)},
			policy: Policy{WaveSize: 2, OnFailure: v1alpha1.RollbackRun},
			want:   Decision{Action: Undo, Nodes: []string{"b"}, Reason: "1 node failed, the budget is 0"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := Next(State{Nodes: tc.nodes}, tc.policy)
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("decision (-want +got):\n%s", d)
			}
		})
	}
}
