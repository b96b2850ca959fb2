package pullpolicy

import (
	"fmt"
	"slices"
)

// Back is what becomes of one container at a restore.
type Back string

// What becomes of a container.
const (
	// BackSet: it is as it was frozen, and gets back what it had.
	BackSet Back = "set"
	// BackThere: it has what it had already, by our hand: a restore was cut off.
	BackThere Back = "there"
	// BackLeft: somebody changed it meanwhile; it is left.
	BackLeft Back = "left"
)

// Restoring is what a restore does with one workload.
type Restoring struct {
	Decision
	// Each container of the note, in its order, what becomes of it and why.
	Each []ContainerBack `json:"each,omitempty"`
}

// ContainerBack is what becomes of one container.
type ContainerBack struct {
	Was
	Back Back   `json:"back"`
	Why  string `json:"why,omitempty"`
}

// Restore decides what a workload gets back. What was frozen and is still so by
// our hand alone is set; everything that somebody changed since is left and told.
// The decision is Change also when nothing is set any more but the note is there:
// it goes. kept is the note of the operator's record, or nil: it serves where
// somebody removed the note from the object.
func Restore(w Workload, kept *Note, force bool) (Restoring, Note) {
	note, err := NoteOf(w)
	gone := err == ErrNoNote
	switch {
	case gone && kept == nil:
		return Restoring{Decision: Decision{Action: Nothing, Reason: "it is not frozen"}}, Note{}
	case gone && kept.UID != w.UID:
		return Restoring{Decision: Decision{Action: Nothing, Reason: "it was deleted and made anew since: as its maker wants it"}}, Note{}
	case gone:
		note = *kept
	case err != nil:
		return Restoring{Decision: refuse(err.Error(), "look at it, set the policy by hand, then remove the annotation")}, Note{}
	}
	r := Restoring{}
	set := 0
	for _, was := range note.Containers {
		b := ContainerBack{Was: was}
		b.Back, b.Why = w.back(was, gone)
		if b.Back == BackSet {
			set++
			c, _ := w.container(was.Name, was.Init)
			r.Containers = append(r.Containers, c)
		}
		if b.Why != "" {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: %s", was.Name, b.Why))
		}
		r.Each = append(r.Each, b)
	}
	if gone && set == 0 && !slices.ContainsFunc(r.Each, func(b ContainerBack) bool { return b.Back == BackThere }) {
		r.Action, r.Reason, r.Notes = Nothing, "it is not frozen any more", nil
		return r, note
	}
	r.Action = Change
	if gone {
		r.Notes = append(r.Notes, "somebody removed the annotation; this machine's record says what it had")
	}
	if set == 0 {
		return r, note
	}
	switch {
	case w.Rollout.Paused:
		r.Decision = refuse("it is paused: its pods would restart whenever somebody resumes it", "resume it first: kubectl rollout resume -n "+w.Namespace+" deployment "+w.Name)
		return r, note
	case w.Rollout.Waiting != "" && !force:
		r.Decision = notWell(w.Rollout, "wait until it is, or restore it all the same by --force")
		return r, note
	}
	if w.Rollout.Waiting != "" {
		r.Notes = append(r.Notes, "it is not well now: "+w.Rollout.Waiting)
	}
	if w.Rollout.Restarts {
		r.Restarts = w.Rollout.Pods
	}
	if w.Rollout.AllAtOnce {
		r.Notes = append(r.Notes, w.Rollout.Note)
	}
	return r, note
}

// back decides for one container. recorded: the note is the record's, because the
// object has none any more.
func (w Workload) back(was Was, recorded bool) (Back, string) {
	c, ok := w.container(was.Name, was.Init)
	if !ok {
		return BackLeft, "the container is gone"
	}
	ours, other := w.ours(c)
	switch {
	case c.Policy == was.Policy && ours:
		return BackThere, ""
	case c.Policy == was.Policy:
		return BackLeft, fmt.Sprintf("somebody set it to %s already%s", c.Policy, by(other))
	case c.Policy != Frozen:
		return BackLeft, fmt.Sprintf("somebody set it to %s meanwhile%s; it is left", c.Policy, by(other))
	case !ours && other != "":
		return BackLeft, fmt.Sprintf("somebody wants %s there now%s; it is left", c.Policy, by(other))
	case !ours && !recorded && len(w.Managed) > 0:
		return BackLeft, "somebody took it over meanwhile; it is left"
	case c.Image != was.Image:
		return BackSet, fmt.Sprintf("its image was %s when it was frozen and is %s now", was.Image, c.Image)
	}
	return BackSet, ""
}

func by(manager string) string {
	if manager == "" {
		return ""
	}
	return fmt.Sprintf(" (field manager %q)", manager)
}

// SetWrite makes the server-side apply that sets what is set back. The note stays
// until LeaveWrite.
func SetWrite(w Workload, r Restoring, note Note) (Write, error) {
	policies := map[Container]string{}
	for _, b := range r.Each {
		c, ok := w.container(b.Name, b.Init)
		switch ours, _ := w.ours(c); {
		case ok && b.Back != BackLeft:
			policies[c] = string(b.Policy)
		case ok && ours: // what we say no more would be taken away
			policies[c] = string(c.Policy)
		}
	}
	text, err := note.text()
	if err != nil {
		return Write{}, err
	}
	body, err := w.applyBody(policies, text)
	return Write{w.Ref, body, note}, err
}

// LeaveWrite makes the JSON patch that takes the note away and gives the fields
// back to those who had them: it changes no value of the spec. r is the decision
// about w as it is after the policies were set.
func LeaveWrite(w Workload, r Restoring, note Note) (Write, error) {
	var given []Container
	for _, b := range r.Each {
		if c, ok := w.container(b.Name, b.Init); ok && b.Back == BackThere && c.Policy == b.Policy {
			given = append(given, c)
		}
	}
	managed, err := w.handedBack(note.Holders, given)
	if err != nil {
		return Write{}, fmt.Errorf("%s: %w", w.Ref, err)
	}
	body, err := w.leaveBody(managed)
	return Write{w.Ref, body, note}, err
}
