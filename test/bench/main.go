// Command bench measures pullway against the floors that plain parallel ssh sets,
// and against Ansible, on the same real nodes in the same run, and writes the
// tables to docs/benchmarks.md. This machine's speed cancels out in the ratios.
//
// Progress goes to standard error. A command that fails or hangs ends the whole
// run, takes the lab down and leaves the page as it was.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/pullway/pullway/test/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	done, err := child(ctx, os.Args[1:])
	if !done {
		err = run(ctx, parse())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse() (o options) {
	flag.IntVar(&o.nodes, "nodes", 20, "how many nodes")
	flag.IntVar(&o.small, "small", 10, "how many of them the cost of a node is compared with; 0 for none")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each thing is measured; the median counts")
	flag.BoolVar(&o.ansible, "ansible", true, "measure Ansible too")
	flag.BoolVar(&o.fleet, "fleet", true, "measure the simulated fleet too")
	flag.StringVar(&o.part, "part", partAll, "what is measured: nodes, trace, assess, doctor or all; the rest of the page stays as it is")
	flag.StringVar(&o.out, "out", "docs/benchmarks.md", "where the tables go; - for standard output only")
	flag.Parse()
	return o
}

// The parts of the page.
const (
	partAll    = "all"
	partNodes  = "nodes"
	partTrace  = "trace"
	partAssess = "assess"
	partDoctor = "doctor"
)

type options struct {
	nodes, small, rounds int
	ansible, fleet       bool
	part, out            string
}

func run(ctx context.Context, o options) error {
	if o.nodes < 1 || o.nodes > lab.MaxNodes || o.rounds < 1 || o.small < 0 {
		return fmt.Errorf("%d nodes (%d of them by themselves) in %d rounds cannot be measured: 1 to %d nodes, 1 round or more", o.nodes, o.small, o.rounds, lab.MaxNodes)
	}
	if o.small >= o.nodes {
		o.small = 0
	}
	if !slices.Contains([]string{partAll, partNodes, partTrace, partAssess, partDoctor}, o.part) {
		return fmt.Errorf("-part %q is none of nodes, trace, assess, doctor and all", o.part)
	}
	wanted := func(part string) bool { return o.part == partAll || o.part == part }
	if free := memAvailable(); wanted(partAssess) && free < 14<<20 {
		return fmt.Errorf("%.0f MB of free memory are too little for an API server with 150,000 pods, which takes 14 GB with all that goes with it (-part nodes leaves it out)", megabytes(free))
	}
	var measured parts
	if wanted(partNodes) {
		began := time.Now()
		p, err := measure(ctx, o)
		if err != nil {
			return err
		}
		p.took = time.Since(began)
		measured.nodes = p.text()
		fmt.Print(measured.nodes)
	}
	if wanted(partTrace) {
		p, err := measureTrace(ctx, o)
		if err != nil {
			return err
		}
		measured.trace = p.text()
		fmt.Print(measured.trace)
	}
	if wanted(partAssess) {
		a, err := measureAssess(ctx, o)
		if err != nil {
			return err
		}
		measured.assess = a.text()
		fmt.Print(measured.assess)
	}
	if wanted(partDoctor) {
		d, err := measureDoctor(ctx, o)
		if err != nil {
			return err
		}
		measured.doctor = d.text()
		fmt.Print(measured.doctor)
	}
	if o.out == "-" {
		return nil
	}
	return write(o.out, measured)
}

// measure has the lab up while it measures.
func measure(ctx context.Context, o options) (p page, err error) {
	dir, err := os.MkdirTemp("", "pullway-bench-")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	b := &bench{options: o, dir: dir, began: time.Now()}
	if b.pullway, err = filepath.Abs("bin/pullway"); err != nil {
		return p, err
	}
	if o.fleet {
		b.say("a simulated fleet of 5000")
		if b.simulated, err = simulate(ctx); err != nil {
			return p, err
		}
	}
	l, err := lab.Up(ctx, lab.Config{Dir: filepath.Join(dir, "lab"), Nodes: lab.Cycle(o.nodes, release)}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return p, err
	}
	defer func() {
		if e := l.Down(); err == nil {
			err = e
		}
	}()
	b.lab = l
	if err := b.all(ctx); err != nil {
		return p, err
	}
	return b.page(), nil
}

// release is the containerd of the nodes.
const release = "1.7.35"
