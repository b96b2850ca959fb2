package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pullway/pullway/test/bench/crowd"
	"github.com/pullway/pullway/test/lab"
)

// crowds are the nodes of the clusters that pullway assess is measured on, each thirty pods a node.
var crowds = []int{50, 500, 5000}

// crowdSize is what was measured with so many nodes.
type crowdSize struct {
	nodes int
	samples
	// kubectl is kubectl and jq, once, at the largest size; nil where that was left out.
	kubectl *cost
}

const (
	listPods thing = "list-pods"
	assess   thing = "assess"
)

func (c crowdSize) pods() int { return c.nodes * crowd.PodsPerNode }

// measureAssess has a lab with Kubernetes up, and fills it step by step.
func measureAssess(ctx context.Context, o options) (a assessPart, err error) {
	a.rounds = o.rounds
	began := time.Now()
	dir, err := os.MkdirTemp("", "pullway-bench-")
	if err != nil {
		return a, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	b := &bench{options: o, dir: dir, began: began}
	if b.pullway, err = filepath.Abs("bin/pullway"); err != nil {
		return a, err
	}
	err = sparing(func() (err error) {
		b.lab, err = lab.Up(ctx, lab.Config{Dir: filepath.Join(dir, "lab"), Nodes: lab.Cycle(1, release), Kubernetes: &lab.KubeSpec{}}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		return err
	})
	if err != nil {
		return a, err
	}
	defer func() {
		if e := b.lab.Down(); err == nil {
			err = e
		}
	}()
	if err := b.writeSpec(robot); err != nil {
		return a, err
	}
	if a.floor, err = b.floor(ctx); err != nil {
		return a, err
	}
	have := 0
	for _, nodes := range crowds {
		if err := b.fill(ctx, have, nodes); err != nil {
			return a, err
		}
		have = nodes
		size, err := b.crowdRounds(ctx, nodes)
		if err != nil {
			return a, err
		}
		a.sizes = append(a.sizes, size)
	}
	if a.sizes[len(a.sizes)-1].kubectl, a.left, err = b.kubectl(ctx); err != nil {
		return a, err
	}
	a.took = time.Since(began)
	return a, nil
}

// floor is what a program that does nothing is counted, in KiB: the kernel counts a part of this program's
// memory to what it starts. It fails when that is so much that what is measured would be ours.
func (b *bench) floor(ctx context.Context) (int64, error) {
	const most = 60 << 10 // less than any of them takes
	c, _, err := b.timed(ctx, "true", func(ctx context.Context) *exec.Cmd { return b.lab.Command(ctx, "true") })
	if err == nil && c.memory > most {
		err = fmt.Errorf("a program that does nothing is counted %.0f MB, which are this program's: less than that cannot be measured", megabytes(c.memory))
	}
	return c.memory, err
}

func (b *bench) fill(ctx context.Context, from, to int) error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	_, _, err = b.timed(ctx, fmt.Sprintf("fill the cluster, %d to %d nodes", from, to), func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, path, childFill, b.lab.Dir(), strconv.Itoa(from), strconv.Itoa(to))
	})
	if err != nil {
		return err
	}
	// The API server would keep for a while how the crowd came to be.
	if err := b.lab.Kube().Stop(ctx); err != nil {
		return err
	}
	return sparing(func() error { return b.lab.Kube().Start(ctx) })
}

// sparing has what is started meanwhile collect its garbage early: the API server holds all of a large
// crowd in memory, and has to leave room for what is measured.
func sparing(start func() error) error {
	if err := os.Setenv("GOGC", "50"); err != nil {
		return err
	}
	defer os.Unsetenv("GOGC") //nolint:errcheck // it was set
	return start()
}

// crowdRounds measures the bare list and the command in turn.
func (b *bench) crowdRounds(ctx context.Context, nodes int) (crowdSize, error) {
	size := crowdSize{nodes: nodes, samples: samples{}}
	// What the API server does once for a new crowd is nobody's cost.
	if _, err := b.listPods(ctx, size.pods()); err != nil {
		return size, err
	}
	for round := range b.rounds {
		b.say("%d pods, round %d of %d", size.pods(), round+1, b.rounds)
		c, err := b.listPods(ctx, size.pods())
		if err != nil {
			return size, err
		}
		size.samples[listPods] = append(size.samples[listPods], c)
		if c, err = b.assess(ctx, nodes, size.pods()); err != nil {
			return size, err
		}
		size.samples[assess] = append(size.samples[assess], c)
	}
	return size, nil
}

func (b *bench) listPods(ctx context.Context, pods int) (cost, error) {
	path, err := os.Executable()
	if err != nil {
		return cost{}, err
	}
	c, out, err := b.timed(ctx, fmt.Sprintf("bare list, %d pods", pods), func(ctx context.Context) *exec.Cmd {
		return b.lab.Command(ctx, path, childList, b.lab.Kube().AdminKubeconfig())
	})
	if want := fmt.Sprintf("%d pods", pods); err == nil && strings.TrimSpace(out) != want {
		err = fmt.Errorf("the bare list found %s, not %s", strings.TrimSpace(out), want)
	}
	return c, err
}

// kubectl measures what is done today, once: it takes minutes. It says why when it does not.
func (b *bench) kubectl(ctx context.Context) (c *cost, why string, err error) {
	for _, program := range []string{"kubectl", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, "there is no " + program, nil
		}
	}
	// They take 8 GB themselves, and the API server some more meanwhile.
	if free := memAvailable(); free < 14<<20 {
		return nil, "less than 14 GB of memory were free for them", nil
	}
	const script = `kubectl --kubeconfig "$0" get pods -A -o json | jq -r '.items[].spec.containers[].imagePullPolicy' | sort | uniq -c`
	took, _, err := b.timed(ctx, "kubectl and jq", func(ctx context.Context) *exec.Cmd {
		return b.lab.Command(ctx, "sh", "-c", script, b.lab.Kube().AdminKubeconfig())
	})
	return &took, "", err
}

// assess measures the command as a person runs it, from outside of the nodes.
func (b *bench) assess(ctx context.Context, nodes, pods int) (cost, error) {
	c, out, err := b.timed(ctx, fmt.Sprintf("pullway assess, %d pods", pods), func(ctx context.Context) *exec.Cmd {
		return b.lab.Command(ctx, b.pullway, "assess", "-f", b.spec(), "--kubeconfig", b.lab.Kube().AdminKubeconfig())
	})
	if promised := fmt.Sprintf("looked at %d pods on %d nodes", pods, nodes); err == nil && !strings.Contains(out, promised) {
		err = fmt.Errorf("pullway assess did not say %q:\n%s", promised, lastLines(out, 40))
	}
	return c, err
}
