package pullpolicy

import (
	"context"
	"fmt"
)

// Restore gives the pending workloads of run back what they had. Each brings the
// note of this machine's record in its Note, or nil.
func (d *Driver) Restore(ctx context.Context, run *Run) error {
	return d.each(ctx, run, d.restore)
}

func (d *Driver) restore(ctx context.Context, run *Run, r *WorkloadRun) error {
	kept, sets := r.Note, false
	w, err := d.change(ctx, run, r, func(_ context.Context, w Workload) (Decision, func() (Write, error), error) {
		res, note := Restore(w, kept, d.Force)
		if len(r.Each) == 0 || res.Action == Change && !sets {
			r.Each = res.Each
		}
		if res.Action != Change {
			return res.Decision, nil, nil
		}
		sets = sets || len(res.Containers) > 0
		return res.Decision, func() (Write, error) { return SetWrite(w, res, note) }, nil
	})
	if err != nil || r.Phase != Changing {
		return err
	}
	if run.DryRun {
		r.Phase = Done
		return nil
	}
	if w, err = d.leave(ctx, r, w); err != nil {
		return err
	}
	if sets {
		if _, err = d.settle(ctx, w, func(Workload) error { return nil }); err != nil {
			r.Phase = Stuck
			return err
		}
	}
	r.Phase = Done
	return nil
}

// leave takes the note away and gives the fields back. The policies are as they
// were by then, so that a failure here leaves a note and nothing else.
func (d *Driver) leave(ctx context.Context, r *WorkloadRun, w Workload) (Workload, error) {
	until := d.Now().Add(d.Patience.Answer)
	for {
		d.Observer.Working(r.String(), "giving the fields back")
		res, note := Restore(w, r.Note, true)
		if res.Action != Change { // the answer to our patch was lost
			return w, nil
		}
		out, err := LeaveWrite(w, res, note)
		if err == nil {
			var got Workload
			if got, err = d.Cluster.Patch(ctx, out, false); err == nil {
				return got, nil
			}
		}
		if is(err, "final") && !is(err, "conflict") || !d.Now().Add(d.Patience.Every).Before(until) || !d.pause(ctx) {
			return w, fmt.Errorf("its policies are as they were, but the annotation %s could not be taken away: %w", NoteKey, err)
		}
		if got, err := d.Cluster.Get(ctx, r.Ref); err == nil {
			w = got
		}
	}
}
