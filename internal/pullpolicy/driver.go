package pullpolicy

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Cluster reads and writes the workloads of one cluster. Its errors may say, by
// methods Conflict, Gone and Final, that the object has changed, does not exist, or
// that asking again is of no use.
type Cluster interface {
	Get(ctx context.Context, r Ref) (Workload, error)
	// Apply is a server-side apply by Manager, with force, and gives what came of it.
	Apply(ctx context.Context, w Write, dryRun bool) (Workload, error)
	// Patch is a JSON patch by Manager.
	Patch(ctx context.Context, w Write, dryRun bool) (Workload, error)
	// Budgets of a namespace.
	Budgets(ctx context.Context, namespace string) ([]Budget, error)
	Pods(ctx context.Context, namespace string, s labels.Selector) ([]corev1.Pod, error)
}

// Images knows what images nodes have.
type Images interface {
	// Missing lists the images of those containers that are not known to be on the
	// nodes where pods of w may start. pods are those of w.
	Missing(ctx context.Context, w Workload, containers []Container, pods []corev1.Pod) ([]Absent, error)
}

// Recorder keeps the record of a run.
type Recorder interface{ Save(*Run) error }

// Observer is told what happens while it happens.
type Observer interface {
	// Working says what is done with a workload right now.
	Working(workload, text string)
	// Ended says what became of it.
	Ended(workload string, phase Phase, text string)
}

// Patience is how long is waited for what.
type Patience struct {
	// Budget is how long a disruption budget may take to allow a rollout, and the
	// pods to be available before it.
	Budget time.Duration
	// Rollout is how long one rollout may take.
	Rollout time.Duration
	// Answer is how long an API server that does not answer is asked again.
	Answer time.Duration
	// Every is the time between two looks.
	Every time.Duration
}

// Waiting is the patience of a command.
var Waiting = Patience{Budget: time.Minute, Rollout: 10 * time.Minute, Answer: 2 * time.Minute, Every: 2 * time.Second}

// Driver changes workloads one after the other.
type Driver struct {
	Cluster  Cluster
	Recorder Recorder
	Images   Images
	// Fetch, when not nil, brings images to nodes ahead of a change, and returns those
	// that it could not bring. The error says why, or that none could.
	Fetch    func(ctx context.Context, all []Absent) (left []Absent, err error)
	Observer Observer
	Patience Patience
	Now      func() time.Time
	// Stop, when closed, ends the run after the workload in flight.
	Stop <-chan struct{}
	// Force passes over pods that are not available, and over budgets; AllowPull over
	// images that are not on their nodes.
	Force, AllowPull bool

	// fetched are images that were brought: a node tells of them only after a while.
	fetched map[Absent]bool
}

// each does one after the other what is to be changed. A refusal or a failure
// before the change lets the others go on; a rollout that is stuck, a record that
// cannot be written or a failed write stops the run, because the next would fare
// no better. The error is that the record could not be written; the run in memory
// tells what was done all the same.
func (d *Driver) each(ctx context.Context, run *Run, do func(context.Context, *Run, *WorkloadRun) error) error {
	for i := range run.Workloads {
		w := &run.Workloads[i]
		if w.Phase != Pending {
			continue
		}
		if d.stopped(ctx) {
			run.Reason = "stopped as asked"
			break
		}
		err := do(ctx, run, w)
		if !w.Began.IsZero() {
			w.Ended = d.Now()
		}
		if err != nil {
			w.Error = err.Error()
			var h interface{ Hint() string }
			if errors.As(err, &h) {
				w.Hint = h.Hint()
			}
			run.Reason = fmt.Sprintf("%s: %s", w.Ref, w.Error)
		}
		d.Observer.Ended(w.String(), w.Phase, or(w.Error, w.Reason))
		if err != nil {
			break
		}
		if err := d.Recorder.Save(run); err != nil {
			run.Reason = "the record could not be written"
			break
		}
	}
	run.Ended, run.Outcome = d.Now(), run.outcome()
	return d.Recorder.Save(run)
}

func (d *Driver) stopped(ctx context.Context) bool {
	select {
	case <-d.Stop:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// Freeze freezes the pending workloads of run.
func (d *Driver) Freeze(ctx context.Context, run *Run) error {
	return d.each(ctx, run, d.freeze)
}

func (d *Driver) freeze(ctx context.Context, run *Run, r *WorkloadRun) error {
	if !run.DryRun {
		if why := d.fetch(ctx, r); why != nil {
			r.Phase, r.Decision = Refused, *why
			return nil
		}
	}
	w, err := d.change(ctx, run, r, func(ctx context.Context, w Workload) (Decision, func() (Write, error), error) {
		dec := Freeze(w, d.Force)
		if note, err := NoteOf(w); err == nil && note.Run == run.ID { // the answer to our write was lost
			return Decision{Action: Nothing}, nil, nil
		}
		if dec.Action != Change {
			return dec, nil, nil
		}
		dec, err := d.images(ctx, w, dec, run.DryRun)
		if err != nil || dec.Action != Change {
			return dec, nil, err
		}
		return dec, func() (Write, error) {
			return FreezeWrite(w, dec, Note{Run: run.ID, Operator: run.Operator, At: stamp(d.Now())})
		}, nil
	})
	if err != nil || r.Phase != Changing {
		return err
	}
	if run.DryRun {
		r.Phase = Done
		return nil
	}
	w, err = d.settle(ctx, w, func(w Workload) error {
		for _, c := range r.Containers {
			if now, ok := w.container(c.Name, c.Init); !ok || now.Policy != Frozen {
				_, other := w.ours(now)
				return fmt.Errorf("%s was set back to %s at once%s: something owns it", c.Name, now.Policy, by(other))
			}
		}
		return nil
	})
	if err == nil {
		err = d.forced(ctx, w)
	}
	if err != nil {
		r.Phase = Stuck
		return err
	}
	r.Phase = Done
	return nil
}

func (d *Driver) forced(ctx context.Context, w Workload) error {
	pods, err := d.pods(ctx, w)
	if err != nil {
		return err
	}
	if why := Forced(w, pods); why != "" {
		return errors.New(why + ": " + ForcedHint)
	}
	return nil
}

func (d *Driver) pods(ctx context.Context, w Workload) ([]corev1.Pod, error) {
	if w.Selector == nil {
		return nil, nil
	}
	s, err := metav1.LabelSelectorAsSelector(w.Selector)
	if err != nil {
		return nil, fmt.Errorf("selector: %w", err)
	}
	return d.Cluster.Pods(ctx, w.Namespace, s)
}

// change decides about the workload as it is now, waits for its budgets, records
// and writes. The phase says what came of it: Changing when it was written.
func (d *Driver) change(ctx context.Context, run *Run, r *WorkloadRun, decide func(context.Context, Workload) (Decision, func() (Write, error), error)) (Workload, error) {
	budget, answer := d.Now().Add(d.Patience.Budget), d.Now().Add(d.Patience.Answer)
	for {
		if r.Phase == Pending && d.stopped(ctx) { // while it was waited for
			return Workload{}, nil
		}
		d.Observer.Working(r.String(), "looking")
		w, err := d.Cluster.Get(ctx, r.Ref)
		var dec Decision
		var write func() (Write, error)
		if err == nil {
			dec, write, err = decide(ctx, w)
		}
		if err == nil && write != nil && !run.DryRun {
			var held string
			if held, err = d.held(ctx, w, dec); err == nil && held != "" {
				dec, write = refuse(held, "wait until its pods are Ready or add a replica; pass over it by --force"), nil
				dec.waits = true
			}
		}
		if err == nil && dec.waits && !run.DryRun && d.Now().Add(d.Patience.Every).Before(budget) {
			d.Observer.Working(r.String(), "waiting: "+dec.Reason)
			if d.pause(ctx) {
				continue
			}
		}
		if err == nil {
			if write == nil && r.Phase == Changing && dec.Action == Nothing {
				return w, nil // written before, and the answer was lost
			}
			r.Decision, r.UID = dec, w.UID
			if write == nil {
				r.Phase = map[Action]Phase{Nothing: Unchanged, Refuse: Refused}[dec.Action]
				return w, nil
			}
			w, err = d.write(ctx, run, r, write)
			if err == nil {
				return w, nil
			}
		}
		switch {
		case is(err, "gone"):
			r.Phase, r.Decision = Unchanged, Decision{Action: Nothing, Reason: "it does not exist any more"}
			return w, nil
		case is(err, "conflict") && d.Now().Before(answer): // somebody reported a status meanwhile
			if wait(ctx, min(d.Patience.Every, 50*time.Millisecond)) {
				continue
			}
		case !is(err, "final") && r.Phase != Failed && d.Now().Add(d.Patience.Every).Before(answer):
			if d.pause(ctx) {
				continue
			}
		}
		if r.Phase != Changing || is(err, "final") || is(err, "conflict") {
			r.Phase = Failed
		}
		return w, err
	}
}

// write records what is about to be written, and writes it.
func (d *Driver) write(ctx context.Context, run *Run, r *WorkloadRun, body func() (Write, error)) (Workload, error) {
	out, err := body()
	if err != nil {
		return Workload{}, err
	}
	r.Note = &out.Note
	if r.Began.IsZero() {
		r.Began = d.Now()
	}
	r.Phase = Changing
	if err := d.Recorder.Save(run); err != nil {
		r.Phase = Failed
		return Workload{}, fmt.Errorf("the record could not be written, so it was not changed: %w", err)
	}
	d.Observer.Working(r.String(), "changing")
	return d.Cluster.Apply(ctx, out, run.DryRun)
}

func (d *Driver) held(ctx context.Context, w Workload, dec Decision) (string, error) {
	if d.Force || dec.Restarts == 0 {
		return "", nil
	}
	budgets, err := d.Cluster.Budgets(ctx, w.Namespace)
	if err != nil {
		return "", err
	}
	return Held(w, budgets), nil
}

func (d *Driver) pause(ctx context.Context) bool { return wait(ctx, d.Patience.Every) }

// wait returns false when ctx ended first.
func wait(ctx context.Context, long time.Duration) bool {
	t := time.NewTimer(long)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// is asks an error of the cluster what it is.
func is(err error, what string) bool {
	var e interface {
		Gone() bool
		Conflict() bool
		Final() bool
	}
	if !errors.As(err, &e) {
		return false
	}
	return map[string]func() bool{"gone": e.Gone, "conflict": e.Conflict, "final": e.Final}[what]()
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
