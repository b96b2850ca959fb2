package pullpolicy

import (
	"errors"
	"slices"
)

// FrozenWorkload is a workload with the note of what it had.
type FrozenWorkload struct {
	Workload Workload
	// Kept is the note of this machine's record; nil for none.
	Kept *Note
}

// Noted reports whether w has a note that may be its own. A Deployment's controller
// copies its annotations to its ReplicaSets; those are not asked.
func Noted(w Workload) bool {
	_, noted := w.Annotations[NoteKey]
	return noted && (w.Owner == nil || w.Kind != ReplicaSet)
}

// Planned is the workload's place in a restore.
func (f FrozenWorkload) Planned(force bool) WorkloadRun {
	r, _ := Restore(f.Workload, f.Kept, force)
	if r.waits { // it is waited for
		r, _ = Restore(f.Workload, f.Kept, true)
	}
	return WorkloadRun{Ref: f.Workload.Ref, UID: f.Workload.UID, Phase: phaseOf(r.Action), Decision: r.Decision, Each: r.Each, Note: f.Kept}
}

func phaseOf(a Action) Phase {
	return map[Action]Phase{Change: Pending, Nothing: Unchanged, Refuse: Refused}[a]
}

// Note of the object, or else of the record; Problem says why the object's own is
// not to be believed.
func (f FrozenWorkload) Note() (note Note, problem string) {
	note, err := NoteOf(f.Workload)
	switch {
	case err == nil:
		return note, ""
	case errors.Is(err, ErrNoNote) && f.Kept != nil:
		return *f.Kept, ""
	}
	return Note{}, err.Error()
}

// KeptNote is what a record says that a workload had.
type KeptNote struct {
	Ref
	Note Note
}

// Kept are the notes of the freezes in those records, newest first, which no later
// restore of theirs has settled.
func Kept(runs []*Run) []KeptNote {
	var all []KeptNote
	settled := map[string]bool{} // by uid and run of the freeze
	for _, run := range runs {   // newest first
		for _, w := range run.Workloads {
			switch {
			case w.Note == nil || run.DryRun:
			case run.Command == RestoreCommand && (w.Phase == Done || w.Phase == Stuck):
				settled[w.UID+w.Note.Run] = true
			case run.Command == FreezeCommand && !settled[w.UID+w.Note.Run] && (w.Phase == Done || w.Phase == Stuck || w.Phase == Changing):
				all = append(all, KeptNote{w.Ref, *w.Note})
			}
		}
	}
	return all
}

// Lost are the workloads of those notes that are not in the list.
func Lost(kept []KeptNote, listed []Workload) []Ref {
	var lost []Ref
	for _, k := range kept {
		if !slices.ContainsFunc(listed, func(w Workload) bool { return w.Ref == k.Ref }) && !slices.Contains(lost, k.Ref) {
			lost = append(lost, k.Ref)
		}
	}
	return lost
}

// FindFrozen brings workloads and notes together. run, when not empty, is the
// freeze that is wanted. all keeps also what is not frozen at all.
func FindFrozen(workloads []Workload, kept []KeptNote, run string, all bool) []FrozenWorkload {
	var out []FrozenWorkload
	for _, w := range workloads {
		f := FrozenWorkload{Workload: w}
		for i, k := range kept {
			if k.Ref == w.Ref && k.Note.UID == w.UID {
				f.Kept = &kept[i].Note
				break
			}
		}
		r, note := Restore(w, f.Kept, true)
		if r.Action == Nothing && !all || run != "" && note.Run != run {
			continue
		}
		out = append(out, f)
	}
	return out
}
