package play

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaves(t *testing.T) {
	good := map[string]Result{"a": {Reached: true}, "b": {Reached: true}, "c": {Reached: true}}
	cases := map[string]struct {
		// do is what becomes of node b: it comes to Play or not.
		b func(w *Waves, cancel func(), lost chan struct{}) error
		// played are the nodes of the one play; none when it was not begun.
		played []string
		want   string
	}{
		"all are ready": {func(w *Waves, _ func(), lost chan struct{}) error {
			return w.Play(context.Background(), "b", lost)
		}, []string{"a", "b", "c"}, ""},
		"one does not come":        {func(w *Waves, _ func(), _ chan struct{}) error { w.Gone("b"); return nil }, []string{"a", "c"}, ""},
		"somebody stops it before": {func(w *Waves, cancel func(), _ chan struct{}) error { cancel(); return nil }, nil, "not begun: context canceled"},
		"an engine is lost before": {func(w *Waves, _ func(), lost chan struct{}) error { close(lost); return nil }, nil, "connection to the engine on a was lost"},
		"an engine is lost in the middle": {func(w *Waves, _ func(), lost chan struct{}) error {
			time.AfterFunc(30*time.Second, func() { close(lost) })
			return w.Play(context.Background(), "b", nil)
		}, []string{"a", "b", "c"}, "connection to the engine on a was lost"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var played []string
				w := &Waves{Run: func(ctx context.Context, nodes []string) (map[string]Result, error) {
					played = nodes
					select {
					case <-time.After(time.Minute):
						return good, nil
					case <-ctx.Done():
						return nil, context.Cause(ctx)
					}
				}}
				w.Wave([]string{"a", "b", "c"})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				lost := make(chan struct{})
				errs := make([]error, 3)
				var all sync.WaitGroup
				all.Go(func() { errs[0] = w.Play(ctx, "a", lost) })
				all.Go(func() { errs[2] = w.Play(context.Background(), "c", nil) })
				synctest.Wait()
				if len(played) > 0 {
					t.Error("the play began before all were ready")
				}
				errs[1] = tc.b(w, cancel, lost)
				all.Wait()
				if !slices.Equal(played, tc.played) {
					t.Errorf("played %q", played)
				}
				for i, err := range errs {
					if tc.want == "" && err != nil || tc.want != "" && i != 1 && (err == nil || !strings.Contains(err.Error(), tc.want)) {
						t.Errorf("node %d: %v, want %q", i, err, tc.want)
					}
				}
				for _, n := range []string{"a", "b", "c"} {
					w.Gone(n)
				}
				if err := w.Play(t.Context(), "a", nil); err == nil {
					t.Error("a node that is gone is played on")
				}
			})
		})
	}
}

func TestJudge(t *testing.T) {
	reached := Result{Reached: true}
	cases := map[string]struct {
		results map[string]Result
		err     error
		a, b    string
		hint    string
	}{
		"well":                        {map[string]Result{"a": reached, "b": reached}, nil, "", "", ""},
		"one failed":                  {map[string]Result{"a": reached, "b": {Reached: true, Failed: "x", Text: "no space left"}}, nil, "failed on b", `task "x" failed: no space left`, "run.log"},
		"it hides why":                {map[string]Result{"a": reached, "b": {Reached: true, Failed: "x"}}, nil, "failed on b", "hides why (no_log)", "run.log"},
		"one is away":                 {map[string]Result{"a": reached, "b": {Unreachable: true, Failed: "x", Text: "timed out"}}, nil, "failed on b", `could not reach the node in task "x": timed out`, "run.log"},
		"one is not in it":            {map[string]Result{"a": reached}, nil, "failed on b", "did not reach this node", "k8s_cluster"},
		"nothing ran":                 {nil, errors.New("no inventory"), "no inventory", "no inventory", "run.log"},
		"no ansible":                  {nil, &NoAnsibleError{}, "not in the PATH", "not in the PATH", "install"},
		"interrupted after a failure": {map[string]Result{"a": reached, "b": {Reached: true, Failed: "x", Text: "y"}}, errors.New("interrupted"), "interrupted", `task "x" failed: y`, "run.log"},
	}
	for name, tc := range cases {
		told := Judge([]string{"a", "b"}, tc.results, tc.err, "run.log")
		for node, want := range map[string]string{"a": tc.a, "b": tc.b} {
			err := told[node]
			if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s: %v, want %q", name, node, err, want)
			}
		}
		if h, ok := told["b"].(interface{ Hint() string }); tc.hint != "" && (!ok || !strings.Contains(h.Hint(), tc.hint)) {
			t.Errorf("%s: hint of %v", name, told["b"])
		}
	}
}

// A task that fails and is rescued is none of the node's failures.
func TestRunWithARescue(t *testing.T) {
	dir, inventory := checkout(t)
	write(t, dir, `- hosts: all
  gather_facts: false
  tasks:
    - tags: containerd
      block: [{fail: {msg: "first try"}}]
      rescue: [{command: "true"}]
`)
	got, err := Play{Checkout: dir, Playbook: "cluster.yml", Inventory: inventory, Tags: "containerd", Limit: []string{"node1"}, Log: &bytes.Buffer{}}.Run(t.Context())
	if err != nil || !got["node1"].OK() {
		t.Errorf("%+v, %v", got, err)
	}
}

// When nobody listens to its events any more, ansible-playbook ends after the task.
func TestRunEndsWhenNobodyListens(t *testing.T) {
	dir, inventory := checkout(t)
	write(t, dir, "- hosts: all\n  gather_facts: false\n  tasks:\n    - {command: \"true\", tags: containerd}\n    - {pause: {minutes: 10}, tags: containerd}\n")
	plugins := t.TempDir()
	if err := os.WriteFile(plugins+"/pullway_events.py", callback, 0o600); err != nil {
		t.Fatal(err)
	}
	events, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = events.Close()
	p := Play{Checkout: dir, Playbook: "cluster.yml", Inventory: inventory, Tags: "containerd", Limit: []string{"node1"}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = p.command(ctx, plugins, tell).Run()
	_ = tell.Close()
	if ctx.Err() != nil || err == nil {
		t.Errorf("%v, want an end of its own that is no success", err)
	}
}

func TestCheck(t *testing.T) {
	dir, inventory := checkout(t)
	p := Play{Checkout: dir, Playbook: "cluster.yml", Inventory: inventory, Tags: "containerd", Limit: []string{"node1"}}
	if err := p.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		change func(*Play)
		want   string
	}{
		"no playbook":      {func(p *Play) { p.Playbook = "site.yml" }, "has no site.yml"},
		"a broken one":     {func(p *Play) { write(t, dir, "- hosts: all\n  roles: [nowhere]\n") }, "'nowhere' was not found"},
		"an unknown word":  {func(p *Play) { p.Args = []string{"--no-such-option"} }, "unrecognized arguments"},
		"an unknown limit": {func(p *Play) { p.Limit = []string{"nobody"} }, "no hosts to target"},
	} {
		write(t, dir, site)
		q := p
		c.change(&q)
		err := q.Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", name, err, c.want)
		}
	}
}

func write(t *testing.T, dir, playbook string) {
	t.Helper()
	if err := os.WriteFile(dir+"/cluster.yml", []byte(playbook), 0o600); err != nil {
		t.Fatal(err)
	}
}
