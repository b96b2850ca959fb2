package main

import (
	"strings"
	"testing"
	"time"
)

func TestGoals(t *testing.T) {
	for name, c := range map[string]struct {
		row  row
		want string
	}{
		"none":          {row{}, ""},
		"reached":       {compared("", "", 2*time.Second, "", time.Second, atMost(2, "")), "yes"},
		"missed":        {compared("", "", 2001*time.Millisecond, "", time.Second, atMost(2, "")), "**no**"},
		"fast enough":   {compared("", "", 8*time.Second, "", time.Second, atLeast(8, "")), "yes"},
		"not that fast": {compared("", "", 7*time.Second, "", time.Second, atLeast(8, "")), "**no**"},
	} {
		if got := c.row.reached(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTheMiddleOneCounts(t *testing.T) {
	s := samples{change: {{wall: 9}, {wall: 1, cpu: 7}, {wall: 0}}}
	if got := s.median(change); got.wall != 1 || got.cpu != 7 {
		t.Errorf("median of 9, 1, 0 is %+v", got)
	}
	if got := s.median(nothing); got != (cost{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestFiguresOfABenchmark(t *testing.T) {
	const line = fleetBenchmark + "-2 \t 1\t 2009 ns/op\t 0.5 cpu-s\t 1103 goroutines-max\t 40 heap-max-MB\t 30 saves\t 2.5 written-MB\n"
	got, err := figures("goos: linux\n" + line + strings.Replace(line, "0.5", "0.9", 1) + strings.Replace(line, "0.5", "0.7", 1) + "PASS\n")
	if err != nil || got["cpu-s"] != 0.7 || got["goroutines-max"] != 1103 || got["written-MB"] != 2.5 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := figures("PASS\n"); err == nil {
		t.Error("a benchmark that did not run is no error")
	}
}

func TestThePageHasARowForEachThing(t *testing.T) {
	b := &bench{options: options{nodes: 100, small: 10, rounds: 1, ansible: true}, whole: samples{}, few: samples{}}
	for _, of := range []thing{sshTrue, sshRestart, change, nothing, certs, ansibleChange, ansibleNothing, ansibleCerts} {
		b.whole[of], b.few[of] = []cost{{wall: time.Second}}, []cost{{wall: 100 * time.Millisecond}}
	}
	text := b.page().text()
	for _, want := range []string{"| change | ", "| ansible-change | ", "| memory | ", "| `apply`, first change | 10 ms | 10 ms | 1.00 | at most 1.1 | yes |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "fleet") {
		t.Errorf("what was not measured is in\n%s", text)
	}
}
