package pullpolicy

import (
	"context"
	"errors"
	"fmt"
)

// settle waits until the rollout of w is through. good looks at each state.
func (d *Driver) settle(ctx context.Context, w Workload, good func(Workload) error) (Workload, error) {
	if !w.Rollout.Restarts {
		return w, good(w)
	}
	until := d.Now().Add(d.Patience.Rollout)
	var last error
	for {
		got, err := d.Cluster.Get(ctx, w.Ref)
		switch {
		case is(err, "gone"):
			return w, errors.New("it was deleted meanwhile")
		case err != nil:
			last = err
		default:
			w, last = got, nil
			if err := good(w); err != nil {
				return w, err
			}
			if w.Rollout.Waiting == "" {
				return w, nil
			}
			d.Observer.Working(w.String(), w.Rollout.Waiting)
		}
		if w.Rollout.Failed || !d.Now().Add(d.Patience.Every).Before(until) || !d.pause(ctx) {
			return w, d.stuck(ctx, w, last)
		}
	}
}

// stuckError is a rollout that is not through, with what to do about it.
type stuckError struct{ text string }

func (e stuckError) Error() string { return e.text }

func (stuckError) Hint() string {
	return "the rollout goes on by itself once its pods can start; pullway policy status shows it, kubectl rollout status waits for it"
}

// stuck says why a rollout is not through.
func (d *Driver) stuck(ctx context.Context, w Workload, last error) error {
	why := w.Rollout.Waiting
	if last != nil {
		return fmt.Errorf("whether its rollout is through is not known: %w", last)
	}
	if ctx.Err() != nil {
		return stuckError{why + "; nobody waits for it any more"}
	}
	pods, err := d.pods(ctx, w)
	if err != nil {
		return stuckError{why}
	}
	for i := range pods {
		if text := stuckPod(&pods[i]); text != "" {
			return stuckError{why + "; " + text}
		}
	}
	return stuckError{why}
}
