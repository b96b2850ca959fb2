package main

import (
	"strings"
	"testing"
	"time"
)

func TestMerge(t *testing.T) {
	const nodes, assess, doctor = "# Benchmarks\n\nnodes\n", assessTitle + "\nassess\n", doctorTitle + "\ndoctor\n"
	const trace = traceTitle + "\ntrace\n"
	for _, tc := range []struct {
		name, page string
		measured   parts
		want       string
	}{
		{"the first page", "", parts{nodes: nodes}, nodes},
		{"all anew", "old", parts{nodes, trace, assess, doctor}, nodes + "\n" + trace + "\n" + assess + "\n" + doctor},
		{"trace anew", nodes + "\n" + assess, parts{trace: trace}, nodes + "\n" + trace + "\n" + assess},
		{"trace stays", nodes + "\n" + trace + "\n" + assess, parts{nodes: "# New\n"}, "# New\n\n" + trace + "\n" + assess},
		{"a part that was not there", nodes, parts{assess: assess}, nodes + "\n" + assess},
		{"one between two", nodes + "\n" + doctor, parts{assess: assess}, nodes + "\n" + assess + "\n" + doctor},
		{"nodes anew", "# Benchmarks\n\nold\n\n" + assess + "\n" + doctor, parts{nodes: nodes}, nodes + "\n" + assess + "\n" + doctor},
		{"assess anew", nodes + "\n" + assessTitle + "\nold\n\n" + doctor, parts{assess: assess}, nodes + "\n" + assess + "\n" + doctor},
		{"doctor anew", nodes + "\n" + assess + "\n" + doctorTitle + "\nold\n", parts{doctor: doctor}, nodes + "\n" + assess + "\n" + doctor},
		{"assess alone", "", parts{assess: assess}, "# Benchmarks\n\n" + assess},
	} {
		if got := merge(tc.page, tc.measured); got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
}

func TestDoctorPart(t *testing.T) {
	const ms = time.Millisecond
	d := doctorPart{trees: 5000, rounds: 1, samples: samples{doctorNode: {{wall: 60 * ms}}, doctorNone: {{wall: 20 * ms}}, doctorFleet: {{wall: 8 * time.Second, memory: 90 << 10}}, readAll: {{wall: 2 * time.Second}}}}
	for _, want := range []string{
		"| `pullway version` | 3.00 | at most 50 ms | **no** |",
		"| doctor-fleet | `doctor`, 5,000 nodes | 8.00 s | `grep -r` over the same files | 4.00 | at most 20 s | yes |",
		"| doctor-memory | the same: peak memory | 90 MB |",
	} {
		if text := d.text(); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
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
