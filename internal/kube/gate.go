package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Patience is how long a Gate waits for what. The zero value waits for nothing
// and asks once: for a look ahead.
type Patience struct {
	// Answer is how long an API server that does not answer is asked again.
	Answer time.Duration
	// Rights is how long one that says forbidden is asked again. The rights were there when
	// the gate was made, and an API server that has just started refuses for a moment what
	// its roles, not read yet, allow.
	Rights time.Duration
	// Budget is how long a disruption budget may take to allow one again.
	Budget time.Duration
	// Ready is how long a node may take to be Ready and stay so after its change.
	Ready time.Duration
	// Steady is how long it has to stay Ready after a restart of containerd. The
	// kubelet looks at the runtime every 5 s and reports every 10 s, so an earlier
	// look would see what was before the change.
	Steady time.Duration
	// Every is the time between two looks.
	Every time.Duration
}

// Waiting is the patience of a run.
var Waiting = Patience{Answer: 2 * time.Minute, Rights: 20 * time.Second, Budget: time.Minute, Ready: 3 * time.Minute, Steady: 15 * time.Second, Every: 2 * time.Second}

// Gate answers for the machines of one command. Its methods may be called by many
// goroutines at once.
type Gate struct {
	cluster  *Cluster
	matches  map[string]matched
	patience Patience
	force    bool

	mu  sync.Mutex
	was map[string]*snapshot

	// turn is held by the one who reads the budgets.
	turn     chan struct{}
	budgetAt time.Time
	known    []budget
}

func newGate(c *Cluster, matches map[string]matched, force bool, p Patience) *Gate {
	return &Gate{cluster: c, matches: matches, patience: p, force: force, was: map[string]*snapshot{}, turn: make(chan struct{}, 1)}
}

// NewGate finds the Kubernetes nodes of the machines and asks for one of each kind
// of thing that it reads, so that a wrong cluster, a dead API server or a missing
// right is told before anything is touched. force lets nodes pass that Kubernetes
// would deny before their change. The gate waits for nothing; see With.
func NewGate(ctx context.Context, c *Cluster, machines []Machine, force bool) (*Gate, error) {
	nodes, err := c.nodes(ctx)
	if err != nil {
		return nil, err
	}
	matches, err := match(machines, nodes)
	if err != nil {
		return nil, &Error{Text: "Kubernetes: " + err.Error(), hint: "is this the kubeconfig of another cluster? --context names another one of its contexts", final: true}
	}
	g := newGate(c, matches, force, Patience{})
	if _, err := g.budgets(ctx); err != nil {
		return nil, err
	}
	for _, m := range machines {
		if name := matches[m.Name].node; name != "" {
			_, err := c.pods(ctx, name)
			return g, err
		}
	}
	return g, nil
}

// With is the same gate with another patience, for the run after the look ahead.
func (g *Gate) With(p Patience) *Gate {
	return newGate(g.cluster, g.matches, g.force, p)
}

// Before says whether the machine may be started. A disruption budget that allows
// nothing is waited for.
func (g *Gate) Before(ctx context.Context, machine string, restart bool) Answer {
	m := g.matches[machine]
	if a, ok := unmatched(m); !ok {
		return a
	}
	until := time.Now().Add(g.patience.Budget)
	for {
		a, snap := g.look(ctx, m.node, restart)
		if snap != nil {
			g.mu.Lock()
			g.was[machine] = snap
			g.mu.Unlock()
		}
		budget := a.Denied && !a.Unready && snap != nil
		if !budget || !time.Now().Add(g.patience.Every).Before(until) || !pause(ctx, g.patience.Every) {
			return a
		}
	}
}

// look reads all that before needs.
func (g *Gate) look(ctx context.Context, name string, restart bool) (Answer, *snapshot) {
	var n node
	var pods []pod
	var budgets []budget
	at := time.Now()
	err := g.again(ctx, time.Now().Add(g.patience.Answer), func() (err error) {
		if n, err = g.cluster.node(ctx, name); err != nil {
			return err
		}
		if pods, err = g.cluster.pods(ctx, name); err != nil || !restart {
			return err
		}
		budgets, err = g.budgets(ctx)
		return err
	})
	var e *Error
	switch {
	case errors.As(err, &e) && e.gone:
		return Answer{Denied: true, Reason: fmt.Sprintf("Kubernetes node %q is gone", name), Hint: "leave the node out by --limit"}, nil
	case err != nil:
		return silent(err), nil
	}
	return before(n, pods, budgets, restart, g.force), snapshotOf(at, n, pods, restart)
}

// After says whether the machine is as well as it was: it waits until the node is
// Ready and stays so, then compares the containers.
func (g *Gate) After(ctx context.Context, machine string) Answer {
	m := g.matches[machine]
	if a, ok := unmatched(m); !ok {
		a.Denied = false
		return a
	}
	g.mu.Lock()
	was := g.was[machine]
	g.mu.Unlock()
	until := time.Now().Add(g.patience.Ready)
	steady := g.patience.Steady
	if was != nil && !was.restart {
		steady = 0
	}
	var since time.Time // Ready at every look since then
	for {
		var n node
		err := g.again(ctx, until, func() (err error) { n, err = g.cluster.node(ctx, m.node); return err })
		if err != nil {
			return silent(err)
		}
		now := time.Now()
		switch {
		case !n.Ready:
			since = time.Time{}
		case since.IsZero():
			since = now
		}
		late := !now.Before(until)
		if n.Ready && (now.Sub(since) >= steady || late) || late || was != nil && !was.ready {
			return g.compare(ctx, was, n)
		}
		if !pause(ctx, g.patience.Every) {
			return silent(toError("get node", ctx.Err()))
		}
	}
}

// compare reads the pods once more, for after.
func (g *Gate) compare(ctx context.Context, was *snapshot, n node) Answer {
	var pods []pod
	err := g.again(ctx, time.Now().Add(g.patience.Answer), func() (err error) { pods, err = g.cluster.pods(ctx, n.Name); return err })
	if err != nil {
		return silent(err)
	}
	return after(was, n, pods)
}

// again asks until there is an answer, asking again is of no use, or it is late.
func (g *Gate) again(ctx context.Context, until time.Time, ask func() error) error {
	var refused time.Time // since when forbidden is the answer
	for {
		err := ask()
		var e *Error
		errors.As(err, &e)
		late := until
		switch {
		case err == nil:
			return nil
		case e != nil && e.forbidden:
			if refused.IsZero() {
				refused = time.Now()
			}
			if r := refused.Add(g.patience.Rights); r.Before(late) {
				late = r
			}
		case e != nil && e.final:
			return err
		default:
			refused = time.Time{}
		}
		if !time.Now().Add(g.patience.Every).Before(late) || !pause(ctx, g.patience.Every) {
			return err
		}
	}
}

// sharedFor is how long one reading of the budgets serves the nodes of a wave.
const sharedFor = time.Second

// budgets reads the disruption budgets, once for all who ask at the same time.
func (g *Gate) budgets(ctx context.Context) ([]budget, error) {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return nil, toError("list poddisruptionbudgets", ctx.Err())
	}
	if !g.budgetAt.IsZero() && time.Since(g.budgetAt) < sharedFor {
		return g.known, nil
	}
	all, err := g.cluster.budgets(ctx)
	if err != nil {
		return nil, err
	}
	g.known, g.budgetAt = all, time.Now()
	return all, nil
}

// unmatched answers for a machine that is not one Kubernetes node; ok when it is.
func unmatched(m matched) (a Answer, ok bool) {
	switch {
	case len(m.among) > 0:
		return Answer{Denied: true, Reason: "several Kubernetes nodes fit it: " + some(m.among), Hint: "give it the name of its Kubernetes node in the inventory"}, false
	case m.node == "":
		return Answer{Notes: []string{"the cluster has no node of this name, host name or address, so Kubernetes was not asked"}}, false
	}
	return Answer{}, true
}

func silent(err error) Answer {
	a := Answer{Silent: true, Reason: err.Error()}
	var e *Error
	if errors.As(err, &e) {
		a.Hint = e.hint
	}
	return a
}

// pause returns false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
