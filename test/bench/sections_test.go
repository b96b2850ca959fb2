package main

import (
	"strings"
	"testing"
	"time"
)

func TestMerge(t *testing.T) {
	const nodes, assess, doctor = "# Benchmarks\n\nnodes\n", assessTitle + "\nassess\n", doctorTitle + "\ndoctor\n"
	for _, tc := range []struct {
		name, page string
		measured   parts
		want       string
	}{
		{"the first page", "", parts{nodes: nodes}, nodes},
		{"all anew", "old", parts{nodes, assess, doctor}, nodes + "\n" + assess + "\n" + doctor},
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
