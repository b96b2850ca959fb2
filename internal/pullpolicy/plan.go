package pullpolicy

import "context"

// Plan decides about each workload as it is now, with its budgets and images, and
// changes nothing. What is decided here is decided again right before the change.
func (d *Driver) Plan(ctx context.Context, all []Workload) ([]WorkloadRun, error) {
	plan := []WorkloadRun{}
	for _, w := range all {
		dec := Freeze(w, d.Force)
		if dec.waits { // it is waited for
			dec = Freeze(w, true)
		}
		if dec.Action == Change {
			var err error
			if dec, err = d.images(ctx, w, dec, true); err != nil {
				return nil, err
			}
		}
		if dec.Action == Change {
			held, err := d.held(ctx, w, dec)
			if err != nil {
				return nil, err
			}
			if held != "" {
				dec.Notes = append(dec.Notes, held)
			}
		}
		plan = append(plan, WorkloadRun{Ref: w.Ref, UID: w.UID, Phase: phaseOf(dec.Action), Decision: dec})
	}
	return plan, nil
}
