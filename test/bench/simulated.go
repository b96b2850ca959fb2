package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// fleetBenchmark is the simulated fleet: the real planner, driver and record, and
// nodes that only answer.
const fleetBenchmark = "BenchmarkFleetOfFiveThousand"

// simulate runs it three times and gives the median of each of its figures.
func simulate(ctx context.Context) (map[string]float64, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+fleetBenchmark+"$", "-benchtime", "1x", "-count", "3", "./internal/fleet/record")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("simulated fleet: %w: %s%s", err, out, errs.String())
	}
	return figures(string(out))
}

// figures reads the lines of a Go benchmark: name, iterations, then pairs of a
// number and its unit.
func figures(out string) (map[string]float64, error) {
	all := map[string][]float64{}
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], fleetBenchmark) {
			continue
		}
		for i := 2; i+1 < len(words); i += 2 {
			x, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return nil, fmt.Errorf("simulated fleet: %q is no number: %s", words[i], line)
			}
			all[words[i+1]] = append(all[words[i+1]], x)
		}
	}
	medians := map[string]float64{}
	for unit, xs := range all {
		medians[unit] = middle(xs)
	}
	for _, unit := range []string{"cpu-s", "goroutines-max", "heap-max-MB", "saves", "written-MB"} {
		if len(all[unit]) == 0 {
			return nil, fmt.Errorf("simulated fleet: no %s in %q", unit, out)
		}
	}
	return medians, nil
}
