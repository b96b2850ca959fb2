package fleet

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/api/v1alpha1"
)

// at is a short way to write a node that was begun in wave w.
func at(name string, w int, p Phase) NodeState {
	return NodeState{Name: name, Phase: p, Begun: true, Wave: w}
}

func idle(name string, p Phase) NodeState { return NodeState{Name: name, Phase: p} }

func control(n NodeState) NodeState { n.ControlPlane = true; return n }

func undone(n NodeState) NodeState { n.Undo = true; return n }

func TestNext(t *testing.T) {
	wave2 := Policy{Canary: 1, WaveSize: 2}
	cases := map[string]struct {
		nodes  []NodeState
		stop   Stop
		policy Policy
		want   Decision
	}{
		"no nodes at all": {
			want: Decision{Action: Finish, Outcome: NothingToDo},
		},
		"every node is as desired": {
			nodes: []NodeState{idle("a", Unchanged), idle("b", Unchanged)},
			want:  Decision{Action: Finish, Outcome: NothingToDo},
		},
		"the canary is the first node with something to do": {
			nodes:  []NodeState{idle("a", Unchanged), idle("b", Pending), idle("c", Pending)},
			policy: wave2,
			want:   Decision{Action: Start, Nodes: []string{"b"}, Wave: 0},
		},
		"the canary is no control-plane node while there are workers": {
			nodes:  []NodeState{control(idle("cp", Pending)), idle("b", Pending)},
			policy: wave2,
			want:   Decision{Action: Start, Nodes: []string{"b"}, Wave: 0},
		},
		"nobody starts beside the canary": {
			nodes:  []NodeState{at("a", 0, Working), idle("b", Pending)},
			policy: wave2,
			want:   Decision{Action: Wait},
		},
		"several canaries keep to the wave size": {
			nodes:  []NodeState{idle("a", Pending), idle("b", Pending), idle("c", Pending), idle("d", Pending)},
			policy: Policy{Canary: 3, WaveSize: 2},
			want:   Decision{Action: Start, Nodes: []string{"a", "b"}, Wave: 0},
		},
		"the rest of the canaries before wave 1": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 0, Applied), idle("c", Pending), idle("d", Pending)},
			policy: Policy{Canary: 3, WaveSize: 2},
			want:   Decision{Action: Start, Nodes: []string{"c"}, Wave: 0},
		},
		"wave 1 after the canary": {
			nodes:  []NodeState{at("a", 0, Applied), idle("b", Pending), idle("c", Pending), idle("d", Pending)},
			policy: wave2,
			want:   Decision{Action: Start, Nodes: []string{"b", "c"}, Wave: 1},
		},
		"no canary: waves begin at 1": {
			nodes:  []NodeState{idle("a", Pending), idle("b", Pending)},
			policy: Policy{WaveSize: 1},
			want:   Decision{Action: Start, Nodes: []string{"a"}, Wave: 1},
		},
		"a wave size of nothing is one": {
			nodes: []NodeState{idle("a", Pending), idle("b", Pending)},
			want:  Decision{Action: Start, Nodes: []string{"a"}, Wave: 1},
		},
		"wave 2 waits for all of wave 1": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 1, Applied), at("c", 1, Working), idle("d", Pending)},
			policy: wave2,
			want:   Decision{Action: Wait},
		},
		"a node whose line broke holds the wave until it was asked": {
			nodes:  []NodeState{at("a", 0, Unknown), idle("b", Pending)},
			policy: wave2,
			want:   Decision{Action: Wait},
		},
		"workers fill the last wave, control plane waits": {
			nodes:  []NodeState{control(idle("cp", Pending)), at("a", 0, Applied), idle("b", Pending)},
			policy: wave2,
			want:   Decision{Action: Start, Nodes: []string{"b"}, Wave: 1},
		},
		"control plane one by one": {
			nodes:  []NodeState{control(idle("c1", Pending)), control(idle("c2", Pending)), at("a", 0, Applied)},
			policy: wave2,
			want:   Decision{Action: Start, Nodes: []string{"c1"}, Wave: 1},
		},
		"control-plane canaries one by one too": {
			nodes:  []NodeState{control(idle("c1", Pending)), control(idle("c2", Pending))},
			policy: Policy{Canary: 2, WaveSize: 2},
			want:   Decision{Action: Start, Nodes: []string{"c1"}, Wave: 0},
		},
		"all done": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 1, Applied), idle("c", Unchanged)},
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: Done},
		},
		"a node found unreachable while planning stops it before anything is touched": {
			nodes:  []NodeState{idle("a", Pending), idle("b", Unreachable)},
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: FailedUnchanged, Reason: "1 node failed, the budget is 0"},
		},
		"a refused one within the budget does not": {
			nodes:  []NodeState{idle("a", Refused), idle("b", Pending)},
			policy: Policy{Canary: 1, WaveSize: 2, FailureBudget: 1},
			want:   Decision{Action: Start, Nodes: []string{"b"}, Wave: 0},
		},
		"a failed canary stops it whatever the budget": {
			nodes:  []NodeState{at("a", 0, Restored), idle("b", Pending)},
			policy: Policy{Canary: 1, WaveSize: 2, FailureBudget: 9},
			want:   Decision{Action: Finish, Outcome: AllRolledBack, Reason: `canary node "a" failed`},
		},
		"a canary that refused changed nothing": {
			nodes:  []NodeState{at("a", 0, Refused), idle("b", Pending)},
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: FailedUnchanged, Reason: `canary node "a" failed`},
		},
		"over the budget waits for those in flight": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 1, Restored), at("c", 1, Working), idle("d", Pending)},
			policy: wave2,
			want:   Decision{Action: Wait},
		},
		"rollback-wave is the default and undoes this wave": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 1, Restored), at("c", 1, Applied), idle("d", Pending)},
			policy: wave2,
			want:   Decision{Action: Undo, Nodes: []string{"c"}, Reason: "1 node failed, the budget is 0"},
		},
		"rollback-wave leaves former waves": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 1, Restored), undone(at("c", 1, RolledBack)), idle("d", Pending)},
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: Partial, Reason: "1 node failed, the budget is 0"},
		},
		"rollback-node leaves the wave": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 1, Restored), at("c", 1, Applied)},
			policy: Policy{Canary: 1, WaveSize: 2, OnFailure: v1alpha1.RollbackNode},
			want:   Decision{Action: Finish, Outcome: Partial, Reason: "1 node failed, the budget is 0"},
		},
		"stop leaves it all": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 1, Broken), at("c", 1, Applied)},
			policy: Policy{Canary: 1, WaveSize: 2, OnFailure: v1alpha1.StopOnly},
			want:   Decision{Action: Finish, Outcome: RollbackFailed, Reason: "1 node failed, the budget is 0"},
		},
		"rollback-run undoes the last started first, in batches": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 1, Applied), at("c", 1, Applied), at("d", 2, Restored)},
			policy: Policy{Canary: 1, WaveSize: 2, OnFailure: v1alpha1.RollbackRun},
			want:   Decision{Action: Undo, Nodes: []string{"c", "b"}, Reason: "1 node failed, the budget is 0"},
		},
		"rollback-run undoes the control plane one by one": {
			nodes:  []NodeState{control(at("c1", 2, Applied)), control(at("c2", 3, Applied)), control(at("c3", 4, Restored)), at("a", 0, Applied)},
			policy: Policy{Canary: 1, WaveSize: 2, OnFailure: v1alpha1.RollbackRun},
			want:   Decision{Action: Undo, Nodes: []string{"c2"}, Reason: "1 node failed, the budget is 0"},
		},
		"a lost node is asked to undo once": {
			nodes:  []NodeState{at("a", 0, Lost), idle("b", Pending)},
			policy: wave2,
			want:   Decision{Action: Undo, Nodes: []string{"a"}, Reason: `canary node "a" failed`},
		},
		"a lost node that stays lost needs hands": {
			nodes:  []NodeState{undone(at("a", 0, Lost)), idle("b", Pending)},
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: RollbackFailed, Reason: `canary node "a" failed`},
		},
		"a lost node that was undone does not let the run go on": {
			nodes:  []NodeState{undone(at("a", 0, RolledBack)), idle("b", Pending)},
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: AllRolledBack, Reason: "undoing after a failure"},
		},
		"an undo that was refused needs hands": {
			nodes:  []NodeState{at("a", 0, Applied), undone(at("b", 1, Applied)), at("c", 1, Restored)},
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: RollbackFailed, Reason: "1 node failed, the budget is 0"},
		},
		"failures within the budget end as partial": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 1, Restored), at("c", 1, Applied)},
			policy: Policy{Canary: 1, WaveSize: 2, FailureBudget: 1},
			want:   Decision{Action: Finish, Outcome: Partial},
		},
		"asked to stop: those in flight end": {
			nodes:  []NodeState{at("a", 0, Working), idle("b", Pending)},
			stop:   StopSoon,
			policy: wave2,
			want:   Decision{Action: Wait},
		},
		"asked to stop: no more are started": {
			nodes:  []NodeState{at("a", 0, Applied), idle("b", Pending)},
			stop:   StopSoon,
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: Stopped, Reason: "stopped as asked"},
		},
		"asked to stop before the first": {
			nodes:  []NodeState{idle("a", Pending)},
			stop:   StopSoon,
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: FailedUnchanged, Reason: "stopped as asked"},
		},
		"asked to stop when all is done is done": {
			nodes:  []NodeState{at("a", 0, Applied)},
			stop:   StopSoon,
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: Done},
		},
		"asked to stop does not keep a failed wave from being undone": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 1, Restored), at("c", 1, Applied)},
			stop:   StopSoon,
			policy: wave2,
			want:   Decision{Action: Undo, Nodes: []string{"c"}, Reason: "1 node failed, the budget is 0"},
		},
		"asked twice: nothing more is undone": {
			nodes:  []NodeState{at("a", 0, Applied), at("b", 1, Restored), at("c", 1, Applied), idle("d", Pending)},
			stop:   StopNow,
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: Stopped, Reason: "1 node failed, the budget is 0"},
		},
		"a run that undoes another is done when all are rolled back": {
			nodes:  []NodeState{at("a", 0, RolledBack), at("b", 1, RolledBack), idle("c", Unchanged)},
			policy: wave2,
			want:   Decision{Action: Finish, Outcome: Done},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := Next(State{Nodes: tc.nodes, Stop: tc.stop}, tc.policy)
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("decision (-want +got):\n%s", d)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	want := map[Outcome]int{
		Done: 0, NothingToDo: 0, FailedUnchanged: 1, AllRolledBack: 4, RollbackFailed: 5, Partial: 6, Stopped: 6,
		"of a later release": 1,
	}
	for o, code := range want {
		if got := o.ExitCode(); got != code {
			t.Errorf("exit code of %q is %d, want %d", o, got, code)
		}
	}
}
