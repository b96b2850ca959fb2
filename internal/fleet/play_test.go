package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/protocol"
)

// fakePlayer takes ten minutes for a node, and fails on some.
type fakePlayer struct {
	fails map[string]bool

	mu      sync.Mutex
	waves   []string
	playing map[string]bool
	gone    map[string]bool
	wrong   []string
}

func (p *fakePlayer) Wave(nodes []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waves = append(p.waves, strings.Join(nodes, ","))
	for _, n := range nodes {
		p.gone[n] = false
	}
}

func (p *fakePlayer) Play(ctx context.Context, node string, _ <-chan struct{}) error {
	p.mu.Lock()
	p.playing[node] = true
	p.mu.Unlock()
	err := pause(ctx, 10*time.Minute)
	if err != nil {
		time.Sleep(5 * time.Second) // a play does not end at once
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.playing[node] = false
	if err == nil && p.fails[node] {
		err = withHint{errors.New("task x failed\nand more"), "look at the log"}
	}
	return err
}

func (p *fakePlayer) Gone(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.playing[node] {
		p.wrong = append(p.wrong, node+" is gone while it is played on")
	}
	p.gone[node] = true
}

type withHint struct {
	error
	hint string
}

func (h withHint) Hint() string { return h.hint }

func TestPlayer(t *testing.T) {
	cases := map[string]struct {
		fails  []string
		faulty map[string]fault
		stop   time.Duration // after which the run is cancelled; 0 for never
		waves  []string
		ends   string
		out    Outcome
	}{
		"all goes well": {waves: []string{"w1", "w2,w3"}, ends: "w1=applied w2=applied w3=applied", out: Done},
		"the canary's play fails": {fails: []string{"w1"}, waves: []string{"w1"},
			ends: "w1=restored w2=pending w3=pending", out: AllRolledBack},
		"a wave's play fails": {fails: []string{"w2", "w3"}, waves: []string{"w1", "w2,w3"},
			ends: "w1=applied w2=restored w3=restored", out: Partial},
		"the line breaks behind the play": {faulty: map[string]fault{"w1": cutWaits}, waves: []string{"w1", "w2,w3"},
			ends: "w1=applied w2=applied w3=applied", out: Done},
		"a node is away before its play": {faulty: map[string]fault{"w2": lineGoneIdle}, waves: []string{"w1", "w2,w3"},
			ends: "w1=applied w2=unreachable w3=rolled-back", out: Partial},
		"somebody cuts it short": {stop: 15 * time.Minute, waves: []string{"w1", "w2,w3"},
			ends: "w1=applied w2=restored w3=restored", out: Stopped},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := targets(3, 0)
				f := newFakeFleet(all, tc.faulty)
				player := &fakePlayer{fails: map[string]bool{}, playing: map[string]bool{}, gone: map[string]bool{}}
				for _, n := range tc.fails {
					player.fails[n] = true
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tc.stop > 0 {
					time.AfterFunc(tc.stop, cancel)
				}
				plans, err := (&Planner{Connector: f}).Plan(ctx, all, protocol.Request{Play: true})
				if err != nil {
					t.Fatal(err)
				}
				o := options(Policy{Canary: 1, WaveSize: 2, OnFailure: v1alpha1.RollbackWave})
				o.Request.Play = true
				run, err := (&Driver{Connector: f, Player: player}).Apply(ctx, o, plans)
				if err != nil || !run.Play {
					t.Fatal(run, err)
				}
				var ends []string
				for _, n := range run.Nodes {
					ends = append(ends, fmt.Sprintf("%s=%s", n.Name, n.Phase))
					if !n.Begun.IsZero() && !player.gone[n.Name] {
						t.Errorf("the player was not told that %s is through", n.Name)
					}
					if player.fails[n.Name] && (!strings.Contains(n.Error.Text, "task x failed") || n.Error.Hint != "look at the log") {
						t.Errorf("%s: %+v", n.Name, n.Error)
					}
				}
				if got := strings.Join(ends, " "); got != tc.ends || run.Outcome != tc.out || !slices.Equal(player.waves, tc.waves) || len(player.wrong) > 0 {
					t.Errorf("%s, %s, waves %q, %q", got, run.Outcome, player.waves, player.wrong)
				}
			})
		})
	}
}

// An interrupted play is gone on with by the same command only.
func TestWhatToResumeOfAPlay(t *testing.T) {
	run := func(play bool) *Run {
		return &Run{ID: runID, Play: play, SpecDigest: "s", Nodes: []NodeRun{{Name: "w1", Phase: Pending}}}
	}
	for _, tc := range []struct{ was, want, goesOn bool }{{true, true, true}, {false, false, true}, {true, false, false}, {false, true, false}} {
		l := WhatToResume([]*Run{run(tc.was)}, Wanted{SpecDigest: "s", Nodes: []string{"w1"}, Play: tc.want})
		if (l.Run != nil) != tc.goesOn || !tc.goesOn && (l.Passed == nil || !strings.Contains(l.Notes[0], "rollback "+runID)) {
			t.Errorf("%+v: %+v", tc, l)
		}
	}
}
