package main

import (
	"strings"
	"testing"
	"time"
)

func TestMerge(t *testing.T) {
	const nodes, assess = "# Benchmarks\n\nnodes\n", assessTitle + "\nassess\n"
	const trace = traceTitle + "\ntrace\n"
	if got, want := merge(nodes+"\n"+assess, parts{trace: trace}), nodes+"\n"+trace+"\n"+assess; got != want {
		t.Errorf("trace anew:\n%s\nwant\n%s", got, want)
	}
	if got, want := merge(nodes+"\n"+trace+"\n"+assess, parts{nodes: "# New\n"}), "# New\n\n"+trace+"\n"+assess; got != want {
		t.Errorf("trace stays:\n%s\nwant\n%s", got, want)
	}
	for _, tc := range []struct{ name, page, nodes, assess, want string }{
		{"the first page", "", nodes, "", nodes},
		{"both anew", "old", nodes, assess, nodes + "\n" + assess},
		{"a part that was not there", nodes, "", assess, nodes + "\n" + assess},
		{"nodes anew", "# Benchmarks\n\nold\n\n" + assess, nodes, "", nodes + "\n" + assess},
		{"assess anew", nodes + "\n" + assessTitle + "\nold\n", "", assess, nodes + "\n" + assess},
		{"assess alone", "", "", assess, "# Benchmarks\n\n" + assess},
	} {
		if got := merge(tc.page, parts{nodes: tc.nodes, assess: tc.assess}); got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
}

// size is a crowd of which everything takes so long for each pod.
func size(nodes int, list, ours time.Duration, kib int64) crowdSize {
	c := crowdSize{nodes: nodes, samples: samples{}}
	for _, off := range []time.Duration{0, 9, -9} { // the middle one counts
		c.samples[listPods] = append(c.samples[listPods], cost{wall: list*time.Duration(c.pods()) + off, memory: 1 << 10})
		c.samples[assess] = append(c.samples[assess], cost{wall: ours*time.Duration(c.pods()) + off, memory: kib + int64(off)})
	}
	return c
}

func TestAssessPart(t *testing.T) {
	const us, mb = time.Microsecond, int64(1 << 10)
	a := assessPart{rounds: 3, left: "there is no jq", sizes: []crowdSize{size(50, 100*us, 300*us, 30*mb), size(500, 50*us, 70*us, 60*mb), size(5000, 50*us, 90*us, 151*mb)}}
	text := a.text()
	for _, want := range []string{
		"| assess | `assess`, 150,000 pods | 13.50 s | bare list of these | 1.80 | at most 1.5 | **no** |",
		"| assess-memory | the same: peak memory | 151 MB | bare list | 151.01 | at most 150 MB | **no** |",
		"| assess-linear | the same: a pod | 90 µs | a pod of 15,000 | 1.29 | at most 1.25 | **no** |",
		"| 50 | 1,500 | 0.15 s | 100 µs | 0.45 s | 300 µs | 3.00 | 1 MB | 30 MB |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "assess-kubectl") || !strings.Contains(text, "left out: there is no jq.") {
		t.Errorf("what was not measured is in\n%s", text)
	}
	a.sizes[2].kubectl = &cost{wall: 135 * time.Second, memory: 1510 * mb}
	if text := a.text(); !strings.Contains(text, "| 135.00 s | `assess` | 10.00 |  |  |") {
		t.Errorf("kubectl is not in\n%s", text)
	}
}

func TestResolves(t *testing.T) {
	log := `time="2026-11-28T13:15:01.100000000Z" level=debug msg=resolving host=192.168.21.9
time="2026-11-28T13:15:01.101000000Z" level=debug msg="do request" host=192.168.21.9
time="2026-11-28T13:15:01.104500000Z" level=debug msg=resolved desc.digest="sha256:1" host=192.168.21.9
time="2026-11-28T13:15:02.000000000Z" level=debug msg=resolving host=other.example.com
time="2026-11-28T13:15:02.100000000Z" level=debug msg=resolving host=192.168.21.9 method=HEAD
time="2026-11-28T13:15:02.102000000Z" level=debug msg=resolved desc.digest="sha256:1" host=192.168.21.9 method=HEAD
`
	if got := resolves(log); len(got) != 2 || got[0] != 4500*time.Microsecond || got[1] != 2*time.Millisecond {
		t.Errorf("%v", got)
	}
	p := tracePart{releases: []traceTimes{{release: "2.4.2", resolve: []time.Duration{4e6}, name: []time.Duration{3e6}, whole: []time.Duration{5e6}}}}
	for _, want := range []string{"| trace-name-2.4.2 |", "| 3.0 ms | the pull's own resolve, 4.0 ms | 0.75 | at most 1 | yes |", "| 5.0 ms | the pull's own resolve, 4.0 ms | 1.25 |  |  |"} {
		if !strings.Contains(p.text(), want) {
			t.Errorf("no %q in\n%s", want, p.text())
		}
	}
}
