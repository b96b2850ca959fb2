package inventory

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFirstGroup(t *testing.T) {
	nodes := []Node{
		{Name: "n1", Groups: []string{"k8s_cluster", "zone_a"}},
		{Name: "n2", Groups: []string{"ssd", "zone_b"}},
		{Name: "n3", Groups: []string{"zone_a", "zone_b"}},
		{Name: "n4"},
	}
	cases := map[string]struct {
		groups     []string
		want       map[string]string
		text, hint string
	}{
		"no groups":                              {want: map[string]string{}},
		"each node in its group":                 {groups: []string{"zone_a", "zone_b"}, want: map[string]string{"n1": "zone_a", "n2": "zone_b", "n3": "zone_a"}},
		"of several the first that is listed":    {groups: []string{"zone_b", "zone_a"}, want: map[string]string{"n1": "zone_a", "n2": "zone_b", "n3": "zone_b"}},
		"one hidden by another is no mistake":    {groups: []string{"zone_b", "ssd", "zone_a"}, want: map[string]string{"n1": "zone_a", "n2": "zone_b", "n3": "zone_b"}},
		"a misspelt group is told":               {groups: []string{"zone_a", "zone-b"}, text: `no node is in group "zone-b"`, hint: `did you mean "zone_b"?`},
		"a group without nodes, nothing is near": {groups: []string{"rack-7"}, text: `no node is in group "rack-7"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := FirstGroup(nodes, tc.groups)
			var e *Error
			switch {
			case tc.text != "" && (!errors.As(err, &e) || e.Text != tc.text || e.Hint != tc.hint):
				t.Errorf("error %+v, want %q, %q", err, tc.text, tc.hint)
			case tc.text == "" && err != nil:
				t.Error(err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestEtcdIsControlPlane: whoever keeps the cluster's state goes one by one, also
// a worker with an etcd member on it, and a node of the cluster that is no worker.
func TestEtcdIsControlPlane(t *testing.T) {
	dir := write(t, map[string]string{"hosts.ini": `[kube_control_plane]
cp1
[etcd]
cp1
w1
e1
outside
[kube_node]
w1
w2
[k8s_cluster:children]
kube_control_plane
kube_node
[k8s_cluster]
e1
`})
	r, err := Load(context.Background(), dir+"/hosts.ini", builtIn())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, n := range r.Nodes {
		got[n.Name] = n.ControlPlane
	}
	if d := cmp.Diff(map[string]bool{"cp1": true, "w1": true, "e1": true, "w2": false}, got); d != "" {
		t.Error(d)
	}
}
