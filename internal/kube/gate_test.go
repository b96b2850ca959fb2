package kube

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestGate plays changes of one node in simulated time: what the API server has
// before, what happens during the change and after it, and how long it takes.
func TestGate(t *testing.T) {
	away := func(w http.ResponseWriter, _ *http.Request) bool {
		status(w, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
		return true
	}
	forbids := func(w http.ResponseWriter, _ *http.Request) bool {
		status(w, http.StatusForbidden, metav1.StatusReasonForbidden)
		return true
	}
	node := func(a *api) *corev1.Node { return &a.nodes[0] }
	cases := map[string]struct {
		restart, force bool
		before         func(a *api) // makes the server
		// waiting, during, later and latest happen while Before waits, at the
		// change, and 5 s and 11 s after it.
		waiting, during, later, latest func(a *api)
		deniedBefore, denied           string
		silent, silentBefore           string
		note                           string
		took, tookBefore               time.Duration
	}{
		"a change without a restart":                            {},
		"a change with a restart":                               {restart: true, took: 16 * time.Second},
		"not Ready before":                                      {before: func(a *api) { setReady(node(a), false) }, deniedBefore: "is not Ready: container runtime is down (KubeletNotReady)"},
		"not Ready before, by force":                            {restart: true, force: true, before: func(a *api) { setReady(node(a), false) }, note: "still not Ready"},
		"no Ready condition":                                    {before: func(a *api) { node(a).Status.Conditions = nil }, deniedBefore: "is not Ready: it has no Ready condition"},
		"not Ready at once afterwards":                          {during: func(a *api) { setReady(node(a), false) }, denied: "is not Ready after the change", took: 3 * time.Minute},
		"not Ready for a while":                                 {restart: true, during: func(a *api) { setReady(node(a), false) }, later: func(a *api) { setReady(node(a), true) }, took: 22 * time.Second},
		"the kubelet is late to tell":                           {restart: true, later: func(a *api) { setReady(node(a), false) }, denied: "is not Ready after the change", took: 3 * time.Minute},
		"Ready, not Ready, Ready":                               {restart: true, later: func(a *api) { setReady(node(a), false) }, latest: func(a *api) { setReady(node(a), true) }, took: 28 * time.Second},
		"a container was restarted":                             {restart: true, during: func(a *api) { a.pods[0] = kubePod("web-1", "n1", 1) }, denied: "took containers with it: app of pod default/web-1", took: 16 * time.Second},
		"which is told late":                                    {restart: true, later: func(a *api) { a.pods[0] = kubePod("web-1", "n1", 1) }, denied: "took containers with it", took: 16 * time.Second},
		"without a restart of containerd that is a coincidence": {during: func(a *api) { a.pods[0] = kubePod("web-1", "n1", 1) }, note: "restarted meanwhile"},
		"a budget that stays at zero":                           {restart: true, before: func(a *api) { a.budgets[0] = kubeBudget("web", 0) }, deniedBefore: "PodDisruptionBudget default/web", tookBefore: time.Minute},
		"a budget at zero for a while": {restart: true, before: func(a *api) { a.budgets[0] = kubeBudget("web", 0) },
			waiting: func(a *api) { a.budgets[0] = kubeBudget("web", 1) }, tookBefore: 6 * time.Second, took: 16 * time.Second},
		"a budget that its controller has not seen": {restart: true, before: func(a *api) { a.budgets[0].Generation = 2 }, deniedBefore: "PodDisruptionBudget default/web", tookBefore: time.Minute},
		"a budget at zero without a restart":        {before: func(a *api) { a.budgets[0] = kubeBudget("web", 0) }},
		"a budget of other pods": {restart: true, before: func(a *api) {
			a.budgets = []policyv1.PodDisruptionBudget{kubeBudget("web", 0)}
			a.budgets[0].Namespace = "x"
		}, took: 16 * time.Second},
		"a budget by force":                    {restart: true, force: true, before: func(a *api) { a.budgets[0] = kubeBudget("web", 0) }, took: 16 * time.Second},
		"cordoned":                             {before: func(a *api) { node(a).Spec.Unschedulable = true }},
		"the server is away before":            {before: func(a *api) { a.answer = away }, silentBefore: "Kubernetes: get node", tookBefore: 2 * time.Minute},
		"away for a while before":              {before: func(a *api) { a.answer = away }, waiting: func(a *api) { a.answer = nil }, tookBefore: 6 * time.Second},
		"the server goes away with the change": {during: func(a *api) { a.answer = away }, silent: "Kubernetes: get node", took: 3 * time.Minute},
		"and comes back":                       {during: func(a *api) { a.answer = away }, later: func(a *api) { a.answer = nil }, took: 6 * time.Second},
		"the right is gone before":             {before: func(a *api) { a.answer = forbids }, silentBefore: "Kubernetes: get node", tookBefore: 20 * time.Second},
		"the right is taken away":              {during: func(a *api) { a.answer = forbids }, silent: "Kubernetes: get node", took: 20 * time.Second},
		// kube-apiserver 1.37, for some tenths of a second after its start.
		"the server knows no rights yet": {during: func(a *api) { a.answer = away }, later: func(a *api) { a.answer = forbids },
			latest: func(a *api) { a.answer = nil }, took: 12 * time.Second},
		"the node is gone before":     {before: func(a *api) { a.nodes = nil }, deniedBefore: `Kubernetes node "n1" is gone`},
		"the node is gone afterwards": {during: func(a *api) { a.nodes = nil }, silent: "Kubernetes: get node"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &api{nodes: []corev1.Node{kubeNode("n1", true)}, pods: []corev1.Pod{kubePod("web-1", "n1", 0), kubePod("web-2", "n2", 0)},
					budgets: []policyv1.PodDisruptionBudget{kubeBudget("web", 1)}}
				g := gateOf(t, a, tc.force)
				time.Sleep(2 * sharedFor)
				happen := func(f func(*api)) {
					if f != nil {
						a.edit(func() { f(a) })
					}
				}
				happen(tc.before)
				begin := time.Now()
				soon := time.AfterFunc(5*time.Second, func() { happen(tc.waiting) })
				got := g.Before(t.Context(), "n1", tc.restart)
				soon.Stop()
				check(t, "before", got, tc.deniedBefore, tc.silentBefore)
				if took := time.Since(begin); took > tc.tookBefore || took < tc.tookBefore-Waiting.Every {
					t.Errorf("before took %s, want %s", took, tc.tookBefore)
				}
				if got.Denied || got.Silent {
					return
				}
				happen(tc.during)
				begin = time.Now()
				time.AfterFunc(5*time.Second, func() { happen(tc.later) })
				time.AfterFunc(11*time.Second, func() { happen(tc.latest) })
				got = g.After(t.Context(), "n1")
				check(t, "after", got, tc.denied, tc.silent)
				if took := time.Since(begin); took > tc.took || took < tc.took-Waiting.Every {
					t.Errorf("after took %s, want %s", took, tc.took)
				}
				if tc.note != "" && !strings.Contains(strings.Join(got.Notes, "\n"), tc.note) {
					t.Errorf("notes %q, want %q", got.Notes, tc.note)
				}
			})
		})
	}
}

func check(t *testing.T, when string, got Answer, denied, silent string) {
	t.Helper()
	if got.Denied != (denied != "") || got.Silent != (silent != "") || !strings.Contains(got.Reason, denied+silent) {
		t.Errorf("%s: %+v, want denied %q, silent %q", when, got, denied, silent)
	}
	if (got.Denied || got.Silent) && strings.ContainsAny(got.Reason, "\n\r") {
		t.Errorf("%s: more than a line: %q", when, got.Reason)
	}
}

func TestLookAheadDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{nodes: []corev1.Node{kubeNode("n1", true)}, pods: []corev1.Pod{kubePod("web-1", "n1", 0)}, budgets: []policyv1.PodDisruptionBudget{kubeBudget("web", 0)}}
		g, err := NewGate(t.Context(), a.cluster(), []Machine{{Name: "n1"}}, false)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if got := g.Before(t.Context(), "n1", true); !got.Denied || time.Since(begin) > 0 {
			t.Errorf("%+v after %s", got, time.Since(begin))
		}
	})
}

func TestMachinesThatAreNoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		twins := []corev1.Node{kubeNode("n1", true), kubeNode("twin-a", true), kubeNode("twin-b", true)}
		twins[1].Labels[corev1.LabelHostname], twins[2].Labels[corev1.LabelHostname] = "twin", "twin"
		a := &api{nodes: twins}
		g, err := NewGate(t.Context(), a.cluster(), []Machine{{Name: "new"}, {Name: "n1"}, {Name: "twin"}}, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Before(t.Context(), "new", true); got.Denied || got.Silent || len(got.Notes) != 1 {
			t.Errorf("new: %+v", got)
		}
		if got := g.After(t.Context(), "new"); got.Denied || got.Silent || len(got.Notes) != 1 {
			t.Errorf("new, after: %+v", got)
		}
		if got := g.Before(t.Context(), "twin", true); !got.Denied || got.Reason != "several Kubernetes nodes fit it: twin-a, twin-b" {
			t.Errorf("twin: %+v", got)
		}
		// After a crash of pullway nobody looked before.
		if got := g.After(t.Context(), "n1"); got.Denied || got.Silent || len(got.Notes) != 1 {
			t.Errorf("n1: %+v", got)
		}
	})
}

// TestReadingIsBounded: a wave of 8 nodes, each with 510 pods.
func TestReadingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{latency: 10 * time.Millisecond}
		for i := range 8 {
			name := fmt.Sprintf("n%d", i)
			a.nodes = append(a.nodes, kubeNode(name, true))
			for j := range 510 {
				a.pods = append(a.pods, kubePod(fmt.Sprintf("p%d-%d", i, j), name, 0))
			}
		}
		g := gateOf(t, a, false)
		time.Sleep(2 * sharedFor)
		a.requests = nil
		var wg sync.WaitGroup
		for _, n := range a.nodes {
			wg.Go(func() {
				if got := g.Before(t.Context(), n.Name, true); got.Denied || got.Silent {
					t.Errorf("%+v", got)
				}
			})
		}
		wg.Wait()
		if a.most > mostInFlight {
			t.Errorf("%d requests in flight", a.most)
		}
		budgets := 0
		for _, r := range a.requests {
			if !strings.HasPrefix(r, "GET ") {
				t.Errorf("it does not only read: %s", r)
			}
			if strings.Contains(r, "poddisruptionbudgets") {
				budgets++
			} else if strings.Contains(r, "pods") && (!strings.Contains(r, "limit=500") || !strings.Contains(r, "fieldSelector=spec.nodeName")) {
				t.Errorf("an unbounded request: %s", r)
			}
		}
		if pods := len(a.requests) - budgets - 8; pods != 2*8 || budgets > 5 {
			t.Errorf("%d requests for pods, %d for budgets", pods, budgets)
		}
	})
}

func TestTooMuchIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{nodes: []corev1.Node{kubeNode("n1", true)}}
		a.pods = slices.Repeat([]corev1.Pod{kubePod("p", "n1", 0)}, maxPods+1)
		_, err := a.cluster().pods(t.Context(), "n1")
		if err == nil || !strings.Contains(err.Error(), "more than 5000") {
			t.Error(err)
		}
	})
}

func TestTheEndOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{nodes: []corev1.Node{kubeNode("n1", true)}}
		g := gateOf(t, a, false)
		a.edit(func() { setReady(&a.nodes[0], false) })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		begin := time.Now()
		if got := g.After(ctx, "n1"); !got.Silent || time.Since(begin) > 3*time.Second {
			t.Errorf("%+v after %s", got, time.Since(begin))
		}
	})
}
