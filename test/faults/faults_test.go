package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/failpoint/script"
)

const recording = `stage: before create /a
stage: after create /a
stage: before fsync /a
stage: after fsync /a
swap: before rename /a
swap: after rename /a
commit: before rename /var/lib/pullway/journal.json
commit: after rename /var/lib/pullway/journal.json
commit: before unlink /a
commit: after unlink /a
commit: before unlink /a
commit: after unlink /a
`

func read(t *testing.T) []Point {
	t.Helper()
	points, err := Points(recording)
	if err != nil {
		t.Fatal(err)
	}
	return points
}

func TestPoints(t *testing.T) {
	points := read(t)
	last := points[len(points)-1]
	if last.Pass != 2 || last.Index != 11 || last.Step() != "commit" || last.When() != "after" || last.Operation() != "unlink" || last.Path() != "/a" {
		t.Errorf("last point %+v", last)
	}
	if at := Committed(points); at != 7 {
		t.Errorf("committed from %d on, want 7", at)
	}
	for _, bad := range []string{"", "nonsense\n", "stage: during create /a\n"} {
		if _, err := Points(bad); err == nil {
			t.Errorf("%q is taken for a recording", bad)
		}
	}
}

// An error strikes each of the 12 points; the end and a freeze strike the first
// and each one after a call.
func TestAllStrikesEachMomentOnce(t *testing.T) {
	count := map[string]int{}
	for _, s := range All("x", read(t)) {
		count[s.Action]++
	}
	if diff := cmp.Diff(map[string]int{script.Error: 12, script.Kill: 7, script.Freeze: 7}, count); diff != "" {
		t.Error(diff)
	}
}

// A sample has every operation and every step with every action that they can
// have, is the same each time, and is smaller than the whole.
func TestSampleCoversEveryKind(t *testing.T) {
	all := append(All("x", read(t)), All("y", read(t))...)
	kinds := func(some []Strike) map[string]bool {
		m := map[string]bool{}
		for _, s := range some {
			m[s.When()+" "+s.Operation()+" "+s.Action], m[s.Step()+": "+s.Action] = true, true
		}
		return m
	}
	sample := Sample(all)
	if diff := cmp.Diff(kinds(all), kinds(sample)); diff != "" {
		t.Errorf("kinds that are missing:\n%s", diff)
	}
	if diff := cmp.Diff(sample, Sample(all)); diff != "" || len(sample) > len(all)/2 {
		t.Errorf("%d of %d, another one each time: %s", len(sample), len(all), diff)
	}
	scenarios := map[string]bool{}
	for _, s := range sample {
		scenarios[s.Scenario] = true
	}
	if len(scenarios) != 2 {
		t.Errorf("only %v are struck", scenarios)
	}
}

func TestJudge(t *testing.T) {
	at := func(index int, action string) Strike {
		return Strike{"x", Point{Index: index, Name: "swap: after rename /a"}, action}
	}
	cases := map[string]struct {
		r       Result
		watched bool
		ok      bool
	}{
		"undone":                      {Result{at(3, script.Error), Old, Old, Engine, 0}, false, true},
		"gone around":                 {Result{at(3, script.Error), New, New, Engine, 0}, false, true},
		"told otherwise":              {Result{at(3, script.Error), Old, New, Engine, 0}, false, false},
		"told the old one, it is new": {Result{at(3, script.Error), New, Old, Engine, 0}, false, false},
		"killed before the commit":    {Result{at(3, script.Kill), Old, "", Switch, time.Second}, true, true},
		"new without a word":          {Result{at(3, script.Kill), New, "", Switch, time.Second}, true, false},
		"lost after the commit":       {Result{at(8, script.Kill), Old, "", Switch, time.Second}, true, false},
		"the switch slept":            {Result{at(3, script.Kill), Old, "", Contact, time.Second}, true, false},
		"nothing watched yet":         {Result{at(3, script.Kill), Old, "", Contact, time.Second}, false, true},
		"too late":                    {Result{at(3, script.Freeze), Old, "", Switch, time.Minute}, true, false},
	}
	for name, tc := range cases {
		if err := Judge(tc.r, 7, tc.watched, 10*time.Second); (err == nil) != tc.ok {
			t.Errorf("%s: %v, want ok %v", name, err, tc.ok)
		}
	}
}

func TestPageCountsEveryStrikeOnce(t *testing.T) {
	p := Page{Scenarios: []Scenario{{"x", "1.7.35", "the first change", 12}}, Within: 3 * time.Second, Nodes: 4}
	for i, s := range All("x", read(t)) {
		r := Result{Strike: s, State: Old, Healer: Engine, Whole: time.Duration(i) * 100 * time.Millisecond}
		if s.Index >= 7 {
			r.State, r.Healer = New, Switch
		}
		p.Results = append(p.Results, r)
	}
	if want := "26 strikes at 12 points of 1 changes on containerd 1.7.35: every node ended whole, 15 in its old state and 11 in its new one."; p.Head() != want {
		t.Errorf("head %q\nwant %q", p.Head(), want)
	}
	if short := (Page{Scenarios: p.Scenarios, Results: p.Results, Planned: 30}).Head(); !strings.HasPrefix(short, "26 (of 30) strikes at") {
		t.Errorf("a run that was cut short says %q", short)
	}
	text := p.Markdown()
	for _, want := range []string{
		"| the first change | 1.7.35 | 12 | 26 | 15 | 11 |",
		"| stage | error | 4 | 4 | 0 | 4 | 0 | 0 |",
		"| commit | kill | 3 | 0 | 3 | 0 | 3 | 0 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not have %q:\n%s", want, text)
		}
	}
	if strings.Index(text, "| stage |") > strings.Index(text, "| swap |") || strings.Index(text, "| swap |") > strings.Index(text, "| commit |") {
		t.Error("the steps are not in their order")
	}
}
