package pullpolicy

import (
	"context"
	"slices"
)

// images refuses where an image is missing and nobody brings it. ahead: this is a
// look, before Fetch had its turn.
func (d *Driver) images(ctx context.Context, w Workload, dec Decision, ahead bool) (Decision, error) {
	pods, err := d.pods(ctx, w)
	if err != nil {
		return dec, err
	}
	if why := Forced(w, pods); why != "" {
		return refuse(why, ForcedHint), nil
	}
	missing, err := d.missing(ctx, w, dec)
	switch {
	case err != nil:
		return dec, err
	case len(missing) == 0:
	case d.AllowPull:
		dec.Notes = append(dec.Notes, "its new pods may pull: "+images(missing))
	case d.Fetch != nil && ahead:
		dec.Notes = append(dec.Notes, "fetched ahead: "+images(missing))
	default:
		return refuse("its new pods would pull: "+images(missing), "bring the images there first (pullway prepull), or go on by --allow-pull while the registry still works"), nil
	}
	return dec, nil
}

// missing are the images that nodes lack and that were not brought.
func (d *Driver) missing(ctx context.Context, w Workload, dec Decision) ([]Absent, error) {
	pods, err := d.pods(ctx, w)
	if err != nil {
		return nil, err
	}
	all, err := d.Images.Missing(ctx, w, dec.Containers, pods)
	return slices.DeleteFunc(all, func(a Absent) bool { return d.fetched[a.known()] }), err
}

// known is the same image and node, whatever the node tells.
func (a Absent) known() Absent {
	a.Unknown = false
	return a
}

// fetch brings what a workload needs to the nodes. What it returns refuses the
// workload; what cannot be asked is left to the change itself.
func (d *Driver) fetch(ctx context.Context, r *WorkloadRun) *Decision {
	if d.Fetch == nil || d.AllowPull {
		return nil
	}
	w, err := d.Cluster.Get(ctx, r.Ref)
	if err != nil {
		return nil
	}
	dec := Freeze(w, true)
	if dec.Action != Change {
		return nil
	}
	missing, err := d.missing(ctx, w, dec)
	if err != nil || len(missing) == 0 {
		return nil
	}
	d.Observer.Working(r.String(), "fetching ahead: "+images(missing))
	left, err := d.Fetch(ctx, missing)
	if d.fetched == nil {
		d.fetched = map[Absent]bool{}
	}
	for _, a := range missing {
		if !slices.Contains(left, a) {
			d.fetched[a.known()] = true
		}
	}
	if len(left) == 0 {
		return nil
	}
	why := "its images could not be brought: " + images(left)
	if err != nil {
		why += ": " + err.Error()
	}
	no := refuse(why, "pullway prepull tells more; --allow-pull goes on without them while the registry still works")
	return &no
}
