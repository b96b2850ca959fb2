package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// page is docs/benchmarks.md.
type page struct {
	options
	rows    []row
	perNode []perNode
	took    time.Duration
}

func (b *bench) page() page {
	p := page{options: b.options, rows: b.rows()}
	if b.small > 0 {
		p.perNode = b.perNode()
	}
	return p
}

func (p page) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

Made by `+"`make bench NODES=%d`"+` on %s, in %s: %d real nodes (systemd, sshd, containerd %s) on one machine with
%d cores and %s (%s), all in one network namespace, the registry too. Medians of %d. What counts are the ratios: both sides of each were measured
in this run, side by side, and the nodes' own work is done by the same cores. The rollout has no canary and one wave, as parallel ssh has; every
change is proven by real pulls.
`, p.nodes, time.Now().UTC().Format(time.DateOnly), p.took.Round(time.Second), p.nodes, release, runtime.NumCPU(), memory(), cpu(), p.rounds)
	if p.ansible {
		b.WriteString("\nAnsible runs [this playbook](../test/bench/ansible/playbook.yml) with 50 forks, pipelining and no facts; what it does and does not do stands at its top.\n")
	}
	writeRows(&b, p.rows)
	if len(p.perNode) == 0 {
		return b.String()
	}
	fmt.Fprintf(&b, "\n## The cost of a node\n\nWall time by the number of nodes, with %d of them and with all %d in the same lab.\n\n", p.small, p.nodes)
	fmt.Fprintf(&b, "| what | a node of %d | a node of %d | ratio | goal | reached | the operator's CPU |\n| --- | --- | --- | --- | --- | --- | --- |\n", p.small, p.nodes)
	for _, n := range p.perNode {
		g := flat
		if !strings.HasPrefix(n.what, "`apply`") {
			g = goal{} // a floor is no aim of ours
		}
		r := row{goal: g, figure: n.growth()}
		fmt.Fprintf(&b, "| %s | %s | %s | %.2f | %s | %s | %s |\n", n.what, show(n.few), show(n.all), n.growth(), g.text, r.reached(), show(n.operators))
	}
	return b.String()
}

func writeRows(b *strings.Builder, rows []row) {
	b.WriteString("\n| id | what | value | against | ratio | goal | reached |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range rows {
		ratio := ""
		if r.ratio > 0 {
			ratio = fmt.Sprintf("%.2f", r.ratio)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.id, r.what, r.value, r.against, ratio, r.goal.text, r.reached())
	}
}

// cpu names the processor.
func cpu() string { return procField("/proc/cpuinfo", "model name") }

// memory is how much this machine has.
func memory() string {
	var kib float64
	if _, err := fmt.Sscanf(procField("/proc/meminfo", "MemTotal"), "%f", &kib); err != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%.0f GB", kib/1024/1024)
}

// memAvailable is how much memory could be had now, in KiB; 0 when that is not known.
func memAvailable() (kib int64) {
	if _, err := fmt.Sscan(procField("/proc/meminfo", "MemAvailable"), &kib); err != nil {
		return 0
	}
	return kib
}

func procField(path, field string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == field {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
