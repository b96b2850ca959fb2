//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/failpoint/script"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/secret"
	"github.com/pullway/pullway/test/faults"
	"github.com/pullway/pullway/test/lab"
)

// faultsFor cuts a run short after a duration such as "20m"; the page tells so.
const faultsFor = "PULLWAY_FAULTS_FOR"

// faultsWithin is the confirmWithin of a change that is struck: less than the CLI
// takes, so that a freeze does not cost much.
const faultsWithin = 4 * time.Second

// mirrorImage is pulled by way of the mirror.
const mirrorImage = "docker.io/library/test-image:latest"

// A change is what is struck: how a node comes to its old state, and the request
// that leads to its new one.
type change struct {
	name, release, what string
	// base are the specifications that are applied first.
	base []string
	// spec is applied; empty means that the last of base is rolled back.
	spec string
	// image can be pulled in the new state and not in the old one; for a rollback
	// it is the other way round.
	image string
}

var struckChanges = []change{
	{"first-1.7", "1.7.35", "the first change, with a restart", nil, harbor, image},
	{"first-2.4", "2.4.2", "the first change, with a restart", nil, harbor, image},
	{"mirror-1.6", "1.6.20", "a further registry, certs.d only", []string{harbor}, mirrored, mirrorImage},
	{"rollback-1.7", "1.7.35", "the rollback of the first change, with a restart", []string{harbor}, "", image},
}

func (c change) pulls(s faults.State) bool { return (s == faults.New) == (c.spec != "") }

// request is what the operator's side would ask for.
func (c change) request(t *testing.T, registries string) protocol.Request {
	t.Helper()
	if registries == "" {
		return protocol.Request{Op: protocol.OpRollback, Run: "back", ConfirmWithin: faultsWithin}
	}
	images := []string{image}
	if registries == mirrored {
		images = append(images, mirrorImage)
	}
	file := filepath.Join(t.TempDir(), "spec.yaml")
	if err := os.WriteFile(file, []byte(spec(registries, images...)), 0o600); err != nil {
		t.Fatal(err)
	}
	from := secret.System()
	from.LookupEnv = func(string) (string, bool) { return secret1, true }
	l, err := config.Load(t.Context(), file, from)
	if err != nil {
		t.Fatal(err)
	}
	wire := l.Desired.ToWire()
	return protocol.Request{Op: protocol.OpApply, Run: c.name, Desired: &wire, ConfirmWithin: faultsWithin}
}

// target is a node that is made ready for one change again and again.
type target struct {
	*faultNode
	change
	req      protocol.Request
	old, new tree
	points   []faults.Point
}

// ready brings a node to the old state of a change, keeps that, and records the
// points of the change.
func ready(t *testing.T, f *faultNode, c change) (*target, error) {
	ctx := t.Context()
	w := &target{faultNode: f, change: c, req: c.request(t, c.spec)}
	for _, s := range c.base {
		req := c.request(t, s)
		req.ConfirmWithin = patient
		if _, err := f.do(ctx, req); err != nil {
			return nil, fmt.Errorf("%s: base of %s: %w", f.Name, c.name, err)
		}
	}
	if _, err := f.Exec(ctx, `set -e; rm -rf /root/base; mkdir -p /root/base /var/lib/pullway; mkdir -m 700 /root/base/state; cp -a /etc/containerd /root/base/etc
for x in /var/lib/pullway/*; do test "$x" = /var/lib/pullway/engine || test ! -e "$x" || cp -a "$x" /root/base/state/; done`); err != nil {
		return nil, err
	}
	var err error
	if w.old, err = f.Tree("/etc/containerd"); err != nil {
		return nil, err
	}
	const log = "/run/pullway-points"
	_ = os.Remove(f.root + log)
	if err := f.order(script.Orders{Record: log}); err != nil {
		return nil, err
	}
	req := w.req
	req.ConfirmWithin = patient
	if _, err := f.do(ctx, req); err != nil {
		return nil, fmt.Errorf("%s: record %s: %w", f.Name, c.name, err)
	}
	b, err := os.ReadFile(f.root + log)
	if err != nil {
		return nil, err
	}
	if w.points, err = faults.Points(string(b)); err != nil {
		return nil, err
	}
	if w.new, err = f.Tree("/etc/containerd"); err != nil {
		return nil, err
	}
	return w, w.reset(ctx, true)
}

// reset brings the old state back by plain copies; files tells that those of
// containerd are not the old ones.
func (w *target) reset(ctx context.Context, files bool) error {
	_ = os.Remove(w.root + script.File)
	command := `set -e; for x in /var/lib/pullway/*; do test "$x" = /var/lib/pullway/engine || rm -rf "$x"; done; cp -a /root/base/state/. /var/lib/pullway/`
	if files {
		command += "; rm -rf /etc/containerd; cp -a /root/base/etc /etc/containerd; systemctl reset-failed containerd; systemctl restart containerd"
	}
	if _, err := w.Exec(ctx, command); err != nil {
		return err
	}
	if files {
		if err := w.Await(ctx); err != nil {
			return err
		}
	}
	// A proof that was cut off leaves an image by its own name, and the next one
	// would not pull it.
	return errors.Join(w.CRIRemove(ctx, image), w.CRIRemove(ctx, mirrorImage))
}

// mend brings the old state back after a failure, whatever is left.
func (w *target) mend(ctx context.Context) error {
	_, _ = w.Exec(ctx, `pkill -KILL pullway-node; systemctl stop pullway-deadman.timer; rm -f /etc/systemd/system/pullway* /etc/systemd/system/*/pullway*; systemctl daemon-reload`)
	return w.reset(ctx, true)
}

// TestFaults strikes real changes of real nodes at their points; see test/faults
// for which, and docs/faults.md for what came of it. It strikes a sample; with
// PULLWAY_E2E=full it strikes at every point and writes that page.
func TestFaults(t *testing.T) {
	t.Parallel()
	all := full()
	engine, err := buildStruckEngine(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	layout := []string{"1.7.35", "2.4.2", "1.6.20", "1.7.35"}
	if all {
		layout = slices.Repeat(layout, 2)
	}
	l := up(t, lab.Cycle(len(layout), layout...)...)
	run := &faultRun{t: t, all: all, queues: map[string]*queue{}}
	if d := os.Getenv(faultsFor); d != "" {
		most, err := time.ParseDuration(d)
		if err != nil {
			t.Fatalf("%s: %v", faultsFor, err)
		}
		run.until = time.Now().Add(most)
	}
	for _, c := range struckChanges {
		run.queues[c.name] = &queue{}
	}
	targets := make([]*target, len(layout))
	seen := map[string]int{}
	each := func(do func(i int, n *lab.Node) error) {
		var wg sync.WaitGroup
		for i, n := range l.Nodes() {
			wg.Go(func() {
				if err := do(i, n); err != nil {
					t.Errorf("%s: %v", n.Name, err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	firsts := make([]change, len(layout))
	for i, release := range layout {
		firsts[i] = of(release, seen[release])
		seen[release]++
	}
	each(func(i int, n *lab.Node) error {
		f, err := newFaultNode(n, engine)
		if err == nil {
			targets[i], err = ready(t, f, firsts[i])
		}
		return err
	})
	run.fill(targets)
	each(func(i int, n *lab.Node) error { return run.work(targets[i]) })
	run.conclude(len(layout))
}

// of is the change that the nth node of a release begins with.
func of(release string, nth int) change {
	var mine []change
	for _, c := range struckChanges {
		if c.release == release {
			mine = append(mine, c)
		}
	}
	return mine[nth%len(mine)]
}

// queue is the strikes of one change that are still to be made.
type queue struct {
	points  []faults.Point
	mu      sync.Mutex
	strikes []faults.Strike
}

func (q *queue) next() (s faults.Strike, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.strikes) == 0 {
		return s, false
	}
	s, q.strikes = q.strikes[0], q.strikes[1:]
	return s, true
}

type faultRun struct {
	t       *testing.T
	all     bool
	queues  map[string]*queue
	mu      sync.Mutex
	results []faults.Result
	failed  int
	planned int
	// until is when no strike is begun any more; zero is never.
	until time.Time
}

// fill makes the queues of all that the targets have recorded.
func (r *faultRun) fill(targets []*target) {
	for _, w := range targets {
		r.queues[w.name].points = w.points
	}
	var all []faults.Strike
	for _, c := range struckChanges {
		all = append(all, faults.All(c.name, r.queues[c.name].points)...)
	}
	chosen := faults.Mixed(all)
	if !r.all {
		chosen = faults.Sample(all)
	}
	r.planned = len(chosen)
	r.t.Logf("%d of %d strikes", len(chosen), len(all))
	for _, s := range chosen {
		q := r.queues[s.Scenario]
		q.strikes = append(q.strikes, s)
	}
}

// work has a node take the strikes of its change, and then those that are left of
// other changes on its release.
func (r *faultRun) work(w *target) error {
	if err := r.strikes(w); err != nil {
		return err
	}
	for _, c := range struckChanges {
		if c.release != w.release || r.queues[c.name].empty() || !r.until.IsZero() && time.Now().After(r.until) {
			continue
		}
		err := w.forget(r.t.Context())
		if err == nil {
			w, err = ready(r.t, w.faultNode, c)
		}
		if err == nil {
			err = r.strikes(w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.strikes) == 0
}

// forget makes a node new again.
func (f *faultNode) forget(ctx context.Context) error {
	w := target{faultNode: f}
	if _, err := f.Exec(ctx, "rm -rf /root/base; mkdir -p /root/base/etc; mkdir -m 700 /root/base/state"); err != nil {
		return err
	}
	if err := f.WriteFile(ctx, "/root/base/etc/config.toml", []byte(lab.DefaultContainerdConfig(f.Spec.Containerd)), 0o644); err != nil {
		return err
	}
	return w.reset(ctx, true)
}

func (r *faultRun) strikes(w *target) error {
	q := r.queues[w.name]
	if diff := cmp.Diff(q.points, w.points); diff != "" {
		return fmt.Errorf("another recording of %s (-first +this one):\n%s", w.name, diff)
	}
	for {
		s, ok := q.next()
		if !ok || r.t.Context().Err() != nil || !r.until.IsZero() && time.Now().After(r.until) {
			return nil
		}
		res, err := w.strike(r.t.Context(), s, faults.Committed(w.points))
		for tries := 0; errors.Is(err, errNotStruck) && tries < 3; tries++ {
			r.t.Logf("once more: %v", err)
			if err = w.mend(r.t.Context()); err == nil {
				res, err = w.strike(r.t.Context(), s, faults.Committed(w.points))
			}
		}
		r.mu.Lock()
		if err != nil {
			r.failed++
			r.t.Errorf("%s: %v", w.Name, err)
		} else {
			r.results = append(r.results, res)
		}
		tooMany := r.failed > 20
		if n := len(r.results); n%200 == 0 {
			r.t.Logf("%d strikes so far", n)
		}
		r.mu.Unlock()
		if tooMany {
			return errors.New("too many failures")
		}
		if err != nil {
			err = w.mend(r.t.Context())
		} else {
			err = w.reset(r.t.Context(), res.State == faults.New)
		}
		if err != nil {
			return err
		}
	}
}

// conclude writes the page of a whole run, and tells the head of any.
func (r *faultRun) conclude(nodes int) {
	slices.SortFunc(r.results, func(a, b faults.Result) int { return strings.Compare(a.String(), b.String()) })
	page := faults.Page{Results: r.results, Within: faultsWithin, Nodes: nodes, Planned: r.planned}
	for _, c := range struckChanges {
		page.Scenarios = append(page.Scenarios, faults.Scenario{Name: c.name, Release: c.release, What: c.what, Points: len(r.queues[c.name].points)})
	}
	if r.t.Failed() {
		return
	}
	r.t.Log(page.Head())
	if !r.all {
		return
	}
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "faults.md"), []byte(page.Markdown()), 0o644); err != nil {
		r.t.Error(err)
	}
}
