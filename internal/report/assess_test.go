package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/pullway/pullway/internal/impact"
)

// manyWorkloads is an assessment with n workloads, hurt for one of some reasons.
func manyWorkloads(n int, name string) *impact.Assessment {
	a := &impact.Assessment{Version: "v1.37.2", Nodes: 5000, InQuestion: 5000, Pods: 15 * n}
	for i := range 12 {
		a.Endpoints = append(a.Endpoints, impact.Endpoint{Registry: fmt.Sprintf("r%d.example.com", i), URL: fmt.Sprintf("https://r%d.example.com", i), Asked: true, Error: name, Hint: name})
		a.Gaps = append(a.Gaps, impact.Gap{What: name, Why: name, Means: name, Hint: name})
		a.Waves = append(a.Waves, impact.WaveImpact{Wave: i, Nodes: []string{name}})
	}
	restart := true
	for i := range 200 {
		a.NodeImpacts = append(a.NodeImpacts, impact.NodeImpact{Name: name, Machine: name, Restart: &restart, Recreates: name, Cordoned: i%2 == 0, Drained: i%3 == 0, Problem: name})
		a.Restarts.Nodes = append(a.Restarts.Nodes, name)
		a.Restarts.Known++
	}
	for i := range n {
		v := impact.Verdicts[i%len(impact.Verdicts)]
		w := impact.Workload{Namespace: name, Kind: name, Name: name, Verdict: v, Cause: impact.ByChange, Rule: fmt.Sprintf("rule-%d", i%9), Reason: name, Pull: fmt.Sprint(i % 50), Do: name,
			Pods: 15, On: []string{name, name}, OnNodes: 15, Exposed: []impact.Exposure{impact.SingleReplica},
			Images: []impact.Image{{Ref: name, Verdict: v, Rule: fmt.Sprintf("rule-%d", i%9)}}}
		a.Workloads = append(a.Workloads, w)
		a.Summary.Add(v)
		a.ByChange.Add(v)
	}
	return a
}

// TestAssessFitsAScreen: 10 workloads and 10,000 take one screen, and each is there
// with --all.
func TestAssessFitsAScreen(t *testing.T) {
	const screen = 60
	for _, n := range []int{0, 10, 10000} {
		var out bytes.Buffer
		NewAssess("default", manyWorkloads(n, "web"), false).Human(NewPrinter(&out, false))
		if lines := strings.Count(out.String(), "\n"); lines > screen {
			t.Errorf("%d workloads take %d lines:\n%s", n, lines, out.String())
		}
		for line := range strings.Lines(out.String()) {
			if len(line) > 101 {
				t.Errorf("%d workloads: a line of %d: %s", n, len(line), line)
			}
		}
		var all bytes.Buffer
		NewAssess("default", manyWorkloads(n, "web"), true).Human(NewPrinter(&all, false))
		if got := strings.Count(all.String(), "web web/web"); got != n {
			t.Errorf("--all shows %d of %d", got, n)
		}
	}
}

// TestAssessOfHostileNames: names in a cluster are anybody's.
func TestAssessOfHostileNames(t *testing.T) {
	const hostile = "a\x1b[2J\r\n\x00\u202eb\u200bc\xff"
	for _, all := range []bool{true, false} {
		r := NewAssess(hostile, manyWorkloads(20, hostile), all)
		var human, js bytes.Buffer
		r.Human(NewPrinter(&human, false))
		for _, c := range human.String() {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Fatalf("%q is printed", c)
			}
		}
		if err := JSON(&js, r); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(js.String(), "\x1b\x00\u202e") || !json.Valid(js.Bytes()) {
			t.Error("JSON that drives a terminal, or none")
		}
	}
}

func TestSafeWorkloadsAreCountedAndNotListed(t *testing.T) {
	a := manyWorkloads(8, "web")
	r := NewAssess("default", a, false)
	if len(r.Workloads) != 6 || r.Summary.Safe != 2 || len(a.Workloads) != 8 {
		t.Errorf("%d listed, %+v, %d left", len(r.Workloads), r.Summary, len(a.Workloads))
	}
}

func TestHeadline(t *testing.T) {
	for name, tc := range map[string]struct {
		a    impact.Assessment
		want string
	}{
		"nothing there": {impact.Assessment{}, "Assess: no workload is on these nodes."},
		"all safe":      {impact.Assessment{Summary: impact.Counts{Safe: 3}, ByChange: impact.Counts{Safe: 3}}, "Assess: none of 3 workloads would be hurt by this change."},
		"some": {impact.Assessment{Summary: impact.Counts{FailsNow: 2, FailsIfMoved: 1, Safe: 3}, ByChange: impact.Counts{FailsIfMoved: 1, Safe: 3}},
			"Assess: 1 workload of 6 would be hurt by this change; 2 would not start without it either."},
	} {
		if got := NewAssess("x", &tc.a, false).Headline(); got != tc.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	var out bytes.Buffer
	h := NewHeadline(&impact.Assessment{Summary: impact.Counts{FailsIfRestarted: 1}, ByChange: impact.Counts{FailsIfRestarted: 1}, OnRestart: 1,
		NodeImpacts: []impact.NodeImpact{{Name: "n1", Drained: true}}, Gaps: make([]impact.Gap, 2)})
	h.human(NewPrinter(&out, false))
	for _, part := range []string{"1 fail if restarted", "1 workload on nodes whose containerd restarts", "Drained: n1", "2 gaps", "pullway assess"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), part) {
			t.Errorf("%q is not in %s", part, out.String())
		}
	}
}
