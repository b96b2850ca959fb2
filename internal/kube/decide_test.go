package kube

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func web(uid, name string, containers ...container) pod {
	return pod{Namespace: "default", Name: name, UID: uid, Labels: labels.Set{"app": "web"}, Containers: containers}
}

func budgetOf(name string, allowed int32) budget {
	return budget{Namespace: "default", Name: name, Selector: labels.SelectorFromSet(labels.Set{"app": "web"}), Allowed: allowed}
}

var (
	ready    = node{Name: "n1", Ready: true}
	notReady = node{Name: "n1", Why: "PLEG is not healthy (KubeletNotReady)"}
)

func TestBefore(t *testing.T) {
	const zero = "containerd restarts, and PodDisruptionBudget default/web allows no disruption now; it covers "
	finished := web("u9", "done")
	finished.Finished = true
	elsewhere := web("u8", "web-8")
	elsewhere.Namespace = "other"
	everything := budgetOf("web", 0)
	everything.Selector = labels.Everything()
	cases := map[string]struct {
		node           node
		pods           []pod
		budgets        []budget
		restart, force bool
		want           Answer
	}{
		"a node that is Ready":                          {node: ready},
		"one that is not is denied":                     {node: notReady, want: Answer{Denied: true, Unready: true, Reason: `Kubernetes node "n1" is not Ready: PLEG is not healthy (KubeletNotReady)`, Hint: "*"}},
		"by force it passes, and is told":               {node: notReady, force: true, want: Answer{Unready: true, Notes: []string{`passed over by --force: Kubernetes node "n1" is not Ready: PLEG is not healthy (KubeletNotReady)`}}},
		"a cordoned node is told":                       {node: node{Name: "n1", Ready: true, Cordoned: true}, want: Answer{Notes: []string{`Kubernetes node "n1" is cordoned: no new pods are placed on it`}}},
		"a budget at zero denies":                       {node: ready, pods: []pod{web("u1", "web-1")}, budgets: []budget{budgetOf("web", 0)}, restart: true, want: Answer{Denied: true, Reason: zero + "default/web-1 on this node", Hint: "*"}},
		"not without a restart":                         {node: ready, pods: []pod{web("u1", "web-1")}, budgets: []budget{budgetOf("web", 0)}},
		"not one above zero":                            {node: ready, pods: []pod{web("u1", "web-1")}, budgets: []budget{budgetOf("web", 1)}, restart: true},
		"not for pods of other nodes":                   {node: ready, pods: nil, budgets: []budget{budgetOf("web", 0)}, restart: true},
		"not for finished pods":                         {node: ready, pods: []pod{finished}, budgets: []budget{budgetOf("web", 0)}, restart: true},
		"not for other namespaces":                      {node: ready, pods: []pod{elsewhere}, budgets: []budget{budgetOf("web", 0)}, restart: true},
		"not for other labels":                          {node: ready, pods: []pod{{Namespace: "default", Name: "db"}}, budgets: []budget{budgetOf("web", 0)}, restart: true},
		"an empty selector covers all of its namespace": {node: ready, pods: []pod{{Namespace: "default", Name: "db"}}, budgets: []budget{everything}, restart: true, want: Answer{Denied: true, Reason: zero + "default/db on this node", Hint: "*"}},
		"below zero is zero":                            {node: ready, pods: []pod{web("u1", "web-1")}, budgets: []budget{budgetOf("web", -1)}, restart: true, want: Answer{Denied: true, Reason: zero + "default/web-1 on this node", Hint: "*"}},
		"many pods are cut short": {node: ready, pods: []pod{web("1", "w1"), web("2", "w2"), web("3", "w3"), web("4", "w4"), web("5", "w5")}, budgets: []budget{budgetOf("web", 0)}, restart: true,
			want: Answer{Denied: true, Reason: zero + "default/w1, default/w2, default/w3 and 2 more on this node", Hint: "*"}},
		"the first reason is told, each by force": {node: notReady, pods: []pod{web("u1", "web-1")}, budgets: []budget{budgetOf("web", 0)}, restart: true, force: true,
			want: Answer{Unready: true, Notes: []string{`passed over by --force: Kubernetes node "n1" is not Ready: PLEG is not healthy (KubeletNotReady)`, "passed over by --force: " + zero + "default/web-1 on this node"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			compare(t, before(tc.node, tc.pods, tc.budgets, tc.restart, tc.force), tc.want)
		})
	}
}

func TestAfter(t *testing.T) {
	old := container{Name: "app", ID: "containerd://a", Restarts: 0, Started: noon.Add(-time.Hour)}
	again := container{Name: "app", ID: "containerd://b", Restarts: 1, Started: noon.Add(time.Minute)}
	with := func(c container, f func(*container)) container { f(&c); return c }
	was := func(restart bool, cs ...container) *snapshot {
		return snapshotOf(noon, ready, []pod{web("u1", "web-1", cs...)}, restart)
	}
	const blame = "the restart of containerd took containers with it: app of pod default/web-1 (restarts 1, before 0)"
	const chance = "restarted meanwhile, not by the change: app of pod default/web-1 (restarts "
	cases := map[string]struct {
		was  *snapshot
		node node
		pods []pod
		want Answer
	}{
		"as it was":                             {was(true, old), ready, []pod{web("u1", "web-1", old)}, Answer{}},
		"not Ready":                             {was(true, old), notReady, []pod{web("u1", "web-1", old)}, Answer{Denied: true, Unready: true, Reason: `Kubernetes node "n1" is not Ready after the change: PLEG is not healthy (KubeletNotReady)`, Hint: "*"}},
		"not Ready as before, which was forced": {snapshotOf(noon, notReady, nil, true), notReady, nil, Answer{Unready: true, Notes: []string{`Kubernetes node "n1" is still not Ready: PLEG is not healthy (KubeletNotReady)`}}},
		"a container was restarted":             {was(true, old), ready, []pod{web("u1", "web-1", again)}, Answer{Denied: true, Reason: blame, Hint: "*"}},
		"a new container that is not counted":   {was(true, old), ready, []pod{web("u1", "web-1", with(again, func(c *container) { c.Restarts = 0 }))}, Answer{Denied: true, Reason: "the restart of containerd took containers with it: app of pod default/web-1 (restarts 0, before 0)", Hint: "*"}},
		"a count without a new container":       {was(true, old), ready, []pod{web("u1", "web-1", with(old, func(c *container) { c.Restarts = 1 }))}, Answer{Denied: true, Reason: blame, Hint: "*"}},
		"no containerd restart, no blame":       {was(false, old), ready, []pod{web("u1", "web-1", again)}, Answer{Notes: []string{chance + "1, before 0)"}}},
		"out of memory is nobody's doing":       {was(true, old), ready, []pod{web("u1", "web-1", with(again, func(c *container) { c.OOM = true }))}, Answer{Notes: []string{chance + "1, before 0)"}}},
		"it was crashing before": {was(true, with(old, func(c *container) { c.Restarts, c.Started = 7, noon.Add(-2*time.Minute) })), ready,
			[]pod{web("u1", "web-1", with(again, func(c *container) { c.Restarts = 8 }))}, Answer{Notes: []string{chance + "8, before 7)"}}},
		"it crashed long ago": {was(true, with(old, func(c *container) { c.Restarts = 7 })), ready,
			[]pod{web("u1", "web-1", with(again, func(c *container) { c.Restarts = 8 }))}, Answer{Denied: true, Reason: "the restart of containerd took containers with it: app of pod default/web-1 (restarts 8, before 7)", Hint: "*"}},
		"it did not run before":    {was(true, with(old, func(c *container) { c.Started = time.Time{} })), ready, []pod{web("u1", "web-1", again)}, Answer{Notes: []string{chance + "1, before 0)"}}},
		"it had never been made":   {was(true, container{Name: "app"}), ready, []pod{web("u1", "web-1", again)}, Answer{}},
		"the pod left":             {was(true, old), ready, nil, Answer{}},
		"another pod of its name":  {was(true, old), ready, []pod{web("u2", "web-1", again)}, Answer{}},
		"nobody looked before":     {nil, ready, []pod{web("u1", "web-1", again)}, Answer{Notes: []string{"nobody looked at the containers before the change, so whether it restarted one is not known"}}},
		"nobody looked, not Ready": {nil, notReady, nil, Answer{Denied: true, Unready: true, Reason: `Kubernetes node "n1" is not Ready after the change: PLEG is not healthy (KubeletNotReady)`, Hint: "*"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { compare(t, after(tc.was, tc.node, tc.pods), tc.want) })
	}
}

// compare takes "*" for any hint but none.
func compare(t *testing.T, got, want Answer) {
	t.Helper()
	if want.Hint == "*" && got.Hint != "" {
		got.Hint = "*"
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("answer (-want +got):\n%s", d)
	}
}

func TestMatch(t *testing.T) {
	nodes := []node{
		{Name: "node1", Hostname: "node1", IPs: []string{"192.0.2.1", "fd00::1"}},
		{Name: "ip-192-0-2-2.internal", Hostname: "node2", IPs: []string{"192.0.2.2"}},
		{Name: "k3", Hostname: "h3", IPs: []string{"192.0.2.3"}},
		{Name: "twin-a", Hostname: "twin", IPs: []string{"192.0.2.8"}},
		{Name: "twin-b", Hostname: "twin", IPs: []string{"192.0.2.9"}},
	}
	for name, tc := range map[string]struct {
		machine Machine
		want    matched
	}{
		"by name":                       {Machine{"node1", "10.0.0.1"}, matched{node: "node1"}},
		"by name, in other letters":     {Machine{"Node1", ""}, matched{node: "node1"}},
		"by the name it is reached at":  {Machine{"first", "node1"}, matched{node: "node1"}},
		"by label":                      {Machine{"node2", "203.0.113.2"}, matched{node: "ip-192-0-2-2.internal"}},
		"by address":                    {Machine{"third", "192.0.2.3"}, matched{node: "k3"}},
		"by IPv6 address":               {Machine{"first", "fd00::1"}, matched{node: "node1"}},
		"a name goes before an address": {Machine{"node1", "192.0.2.3"}, matched{node: "node1"}},
		"none":                          {Machine{"node9", "192.0.2.77"}, matched{}},
		"two are as bad as none":        {Machine{"twin", "192.0.2.77"}, matched{among: []string{"twin-a", "twin-b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := match([]Machine{tc.machine, {"k3x", "h3"}}, nodes)
			if tc.want.node == "k3" {
				got, err = match([]Machine{tc.machine}, nodes)
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got[tc.machine.Name], cmp.AllowUnexported(matched{})); d != "" {
				t.Error(d)
			}
		})
	}
	for name, tc := range map[string]struct {
		machines []Machine
		want     string
	}{
		"two machines of one node": {[]Machine{{"a", "192.0.2.3"}, {"k3", ""}}, `nodes "a" and "k3" are both node "k3" of the cluster`},
		"another cluster":          {[]Machine{{"x", "y"}}, "the cluster knows none of the 1 nodes; it has node1, ip-192-0-2-2.internal, k3 and 2 more"},
	} {
		if _, err := match(tc.machines, nodes); err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
	if _, err := match([]Machine{{"x", "y"}}, nil); err == nil || err.Error() != "the cluster knows none of the 1 nodes; it has no nodes" {
		t.Error(err)
	}
}
