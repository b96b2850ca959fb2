package inventory

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFromNames(t *testing.T) {
	for spec, want := range map[string]string{
		"a,b":                        "a a 0 | b b 0",
		" a , ops@b:2222\n":          "a a 0 | b b 2222 ops",
		"node[01:03]":                "node01 node01 0 | node02 node02 0 | node03 node03 0",
		"r[a:c:2]-[1:2]":             "ra-1 ra-1 0 | ra-2 ra-2 0 | rc-1 rc-1 0 | rc-2 rc-2 0",
		"[fd00::1]:22,fd00::2":       "fd00::1 fd00::1 22 | fd00::2 fd00::2 0",
		"root@[fe80::1%eth0]:22":     "fe80::1%eth0 fe80::1%eth0 22 root",
		"[2001:db8:0:0:0:0:0:1]:22":  "2001:db8:0:0:0:0:0:1 2001:db8:0:0:0:0:0:1 22",
		"[fd00::3]":                  "fd00::3 fd00::3 0",
		"u@node[9:10].example.com:1": "node9.example.com node9.example.com 1 u | node10.example.com node10.example.com 1 u",
		"user@domain@host":           "host host 0 user@domain",
	} {
		nodes, err := FromNames(spec)
		var got []string
		for _, n := range nodes {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %d %s", n.Name, n.Host, n.Port, n.User)))
		}
		if diff := cmp.Diff(want, strings.Join(got, " | ")); diff != "" || err != nil {
			t.Errorf("%q: %v %s", spec, err, diff)
		}
	}
	for spec, want := range map[string]string{
		"": "no node", ",,": "no node", "a,a": "named twice", "@a": "empty user", "a:0": "port", "a:": "colon", "a b;c": "not a host", "-a": "not a host",
		"-x@a": "not a user", "n[1:99999]": "more than", "n[1:": "colon", "n[1": "not a host", "n[2:1]": "begin comes after", "n[1:2:0]": "step", "n[01:2]": "same number of digits", "n[a:2]": "two numbers or two letters", "héé": "not a host",
	} {
		if _, err := FromNames(spec); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want %q", spec, err, want)
		}
	}
}

func TestLimit(t *testing.T) {
	nodes := []Node{
		{Name: "cp1", Groups: []string{"k8s_cluster", "kube_control_plane"}},
		{Name: "node1", Groups: []string{"k8s_cluster", "kube_node", "zone-a"}},
		{Name: "node2", Groups: []string{"k8s_cluster", "kube_node", "zone-b"}},
		{Name: "node10", Groups: []string{"k8s_cluster", "kube_node", "zone-a"}},
		{Name: "2001:db8::1"},
	}
	for pattern, want := range map[string]string{
		"":                         "cp1 node1 node2 node10 2001:db8::1",
		"all":                      "cp1 node1 node2 node10 2001:db8::1",
		"*":                        "cp1 node1 node2 node10 2001:db8::1",
		"node2,node1":              "node1 node2",
		"node1:node2":              "node1 node2",
		"kube_node":                "node1 node2 node10",
		"kube_node:&zone-a":        "node1 node10",
		"kube_node:&zone-a:!node1": "node10",
		"!kube_node":               "cp1 2001:db8::1",
		"!cp1,kube_*":              "node1 node2 node10",
		"node*":                    "node1 node2 node10",
		"node[1:2]":                "node1 node2",
		"node[0-9]":                "node1 node2",
		"node?":                    "node1 node2",
		"kube_node[0]":             "node1",
		"kube_node[-1]":            "node10",
		"kube_node[1:]":            "node2 node10",
		"kube_node[0:1]":           "node1 node2",
		"node*[0]":                 "node1",
		"~node\\d$":                "node1 node2",
		"zone-[!a]":                "node2",
		"2001:db8::1":              "2001:db8::1",
		"2001:db8::1,cp1":          "cp1 2001:db8::1",
	} {
		got, err := Limit(nodes, pattern)
		if diff := cmp.Diff(want, strings.Join(names(got), " ")); diff != "" || err != nil {
			t.Errorf("%q: %v %s", pattern, err, diff)
		}
	}
	for pattern, want := range map[string]string{
		"node3":        `no node or group is called "node3"; did you mean "node1"?`,
		"kube-node":    `no node or group is called "kube-node"; did you mean "kube_node"?`,
		"xyz":          `no node or group is called "xyz"; `,
		"zzz*":         "no node or group is called",
		"all:!all":     "leaves no node",
		"kube_node[9]": "has only 3 nodes",
		"~(":           "not a regular expression",
		"node[":        "not a valid glob",
		"@file":        "files of limits are not read",
		"!":            "nothing behind it",
	} {
		_, err := Limit(nodes, pattern)
		e, _ := err.(*Error)
		if e == nil || !strings.Contains(e.Text+"; "+e.Hint, want) {
			t.Errorf("%q: error %v, want %q", pattern, err, want)
		}
	}
}

func TestLimitNeverInvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var nodes []Node
		for i := range rapid.IntRange(1, 8).Draw(t, "n") {
			nodes = append(nodes, Node{Name: fmt.Sprintf("n%d", i), Groups: []string{fmt.Sprintf("g%d", i%2)}})
		}
		p := rapid.StringOfN(rapid.RuneFrom([]rune("ng01*?[]:,!&~-")), 0, 12, -1).Draw(t, "pattern")
		got, err := Limit(nodes, p)
		last := -1
		for _, n := range got {
			i := strings.Index("01234567", n.Name[1:])
			if i <= last {
				t.Fatalf("order broken for %q: %v", p, names(got))
			}
			last = i
		}
		if (err == nil) != (len(got) > 0) {
			t.Fatalf("%q: %d nodes and error %v", p, len(got), err)
		}
	})
}
