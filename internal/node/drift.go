package node

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// drift fills in what became of our files, and what others have beside them.
func (e *Engine) drift(o *observation, s *protocol.Status) error {
	key, err := e.store.key()
	if err != nil {
		return err
	}
	s.Files = plan.FileStates(o.Observed, key)
	s.NotLoaded = plan.NotLoadedOf(o.Observed)
	s.Kept = append(plan.Kept(o.Observed, plan.OurNames(o.Manifest)), plan.KeptConfig(o.Observed)...)
	s.Kept = slices.DeleteFunc(s.Kept, func(k plan.Foreign) bool {
		return slices.ContainsFunc(s.Files, func(f plan.FileState) bool { return f.Path == k.Path })
	})
	return nil
}

// remembered is the manifest. What an engine before Manifest.Config left is filled
// in from the node's history, as far as that reaches.
func (s store) remembered() (plan.Manifest, error) {
	m, err := s.manifest()
	if err != nil || m.Config != nil || len(m.Files) == 0 {
		return m, err
	}
	history, _ := s.history() // a damaged record tells nothing, and is reported elsewhere
	m.Config = configOf(history)
	return m, nil
}

// configOf lists the configuration files that the transactions of a history
// changed and that were not put back, as the newest left each. newest first.
func configOf(history []*Record) (all []plan.OwnedConfig) {
	for _, r := range history {
		if r.Op != protocol.OpApply || r.Undone || r.Phase != PhaseCommitted {
			continue
		}
		for _, i := range r.Items {
			known := slices.ContainsFunc(all, func(c plan.OwnedConfig) bool { return c.Path == i.Target })
			if i.Config && i.After.Kind == KindFile && !known {
				all = append(all, plan.OwnedConfig{Path: i.Target, SHA256: i.After.SHA256, Mode: i.After.Mode})
			}
		}
	}
	slices.SortFunc(all, func(a, b plan.OwnedConfig) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// acrossDrift judges what somebody changed since the run that is rolled back.
// Content that would be lost stops the rollback unless it may overwrite; what
// was only removed, or has another mode or owner, is told.
func (t *transaction) acrossDrift(target *Record, overwrite bool) error {
	for _, item := range t.record.Items {
		d := driftSince(after(target, item.Target), item.Before, item.After)
		switch {
		case d == driftNone:
		case item.After.Kind == KindDir && item.Before.Kind != KindDir && item.Before.Kind != KindAbsent:
			return &protocol.Error{Kind: protocol.ErrRefused, Text: fmt.Sprintf("%s was a folder before run %s and is now a %s", item.Target, target.Run, item.Before.Kind),
				Hint: "move it away, then roll back again"}
		case d == driftContent && !overwrite:
			return &protocol.Error{Kind: protocol.ErrRefused, Text: fmt.Sprintf("%s was changed by somebody else after run %s", item.Target, target.Run),
				Hint: "look at it (pullway status says by whom); --overwrite rolls back all the same and keeps the change in this rollback's backup"}
		case d == driftContent:
			t.warn("drift", item.Target+" was changed after the run that is rolled back; the change is in this rollback's backup", "")
		case d == driftGone:
			t.warn("drift", item.Target+" was removed, or something in it, after the run that is rolled back", "")
		default:
			t.warn("drift", item.Target+" had another mode or owner than the run that is rolled back gave it", "")
		}
	}
	return nil
}

// drifted is how much of what stands at a path would be lost by a rollback.
type drifted int

const (
	// driftNone: it is as the run left it, or already as the rollback makes it.
	driftNone drifted = iota
	// driftShallow: only modes or owners differ.
	driftShallow
	// driftGone: something of the run's is missing, and nothing was put there.
	driftGone
	// driftContent: there is content that is not the run's.
	driftContent
)

// driftSince compares what a run left at a path with what is there now. goal is
// what the rollback makes of it.
func driftSince(was, now, goal Entry) drifted {
	switch {
	case now.Same(was), now.Same(goal):
		return driftNone
	case now.Kind == KindAbsent:
		return driftGone
	case now.Kind != was.Kind, now.SHA256 != was.SHA256, now.Target != was.Target:
		return driftContent
	}
	worst := driftShallow
	for _, c := range now.Children {
		i := slices.IndexFunc(was.Children, func(w Child) bool { return w.Name == c.Name })
		if i < 0 {
			return driftContent
		}
		worst = max(worst, driftSince(was.Children[i].Entry, c.Entry, Entry{}))
	}
	if worst < driftGone && len(now.Children) < len(was.Children) {
		worst = driftGone
	}
	return worst
}

// stranger names the owner of a file that is not the engine's own user.
func stranger(st fs.FileInfo) string {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || int(sys.Uid) == os.Geteuid() && int(sys.Gid) == os.Getegid() {
		return ""
	}
	return fmt.Sprintf("uid %d, gid %d", sys.Uid, sys.Gid)
}
