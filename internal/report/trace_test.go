package report

import (
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/trace"
)

func TestTraceGroupsNodesThatSayTheSame(t *testing.T) {
	says := func(node string, took time.Duration, served bool) fleet.Answer {
		h := trace.Host{URL: "http://m.lan/v2", Capabilities: []string{"pull", "resolve"}, Answer: &trace.Answer{Took: took, Then: trace.ThenServes,
			Steps: []trace.Step{{Name: "manifest", Text: "200 \x1b[31mOK", Took: took}}}}
		v := &trace.Verdict{Served: served, Text: "a sentence"}
		if !served {
			h.Answer.Fault, h.Answer.Text, h.Answer.Then = "timeout", "no answer in time", trace.ThenFails
		}
		return fleet.Answer{Target: fleet.Target{Name: node}, Reply: &protocol.Reply{Trace: &trace.Trace{Image: "m.lan/a:v1", Release: "2.4.2", Pulls: "the transfer service pulls", Why: "the directory of m.lan", Hosts: []trace.Host{h}, Verdict: v}}}
	}
	tr := NewTrace("m.lan/a:v1", []fleet.Answer{
		says("node1", time.Millisecond, true), says("node2", 2*time.Second, true), says("node3", 10*time.Second, false),
		{Target: fleet.Target{Name: "node4"}, Err: &fleet.NodeError{Text: "cannot be reached"}},
	})
	if tr.Summary != (TraceSummary{Served: 2, NotServed: 1, Failed: 1}) {
		t.Errorf("%+v", tr.Summary)
	}
	var out strings.Builder
	tr.Human(NewPrinter(&out, false))
	text := out.String()
	at := 0
	for _, want := range []string{"node4  could not be asked", "node3  m.lan/a:v1", "10.0 s", "✗ no answer in time", "→ there is no further host", "└─ FAILS", "node1, node2  m.lan/a:v1", "200 ?[31mOK", "└─ SERVED", "Trace: 2 nodes served, 1 not served, 1 could not be asked."} {
		i := strings.Index(text[at:], want)
		if i < 0 {
			t.Fatalf("%q is not there, or not in its place:\n%s", want, text)
		}
		at += i
	}
	for line := range strings.Lines(text) {
		if n := len([]rune(line)); n > 100 || strings.HasSuffix(line, " \n") {
			t.Errorf("%d characters, or a blank at the end: %q", n, line)
		}
	}
}

// TestTraceDrawsContentAndPull: who names an image, who gives its layers, and what a
// pull showed.
func TestTraceDrawsContentAndPull(t *testing.T) {
	step := func(name, text string) []trace.Step {
		return []trace.Step{{Name: name, Text: text, Took: time.Millisecond}}
	}
	agrees, not := true, false
	tr := trace.Trace{Image: "m.lan/a:v1", Release: "2.4.2", Why: "the directory of m.lan", Verdict: &trace.Verdict{Served: true, Text: "a sentence"},
		Pull: &trace.Pull{Outcome: trace.Pulled, Agrees: &agrees, Text: "pulled in 90ms, as the trace says"},
		Hosts: []trace.Host{
			{URL: "http://a.lan/v2", Skipped: "it has not the capability resolve", Proxy: "http://proxy.lan:3128", Content: &trace.Answer{Then: trace.ThenServes, Steps: step("layer", "200 OK, first byte")}},
			{URL: "http://b.lan/v2", Answer: &trace.Answer{Then: trace.ThenServes, Steps: step("manifest", "200 OK")},
				Content: &trace.Answer{Fault: "missing-image", Text: "has not the layer sha256:1", Then: trace.ThenNext, Steps: step("layer", "404 Not Found")}},
		}}
	var out strings.Builder
	drawTrace(NewPrinter(&out, false), "node1", &tr)
	text := out.String()
	at := 0
	for _, want := range []string{"http://a.lan/v2  gives the layers", "by the proxy http://proxy.lan:3128", "layer       1.0 ms  200 OK, first byte", "http://b.lan/v2  no content", "manifest", "404 Not Found",
		"✗ has not the layer sha256:1", "→ containerd asks the next host for content", "├─ PULL AGREES", "│  pulled in 90ms, as the trace says", "└─ SERVED"} {
		i := strings.Index(text[at:], want)
		if i < 0 {
			t.Fatalf("%q is not there, or not in its place:\n%s", want, text)
		}
		at += i
	}
	tr.Pull.Agrees = &not
	all := Trace{}
	all.add(TraceNode{Name: "node1", Trace: &tr})
	if all.Summary.Disagree != 1 || all.Nodes[0].rank() != 1 {
		t.Errorf("%+v", all.Summary)
	}
	out.Reset()
	drawTrace(NewPrinter(&out, false), "node1", &tr)
	if !strings.Contains(out.String(), "PULL SHOWS OTHERWISE") {
		t.Error(out.String())
	}
}
