package fleet

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/api/v1alpha1"
)

// TestForecastIsWhatNextDoes lets Next lead a run in which all goes well.
func TestForecastIsWhatNextDoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPolicy(rt)
		p.FailureBudget = rapid.IntRange(0, 20).Draw(rt, "failures")
		s := State{Nodes: drawNodes(rt)}
		untouched := fmt.Sprint(s)
		got, why := Forecast(s, p)
		if fmt.Sprint(s) != untouched {
			rt.Fatal("the state was changed")
		}
		var want []Coming
		wantWhy := ""
		for {
			d := Next(s, p)
			if d.Action != Start {
				if len(want) == 0 {
					wantWhy = d.Reason
				}
				break
			}
			c := Coming{Wave: d.Wave, Nodes: d.Nodes}
			for i := range s.Nodes {
				for _, name := range d.Nodes {
					if n := &s.Nodes[i]; n.Name == name {
						c.Group, c.ControlPlane = n.Group, n.ControlPlane
						n.Phase, n.Begun, n.Wave, n.Unready = Applied, true, d.Wave, false
					}
				}
			}
			want = append(want, c)
		}
		for i := range want { // a group that the policy does not name is part of the rest
			want[i].Group, got[i].Group = "", ""
		}
		if d := cmp.Diff(want, got); d != "" || why != wantWhy {
			rt.Fatalf("%q, want %q (-want +got):\n%s", why, wantWhy, d)
		}
	})
}

func TestForecastReason(t *testing.T) {
	for name, tc := range map[string]struct {
		nodes []NodeState
		want  string
	}{
		"nothing to do":       {[]NodeState{idle("a", Unchanged)}, ""},
		"too many failed":     {[]NodeState{idle("a", Pending), idle("b", Refused), idle("c", Refused)}, "2 nodes failed, the budget is 1"},
		"too many are down":   {[]NodeState{idle("a", Pending), idle("b", Unreachable)}, "1 node is down already and maxUnavailable is 1: no other may start"},
		"no node was planned": {nil, ""},
	} {
		coming, why := Forecast(State{Nodes: tc.nodes}, Policy{FailureBudget: 1})
		if len(coming) > 0 || why != tc.want {
			t.Errorf("%s: %v, %q, want %q", name, coming, why, tc.want)
		}
	}
}

// TestForecastNamesGroups: of the policy's groups only.
func TestForecastNamesGroups(t *testing.T) {
	s := State{Nodes: []NodeState{in("z", idle("w1", Pending)), in("a", idle("w2", Pending)), control(idle("c1", Pending))}}
	got, _ := Forecast(s, Policy{Canary: 1, WaveSize: 1, Groups: []string{"a"}, ControlPlane: v1alpha1.ControlPlaneFirst})
	want := []Coming{
		{Wave: 0, ControlPlane: true, Nodes: []string{"c1"}},
		{Wave: 1, Group: "a", Nodes: []string{"w2"}},
		{Wave: 2, Nodes: []string{"w1"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
