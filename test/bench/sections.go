package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// assessTitle begins the part of the page about pullway assess; all before it is about nodes.
const assessTitle = "## Who gets hurt, among many pods\n"

// parts of the page, in its order; an empty one was not measured.
type parts struct{ nodes, trace, assess, doctor string }

// split takes a page apart.
func split(page string) (p parts) {
	rest := page
	for _, part := range []struct {
		title string
		text  *string
	}{{doctorTitle, &p.doctor}, {assessTitle, &p.assess}, {traceTitle, &p.trace}} {
		before, after, ok := strings.Cut(rest, part.title)
		if rest = before; ok {
			*part.text = part.title + after
		}
	}
	p.nodes = rest
	return p
}

// merge puts the parts that were measured in place of those of the page as it was; of what was
// not measured, what the page says stays.
func merge(page string, measured parts) string {
	p := split(page)
	pairs := []struct{ old, measured *string }{{&p.nodes, &measured.nodes}, {&p.trace, &measured.trace}, {&p.assess, &measured.assess}, {&p.doctor, &measured.doctor}}
	for _, part := range pairs {
		if *part.measured != "" {
			*part.old = *part.measured
		}
	}
	if strings.TrimSpace(p.nodes) == "" {
		p.nodes = "# Benchmarks"
	}
	var all []string
	for _, part := range pairs {
		if text := strings.TrimRight(*part.old, "\n"); text != "" {
			all = append(all, text)
		}
	}
	return strings.Join(all, "\n\n") + "\n"
}

// write puts the parts into the page, by rename: whoever reads it finds a whole one.
func write(path string, measured parts) error {
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(merge(string(old), measured)), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// assessPart is what was measured of pullway assess, the smallest crowd first.
type assessPart struct {
	sizes  []crowdSize
	left   string // why kubectl and jq were left out
	rounds int
	floor  int64 // KiB that a program which does nothing is counted
	took   time.Duration
}

func (a assessPart) text() string {
	var b strings.Builder
	largest := a.sizes[len(a.sizes)-1]
	b.WriteString(assessTitle)
	fmt.Fprintf(&b, `
Made by `+"`make bench-assess`"+` on %s, in %s: a real etcd and kube-apiserver with %s nodes that list 50 images each, and %s pods with their
owners, budgets and autoscalers, on one machine with %d cores and %s (%s), which these share with what is measured. Medians of %d. The bare list asks for
the pods alone, page after page in protobuf, decodes them and keeps nothing; pullway asks for the nodes and workloads too. Of each kind of object the API server made one, which was copied into etcd; the server
collects its garbage at half the usual room (GOGC=50), so that all of it fits. A program that does nothing is counted %.0f MB.
`, time.Now().UTC().Format(time.DateOnly), a.took.Round(time.Second), thousands(largest.nodes), thousands(largest.pods()), runtime.NumCPU(), memory(), cpu(), a.rounds, megabytes(a.floor))
	writeRows(&b, a.rows())
	if a.left != "" {
		fmt.Fprintf(&b, "\n`kubectl get pods -A -o json | jq` was left out: %s.\n", a.left)
	}
	b.WriteString("\nBy the number of pods; what a program costs once weighs more with few of them.\n\n| nodes | pods | bare list | a pod | `assess` | a pod | ratio | memory of the list | of `assess` |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range a.sizes {
		list, ours := s.median(listPods), s.median(assess)
		fmt.Fprintf(&b, "| %s | %s | %s | %.0f µs | %s | %.0f µs | %.2f | %.0f MB | %.0f MB |\n", thousands(s.nodes), thousands(s.pods()), show(list.wall), s.perPod(listPods),
			show(ours.wall), s.perPod(assess), float64(ours.wall)/float64(list.wall), megabytes(s.peak(listPods)), megabytes(s.peak(assess)))
	}
	return b.String()
}

// rows are about the largest crowd.
func (a assessPart) rows() []row {
	largest := a.sizes[len(a.sizes)-1]
	list, ours, peak := largest.median(listPods), largest.median(assess), largest.peak(assess)
	of := thousands(largest.pods()) + " pods"
	rows := []row{
		compared("assess", "`assess`, "+of, ours.wall, "bare list of these", list.wall, atMost(1.5, "at most 1.5")),
		{id: "assess-memory", what: "the same: peak memory", value: fmt.Sprintf("%.0f MB", megabytes(peak)), against: "bare list", ratio: float64(peak) / float64(largest.peak(listPods)),
			goal: atMost(150, "at most 150 MB"), figure: megabytes(peak)},
	}
	if len(a.sizes) > 1 {
		less := a.sizes[len(a.sizes)-2]
		growth := largest.perPod(assess) / less.perPod(assess)
		rows = append(rows, row{id: "assess-linear", what: "the same: a pod", value: fmt.Sprintf("%.0f µs", largest.perPod(assess)), against: "a pod of " + thousands(less.pods()), ratio: growth,
			goal: atMost(1.25, "at most 1.25"), figure: growth})
	}
	if k := largest.kubectl; k != nil {
		rows = append(rows, compared("assess-kubectl", "`kubectl get pods -A -o json \\| jq …imagePullPolicy`, once", k.wall, "`assess`", ours.wall, goal{}),
			row{id: "assess-kubectl-memory", what: "the same: peak memory of the bigger of the two", value: fmt.Sprintf("%.0f MB", megabytes(k.memory)), against: "`assess`", ratio: float64(k.memory) / float64(peak)})
	}
	return rows
}

// peak is the most memory that it took in any round, in KiB.
func (c crowdSize) peak(t thing) (most int64) {
	for _, one := range c.samples[t] {
		most = max(most, one.memory)
	}
	return most
}

// perPod is wall time by the number of pods, in microseconds.
func (c crowdSize) perPod(t thing) float64 {
	return float64(c.median(t).wall.Microseconds()) / float64(c.pods())
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
