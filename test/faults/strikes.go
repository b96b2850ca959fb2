// Package faults knows which points of a change are struck and by what, chooses a
// sample of them, judges how a node ended, and writes the page about it. The nodes
// themselves are struck by test/e2e.
package faults

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/failpoint/script"
)

// Actions in the order of the page.
var Actions = []string{script.Error, script.Kill, script.Freeze}

// A Point is one passing of a named point of a recorded change.
type Point struct {
	Name string
	Pass int
	// Index is its place in the recording, from 0.
	Index int
}

// Step, When and Operation are the parts of a name; see script.Name.
func (p Point) Step() string {
	step, _, _ := strings.Cut(p.Name, ": ")
	return step
}

func (p Point) words() []string {
	_, rest, _ := strings.Cut(p.Name, ": ")
	return strings.SplitN(rest, " ", 3)
}

// When is "before" or "after".
func (p Point) When() string { return p.words()[0] }

// Operation is one word such as "rename".
func (p Point) Operation() string { return p.words()[1] }

// Path is what the operation was done to.
func (p Point) Path() string { return p.words()[2] }

// Points reads a recording: one name a line, in the order in which they were passed.
func Points(recording string) ([]Point, error) {
	passes := map[string]int{}
	var all []Point
	for line := range strings.Lines(recording) {
		p := Point{Name: strings.TrimSuffix(line, "\n"), Index: len(all)}
		if len(p.words()) != 3 || p.When() != "before" && p.When() != "after" {
			return nil, fmt.Errorf("line %d of the recording is no point: %q", len(all)+1, line)
		}
		passes[p.Name]++
		p.Pass = passes[p.Name]
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the recording is empty")
	}
	return all, nil
}

// Committed is the index of the first point at which the new state stands: the one
// after the rename of the last journal. len(points) when there is none.
func Committed(points []Point) int {
	for _, p := range points {
		if p.Step() == "commit" && p.When() == "after" && p.Operation() == "rename" && strings.HasSuffix(p.Path(), "/journal.json") {
			return p.Index
		}
	}
	return len(points)
}

// A Strike is one action at one point of a scenario.
type Strike struct {
	Scenario string
	Point
	Action string
}

func (s Strike) String() string {
	return fmt.Sprintf("%s: %s at %q (passing %d)", s.Scenario, s.Action, s.Name, s.Pass)
}

// All lists the strikes of a scenario. Errors strike every point. The engine's end
// and a freeze strike every moment: a point before a call that directly follows the
// point after another one is the same moment, since nothing but computing lies
// between them, and is struck once.
func All(scenario string, points []Point) []Strike {
	var all []Strike
	for i, p := range points {
		same := i > 0 && p.When() == "before" && points[i-1].When() == "after"
		for _, a := range Actions {
			if a == script.Error || !same {
				all = append(all, Strike{scenario, p, a})
			}
		}
	}
	return all
}

// Mixed gives the strikes in an order that looks like chance and is the same each
// time, so that a run that is cut short has struck everywhere.
func Mixed(all []Strike) []Strike {
	order := slices.Clone(all)
	rank := func(s Strike) uint64 {
		h := fnv.New64a()
		_, _ = fmt.Fprint(h, s)
		return h.Sum64()
	}
	slices.SortStableFunc(order, func(a, b Strike) int {
		if x, y := rank(a), rank(b); x != y {
			if x < y {
				return -1
			}
			return 1
		}
		return 0
	})
	return order
}

// Sample chooses of all strikes of all scenarios so many that every operation has
// every action before and after it that it can have, and every step has every
// action: it takes what adds to that, in their mixed order.
func Sample(all []Strike) []Strike {
	seen := map[string]bool{}
	var chosen []Strike
	for _, s := range Mixed(all) {
		kinds := []string{s.When() + " " + s.Operation() + " " + s.Action, s.Step() + ": " + s.Action}
		if !seen[kinds[0]] || !seen[kinds[1]] {
			seen[kinds[0]], seen[kinds[1]] = true, true
			chosen = append(chosen, s)
		}
	}
	return chosen
}
