package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// doctorTitle begins the part of the page about pullway doctor.
const doctorTitle = "## What is wrong, on files alone\n"

// What the trees hold.
const (
	doctorTrees = 5000
	doctorHosts = 10
)

// The things that doctor is measured with.
const (
	doctorFleet thing = "doctor of all trees"
	doctorNode  thing = "doctor of one tree"
	doctorNone  thing = "pullway version"
	readAll     thing = "grep of all files"
)

// doctorPart is what was measured of pullway doctor.
type doctorPart struct {
	samples samples
	trees   int
	rounds  int
	took    time.Duration
	// load of the machine before, by other work.
	load float64
}

// measureDoctor looks at files of this machine.
func measureDoctor(ctx context.Context, o options) (d doctorPart, err error) {
	began := time.Now()
	d = doctorPart{samples: samples{}, trees: doctorTrees, rounds: o.rounds, load: loadAverage()}
	dir, err := os.MkdirTemp("", "pullway-bench-doctor-")
	if err != nil {
		return d, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	b := &bench{options: o, dir: dir, began: began}
	if b.pullway, err = filepath.Abs("bin/pullway"); err != nil {
		return d, err
	}
	all := filepath.Join(dir, "nodes")
	for i := range d.trees {
		if err := writeTree(filepath.Join(all, fmt.Sprintf("node%d", i)), i); err != nil {
			return d, err
		}
	}
	b.say("%d trees", d.trees)
	for range o.rounds {
		for _, m := range []struct {
			what     thing
			promised string
			args     []string
		}{
			{readAll, fmt.Sprint(d.trees), []string{"sh", "-c", `grep -rl '^version = 2' "$0" | wc -l`, all}},
			{doctorFleet, "No problem found", []string{b.pullway, "doctor", "--containerd-version", "1.7.35", all}},
			{doctorNode, "No problem found", []string{b.pullway, "doctor", "--containerd-version", "1.7.35", filepath.Join(all, "node7")}},
			{doctorNone, "", []string{b.pullway, "version"}},
		} {
			c, out, err := b.timed(ctx, string(m.what), func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, m.args[0], m.args[1:]...) })
			if err == nil && !strings.Contains(out, m.promised) {
				err = fmt.Errorf("%s did not say %q:\n%s", m.what, m.promised, lastLines(out, 40))
			}
			if err != nil {
				return d, err
			}
			d.samples[m.what] = append(d.samples[m.what], c)
		}
	}
	d.took = time.Since(began)
	return d, nil
}

// writeTree makes a node's /etc/containerd, no two alike: a configuration of the usual
// size, and some registries.
func writeTree(dir string, n int) error {
	var config strings.Builder
	config.WriteString("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n")
	for i := range 120 {
		fmt.Fprintf(&config, "  # a comment of the usual length, line %d of node %d\n  setting_%d = %d\n", i, n, i, i)
	}
	config.WriteString("[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n")
	files := map[string]string{"config.toml": config.String()}
	for i := range doctorHosts {
		files[fmt.Sprintf("certs.d/registry%d.example.com/hosts.toml", i)] = fmt.Sprintf("server = \"https://registry%d.example.com\"\n\n[host.\"https://mirror%d.example.com:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n", i, n)
	}
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (d doctorPart) text() string {
	var b strings.Builder
	b.WriteString(doctorTitle)
	fmt.Fprintf(&b, `
Made by `+"`make bench-doctor`"+` on %s, in %s: copies of /etc/containerd of %s nodes, no two alike, each with a config.toml of 240 lines and %d registries, on
one machine with %d cores and %s (%s), the files in its cache. Medians of %d. Each tree is judged for its own release and for every newer line. grep reads
the same files for one line.%s
`, time.Now().UTC().Format(time.DateOnly), d.took.Round(time.Second), thousands(d.trees), doctorHosts, runtime.NumCPU(), memory(), cpu(), d.rounds, d.otherWork())
	writeRows(&b, d.rows())
	return b.String()
}

func (d doctorPart) rows() []row {
	node, none, fleet, grep := d.samples.median(doctorNode), d.samples.median(doctorNone), d.samples.median(doctorFleet), d.samples.median(readAll)
	ratio := func(a, b time.Duration) float64 { return float64(a) / float64(b) }
	return []row{
		{id: "doctor", what: "`doctor`, the files of one node, start of the program included", value: show(node.wall), against: "`pullway version`", ratio: ratio(node.wall, none.wall),
			goal: atMost(0.05, "at most 50 ms"), figure: node.wall.Seconds()},
		{id: "doctor-fleet", what: fmt.Sprintf("`doctor`, %s nodes", thousands(d.trees)), value: show(fleet.wall), against: "`grep -r` over the same files", ratio: ratio(fleet.wall, grep.wall),
			goal: atMost(20, "at most 20 s"), figure: fleet.wall.Seconds()},
		{id: "doctor-cpu", what: "the same: CPU time of all cores", value: show(fleet.cpu)},
		{id: "doctor-memory", what: "the same: peak memory", value: fmt.Sprintf("%.0f MB", megabytes(fleet.memory))},
	}
}

// otherWork tells when the machine was not this benchmark's alone: wall times count less
// then, and CPU time more.
func (d doctorPart) otherWork() string {
	if d.load < float64(runtime.NumCPU())/2 {
		return ""
	}
	return fmt.Sprintf(" The machine had other work meanwhile (a load of %.0f), which wall times suffer from.", d.load)
}

func loadAverage() (load float64) {
	data, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, _ = fmt.Sscan(string(data), &load) // none is told as none
	}
	return load
}
