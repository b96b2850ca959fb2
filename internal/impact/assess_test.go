package impact

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// find is the workload of that name.
func find(t *testing.T, a *Assessment, name string) Workload {
	t.Helper()
	i := slices.IndexFunc(a.Workloads, func(w Workload) bool { return w.Name == name })
	if i < 0 {
		t.Fatalf("no workload %q", name)
	}
	return a.Workloads[i]
}

func TestExposures(t *testing.T) {
	high := func(t *Template) { t.Priority, t.Labels = 2_000_000_000, NewLabels(map[string]string{"app": "db"}) }
	s := newScene(2, app)
	db := s.owner("StatefulSet", "db")
	s.c.Owners[db].Replicas, s.c.Owners[db].Ready = 1, 1
	s.runs(db, s.template(app, Always, high), 0)
	web := s.owner("Deployment", "web")
	tm := s.template(app, Always)
	s.runs(web, tm, 0)
	s.runs(web, tm, 1)
	agent := s.owner("DaemonSet", "agent")
	s.runs(agent, tm, 0)
	s.runs(s.owner("Pod", "bare"), tm, 0)
	s.runs(s.owner("StaticPod", "etcd"), tm, 0)
	grows := s.owner("Deployment", "grows")
	s.runs(grows, tm, 0)
	s.c.Scalers = []Scaler{{Namespace: "prod", Name: "h", Kind: "Deployment", Target: "grows", Current: 1, Desired: 3, Max: 5}}
	s.c.Budgets = []Budget{
		{Namespace: "prod", Name: "db", Selector: Selector{Labels: NewLabels(map[string]string{"app": "db"})}},
		{Namespace: "elsewhere", Name: "all", Selector: Selector{}},
		{Namespace: "prod", Name: "nobody", Selector: Selector{None: true}},
	}
	a := s.assess()
	for name, want := range map[string]string{
		"db": "high-priority single-replica budget-exhausted", "web": "no-budget", "agent": "daemonset", "bare": "bare-pod no-budget",
		"etcd": "static-pod", "grows": "scaling-up single-replica no-budget",
	} {
		w := find(t, a, name)
		var got []string
		for _, e := range w.Exposed {
			got = append(got, string(e))
		}
		// The order is that of the text; what counts is which.
		slices.Sort(got)
		wanted := strings.Fields(want)
		if name == "bare" || name == "grows" {
			wanted = slices.DeleteFunc(wanted, func(s string) bool { return s == "no-budget" })
		}
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("%s: %v, want %v", name, got, wanted)
		}
	}
	if w := find(t, a, "db"); w.Budget != "db" || w.Priority != 2_000_000_000 {
		t.Errorf("%+v", w)
	}
	if w := find(t, a, "grows"); w.Verdict != FailsNow {
		t.Errorf("%+v", w)
	}
}

// TestOrderOfHarm: the worst first, by the change before already, the important and
// the exposed before the others.
func TestOrderOfHarm(t *testing.T) {
	s := newScene(3)
	always := s.template(app, Always)
	s.runs(s.owner("Deployment", "safe"), s.template(other, Always), 0)
	s.runs(s.owner("Deployment", "moved"), s.template("192.168.21.9/library/moved:1", IfNotPresent), 0)
	wide := s.owner("Deployment", "wide")
	for i := range 3 {
		s.runs(wide, always, int32(i))
	}
	s.runs(s.owner("Deployment", "single"), always, 0)
	s.runs(s.owner("Deployment", "important"), s.template(app, Always, func(t *Template) { t.Priority = 1000 }), 0)
	s.waits(s.owner("Deployment", "already"), s.template(other, Always), 0, Backoff)
	s.waits(s.owner("Deployment", "now"), always, 0, 0)
	a := s.assess()
	var got []string
	for _, w := range a.Workloads {
		got = append(got, w.Name)
	}
	if want := "now important single wide moved already safe"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if a.Summary != (Counts{FailsNow: 2, FailsIfRestarted: 3, FailsIfMoved: 1, Safe: 1}) || a.ByChange != (Counts{FailsNow: 1, FailsIfRestarted: 3, FailsIfMoved: 1, Safe: 1}) {
		t.Errorf("%+v, %+v", a.Summary, a.ByChange)
	}
}

// TestMachines: only the nodes of the inventory are in question, each node and wave
// is counted, and the restart of a drained node hurts nobody.
func TestMachines(t *testing.T) {
	s := newScene(5, app)
	always := s.template(app, Always)
	web := s.owner("Deployment", "web")
	for i := range 3 {
		s.runs(web, always, int32(i))
	}
	s.runs(s.owner("Deployment", "there"), always, 4) // n4 is not of the inventory
	s.runs(s.owner("DaemonSet", "agent"), always, 3)  // n3 is drained
	s.c.Nodes[3].Cordoned = true
	wired := []Wired{{Host: harbor, URLs: []string{"https://old.example.com"}}}
	s.ch.Machines = []Machine{
		{Name: "a", Node: 0, Wave: 0, Asked: true, Restart: true, Wired: wired},
		{Name: "b", Node: 1, Wave: 1, Asked: true, Wired: wired},
		{Name: "c", Node: 2, Wave: 1, Problem: "no route"},
		{Name: "d", Node: 3, Wave: 1, Asked: true, Restart: true, Wired: wired},
		{Name: "e", Node: -1, Wave: 2, Asked: true},
	}
	a := s.assess()
	if a.Nodes != 5 || a.InQuestion != 4 || a.Summary != (Counts{FailsIfRestarted: 2}) {
		t.Errorf("%d of %d, %+v", a.InQuestion, a.Nodes, a.Summary)
	}
	w := find(t, a, "web")
	if w.Pods != 3 || w.OnNodes != 3 || !cmp.Equal(w.On, []string{"n0", "n1", "n2"}) || !cmp.Equal(w.Images[0].Before, wired[0].URLs) || !cmp.Equal(w.Images[0].After, []string{endpoint}) {
		t.Errorf("%+v", w)
	}
	if a.OnRestart != 1 || a.Restarts.Known != 4-0 || !cmp.Equal(a.Restarts.Nodes, []string{"a", "d"}) || a.Restarts.Pods != 2 {
		t.Errorf("%d, %+v", a.OnRestart, a.Restarts)
	}
	drained := a.NodeImpacts[3]
	if !drained.Drained || drained.Workloads.Harmed() != 1 || a.NodeImpacts[2].Problem == "" || a.NodeImpacts[2].Restart != nil {
		t.Errorf("%+v, %+v", drained, a.NodeImpacts[2])
	}
	want := []WaveImpact{
		{Wave: 0, Nodes: []string{"a"}, Restarts: 1, Workloads: Counts{FailsIfRestarted: 1}},
		{Wave: 1, Nodes: []string{"b", "c", "d"}, Restarts: 1, Workloads: Counts{FailsIfRestarted: 2}},
		{Wave: 2, Nodes: []string{"e"}},
	}
	if d := cmp.Diff(want, a.Waves); d != "" {
		t.Error(d)
	}
}

// TestNodesAnswerDiffers: what a node itself was told counts there more than what
// the one who assesses was told.
func TestNodesAnswerDiffers(t *testing.T) {
	s := one(newScene(2, app).up(app), "Deployment", app, Always)
	machines(s)
	s.ch.Machines[0].Endpoints = []Endpoint{{Registry: harbor, URL: endpoint, Asked: true, Fault: "dns", Error: "no such host"}}
	if w := find(t, s.assess(), "web"); w.Verdict != FailsIfRestarted || !strings.Contains(w.Reason, "has a name that is not found") {
		t.Errorf("%+v", w)
	}
	s.ch.Machines[0].Endpoints[0] = Endpoint{Registry: harbor, URL: endpoint, Asked: true, OK: true}
	if w := find(t, s.assess(), "web"); w.Verdict != Safe {
		t.Errorf("%+v", w)
	}
}

// TestImagesOfTheNode: what CRI has is all there is, whatever the status says.
func TestImagesOfTheNode(t *testing.T) {
	s := one(newScene(2, app), "Deployment", app, IfNotPresent)
	machines(s)
	none := imageSet()
	s.ch.Machines[1].Images = &none
	a := s.assess()
	if w := find(t, a, "web"); w.Verdict != FailsIfMoved || w.Images[0].Lacking != 1 || w.Images[0].Unknown != 0 {
		t.Errorf("%+v", w)
	}
	want := []Need{{Image: app, Verdict: FailsIfMoved, Nodes: []string{"n1"}, Namespaces: []string{"prod"}}}
	if d := cmp.Diff(want, a.Needs()); d != "" {
		t.Error(d)
	}
}

func TestNeeds(t *testing.T) {
	s := newScene(3)
	s.runs(s.owner("Deployment", "web"), s.template(app, IfNotPresent, secrets), 0)
	s.waits(s.owner("DaemonSet", "agent"), s.template("192.168.21.9/library/agent:1", Always), 2, 0)
	s.runs(s.owner("Deployment", "never"), s.template("192.168.21.9/library/never:1", Never), 0)
	s.runs(s.owner("Deployment", "theirs"), s.template(other, Always), 0)
	want := []Need{
		{Image: "192.168.21.9/library/agent:1", Verdict: FailsNow, Nodes: []string{"n2"}, Always: true, Namespaces: []string{"prod"}},
		{Image: app, Verdict: FailsIfMoved, Nodes: []string{"n1", "n2"}, Namespaces: []string{"prod"}, PullSecrets: []string{"prod/harbor"}},
	}
	if d := cmp.Diff(want, s.assess().Needs()); d != "" {
		t.Error(d)
	}
}

func TestQuestions(t *testing.T) {
	s := newScene(1)
	s.ch.Desired.Registries[0].Fallback = "upstream"
	busy := s.owner("Deployment", "busy")
	tm := s.template("192.168.21.9/library/busy:1", Always)
	s.runs(s.owner("Deployment", "web"), s.template(app, Always), 0)
	s.runs(busy, tm, 0)
	s.runs(busy, tm, 0)
	s.runs(s.owner("Deployment", "theirs"), s.template(other, Always), 0)
	s.runs(s.owner("Deployment", "odd"), s.template("192.168.21.9/ODD", Always), 0)
	ask, left := Questions(&s.c, s.ch.Desired, 1)
	want := []Question{{harbor, endpoint, "192.168.21.9/library/busy:1"}, {harbor, "https://192.168.21.9", "192.168.21.9/library/busy:1"}}
	if d := cmp.Diff(want, ask); d != "" || left != 1 {
		t.Errorf("%d left, %s", left, d)
	}
}

// TestNoNodes: a cluster with zero nodes, and one whose nodes could not be listed.
func TestNoNodes(t *testing.T) {
	s := newScene(0)
	s.waits(s.owner("Deployment", "web"), s.template(app, Always), -1, 0)
	if a := s.assess(); a.Summary.All() != 0 || len(a.NodeImpacts) != 0 {
		t.Errorf("%+v", a)
	}
}

// TestOddNames: 10,000 containers whose images are anything are judged, and what is
// said of them is one printable line.
func TestOddNames(t *testing.T) {
	parts := []string{"192.168.21.9", "/", ":", "@", "sha256:", "library", "A", "\x1b[2J", "\n", "é", "..", " ", "latest", strings.Repeat("x", 300), "\xff", "[::1]:5000"}
	r := rand.New(rand.NewPCG(1, 2))
	s := newScene(2)
	for i := range 1000 {
		tm := s.template("", Always, func(t *Template) {
			t.Containers = nil
			for range 10 {
				image := ""
				for range r.IntN(6) {
					image += parts[r.IntN(len(parts))]
				}
				t.Containers = append(t.Containers, Container{Name: parts[r.IntN(len(parts))], Image: image, Policy: parts[r.IntN(len(parts))]})
			}
		})
		s.runs(s.owner("Deployment", fmt.Sprint("w", i)), tm, int32(i%2))
	}
	a := s.assess()
	if a.Containers != 10000 || a.Summary.All() != 1000 {
		t.Errorf("%d containers, %+v", a.Containers, a.Summary)
	}
	for _, w := range a.Workloads {
		for _, im := range w.Images {
			if strings.ContainsFunc(im.Reason+im.Do, func(c rune) bool { return !unicode.IsPrint(c) }) {
				t.Fatalf("%q, %q", im.Reason, im.Do)
			}
		}
	}
}
