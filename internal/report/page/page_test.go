package page_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/report/page"
)

var made = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// hostile tries to end elements, attributes and strings, and to hide itself.
const hostile = "</script><script>alert(1)</script><!-- <b onmouseover=\"x\">\u202e{{.}}'`\x1b[2J\u2028"

func sample() *impact.Assessment {
	yes, no := true, false
	ok := impact.Endpoint{Registry: "192.168.21.9", URL: "http://192.168.21.9", Asked: true, OK: true, Images: 4, Has: 4}
	bad := impact.Endpoint{Registry: "192.168.21.9", URL: "http://192.168.21.9", Asked: true, Error: "connection refused", Fault: "unreachable"}
	return &impact.Assessment{
		Version: "v1.37.2", Nodes: 4, Pods: 30, Containers: 40, InQuestion: 3,
		Summary: impact.Counts{FailsNow: 1, FailsIfRestarted: 1, Safe: 1}, ByChange: impact.Counts{FailsNow: 1},
		Restarts:  impact.Restarts{Known: 3, Nodes: []string{"node1"}, Pods: 12},
		Endpoints: []impact.Endpoint{ok},
		Waves:     []impact.WaveImpact{{Wave: 0, Nodes: []string{"node1"}, Restarts: 1, Workloads: impact.Counts{FailsNow: 1}}, {Wave: 1, Nodes: []string{"node2", "node3"}}},
		NodeImpacts: []impact.NodeImpact{
			{Name: "node1", Restart: &yes, Why: "config_path is set for the first time", Ready: true, Pods: 12, Workloads: impact.Counts{FailsNow: 1}, Registries: []impact.Endpoint{bad}},
			{Name: "node2", Restart: &no, Ready: true, Pods: 9, Registries: []impact.Endpoint{ok}},
			{Name: "node3", Restart: &no, Ready: true, Pods: 9, Workloads: impact.Counts{Safe: 1}, Registries: []impact.Endpoint{ok}},
		},
		Workloads: []impact.Workload{
			{Namespace: "shop", Kind: "Deployment", Name: "web", Verdict: impact.FailsNow, Cause: impact.ByChange, Reason: "the registry has no such image", Do: "push it", Pods: 2, On: []string{"node1"}, OnNodes: 1,
				Images: []impact.Image{{Container: "app", Kind: "container", Ref: "192.168.21.9/shop/web:1.4", Policy: "Always", Verdict: impact.FailsNow, Nodes: 3, Lacking: 2, After: []string{"http://192.168.21.9"}}}},
			{Namespace: hostile, Kind: "Pod", Name: hostile, Verdict: impact.FailsIfRestarted, Cause: impact.Already, Reason: hostile, Do: hostile},
			{Namespace: "shop", Kind: "DaemonSet", Name: "agent", Verdict: impact.Safe, Reason: "its image is on every node"},
		},
		Gaps: []impact.Gap{{What: "list budgets", Why: hostile, Means: "no budget is known"}},
	}
}

func write(t *testing.T, a *impact.Assessment) string {
	t.Helper()
	var b bytes.Buffer
	if err := page.Write(&b, page.Page{Name: "default", Headline: "1 workload would be hurt", Made: made, Assessment: a}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestNothingOfTheirsIsMarkup parses the page as a browser does: hostile names change
// neither which elements there are, nor any attribute.
func TestNothingOfTheirsIsMarkup(t *testing.T) {
	elements := func(text string) (tags []string, scripts []string) {
		doc, err := html.Parse(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for n := range doc.Descendants() {
			if n.Type == html.ElementNode {
				tag := n.Data
				for _, a := range n.Attr {
					tag += " " + a.Key
					if a.Key == "src" || a.Key == "href" || strings.HasPrefix(a.Key, "on") {
						t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
					}
				}
				tags = append(tags, tag)
				if n.Data == "script" {
					scripts = append(scripts, n.FirstChild.Data)
				}
			}
		}
		return tags, scripts
	}
	tame := sample()
	w := &tame.Workloads[1]
	w.Namespace, w.Name, w.Reason, w.Do, tame.Gaps[0].Why = "a", "b", "c", "d", "e"
	want, _ := elements(write(t, tame))
	text := write(t, sample())
	got, scripts := elements(text)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("other elements than without hostile names:\n%s", strings.Join(got, "\n"))
	}
	if strings.ContainsAny(text, "\u202e\x1b") {
		t.Error("text that hides or turns what follows stands in the page")
	}
	if len(scripts) != 2 {
		t.Fatalf("%d scripts", len(scripts))
	}
	var back []impact.Workload
	if err := json.Unmarshal([]byte(scripts[0]), &back); err != nil {
		t.Fatalf("the data is not JSON: %v", err)
	}
	if len(back) != 3 || back[0].Name != "web" || !strings.HasPrefix(back[1].Name, "</script>") {
		t.Errorf("%+v", back)
	}
}

// TestMap: nodes that are alike are one row, and what a node was told stands in its cell.
func TestMap(t *testing.T) {
	text := write(t, sample())
	for _, want := range []string{"<summary>2 nodes</summary><p>node2, node3</p>", `<td class="cell bad">unreachable<small>connection refused</small></td>`,
		"yes: config_path is set for the first time", `<td class="cell ok">ok, 4 images</td>`, "this machine", "containerd restarts on 1 of the 3 nodes", "canary"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestOfNothing(t *testing.T) {
	text := write(t, &impact.Assessment{})
	if !strings.Contains(text, "No node was asked") || strings.Contains(text, "<no value>") {
		t.Error(text)
	}
}
