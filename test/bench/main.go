// Command bench measures pullway against the floors that plain parallel ssh sets
// on the same real nodes in the same run, and writes the table to
// docs/benchmarks.md. This machine's speed cancels out in the ratios.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pullway/pullway/test/lab"
)

func main() {
	nodes := flag.Int("nodes", 20, "how many nodes")
	rounds := flag.Int("rounds", 3, "how often each thing is measured; the median counts")
	out := flag.String("out", "docs/benchmarks.md", "where the table goes; - for standard output only")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *nodes, *rounds, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, nodes, rounds int, out string) (err error) {
	dir, err := os.MkdirTemp("", "pullway-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	l, err := lab.Up(ctx, lab.Config{Dir: filepath.Join(dir, "lab"), Nodes: lab.Cycle(nodes, "1.7.35")}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	defer func() {
		if e := l.Down(); err == nil {
			err = e
		}
	}()
	b := &bench{lab: l, dir: dir, rounds: rounds}
	if b.pullway, err = filepath.Abs("bin/pullway"); err != nil {
		return err
	}
	rows, err := b.measure(ctx)
	if err != nil {
		return err
	}
	text := page(nodes, rounds, rows)
	fmt.Print(text)
	if out == "-" {
		return nil
	}
	return os.WriteFile(out, []byte(text), 0o644)
}

// row is one line of the table.
type row struct {
	what    string
	value   string
	against string
	ratio   float64 // 0 for none
	goal    string
}

type bench struct {
	lab     *lab.Lab
	dir     string
	pullway string
	rounds  int
	// lastRSS is the peak memory of the last pullway in KiB.
	lastRSS int64
}

func (b *bench) measure(ctx context.Context) ([]row, error) {
	if err := b.writeSpec("robot-secret-1"); err != nil {
		return nil, err
	}
	ssh := func(command string) func() error { return func() error { return b.ssh(ctx, command) } }
	apply := func() error { return b.run(ctx, "apply", "-f", b.spec(), "--yes", "-q") }
	rollback := func() error { return b.run(ctx, "rollback", "last", "--yes", "-q") }
	first, err := timed(apply) // uploads the engine too
	if err != nil {
		return nil, err
	}
	memory := b.lastRSS
	var truth, restart, change, nothing, certs []time.Duration
	for range b.rounds {
		if err := measureInto(ctx, []timedThing{{&truth, ssh("true")}, {&nothing, apply}}); err != nil {
			return nil, err
		}
		// Another password changes only files that are read at each pull. The
		// registry takes both.
		if err := b.writeSpec("Harbor12345"); err != nil {
			return nil, err
		}
		if err := measureInto(ctx, []timedThing{{&certs, apply}}); err != nil {
			return nil, err
		}
		for range 2 {
			if err := rollback(); err != nil {
				return nil, err
			}
		}
		if err := b.writeSpec("robot-secret-1"); err != nil {
			return nil, err
		}
		if err := measureInto(ctx, []timedThing{{&restart, ssh("systemctl restart containerd")}, {&change, apply}}); err != nil {
			return nil, err
		}
	}
	start, err := b.startup(ctx)
	if err != nil {
		return nil, err
	}
	size, rss, err := b.engine(ctx)
	if err != nil {
		return nil, err
	}
	t, r := median(truth), median(restart)
	return []row{
		{"parallel `ssh NODE true`", show(t), "", 0, ""},
		{"parallel `ssh NODE systemctl restart containerd`", show(r), "", 0, ""},
		{"`apply`, first change: restart, health, pull proof", show(median(change)), "the restart", ratio(median(change), r), "at most 3"},
		{"`apply`, nothing to do", show(median(nothing)), "`true`", ratio(median(nothing), t), "at most 2"},
		{"`apply`, new password: certs.d only, pull proof, no restart", show(median(certs)), "`true`", ratio(median(certs), t), ""},
		{"`apply`, very first, with the engine's upload to every node", show(first), "the restart", ratio(first, r), ""},
		{"`pullway version`", show(start), "", 0, "under 100 ms"},
		{"pullway, peak memory in a first apply", fmt.Sprintf("%.0f MB", float64(memory)/1024), "", 0, ""},
		{"pullway-node, size", fmt.Sprintf("%.1f MB", float64(size)/1e6), "", 0, "under 20 MB"},
		{"pullway-node, peak memory in a plan", fmt.Sprintf("%.0f MB", float64(rss)/1024), "", 0, "under 40 MB"},
	}, nil
}

type timedThing struct {
	into *[]time.Duration
	do   func() error
}

func measureInto(ctx context.Context, things []timedThing) error {
	for _, t := range things {
		if err := ctx.Err(); err != nil {
			return err
		}
		took, err := timed(t.do)
		if err != nil {
			return err
		}
		*t.into = append(*t.into, took)
	}
	return nil
}

func timed(do func() error) (time.Duration, error) {
	start := time.Now()
	err := do()
	return time.Since(start), err
}

func median(all []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(all))
	return s[len(s)/2]
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func show(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func page(nodes, rounds int, rows []row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nMade by `make bench NODES=%d` on %s: %d real nodes (systemd, sshd, containerd 1.7.35) on one machine with %d cores (%s),\nall in one network namespace. Medians of %d; what counts are the ratios, both sides of which were measured in this run, side by side.\nThe rollout of these runs has no canary and one wave, as the parallel ssh has.\n\n| what | value | against | ratio | goal |\n| --- | --- | --- | --- | --- |\n",
		nodes, time.Now().UTC().Format(time.DateOnly), nodes, runtime.NumCPU(), cpu(), rounds)
	for _, r := range rows {
		x := ""
		if r.ratio > 0 {
			x = fmt.Sprintf("%.2f", r.ratio)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.what, r.value, r.against, x, r.goal)
	}
	return b.String()
}

func cpu() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
