package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/cri"
)

// workload is a container that ran before a restart of containerd. A process is
// known by its number and the moment it started: numbers are used again.
type workload struct {
	cri.Container
	started, podStarted uint64
}

// goneWithin is how long CRI may call a container running whose process has
// ended: the word of its end comes after it.
const goneWithin = 2 * time.Second

// workloads are the containers that run now, by id.
func (t *transaction) workloads(ctx context.Context) (map[string]workload, error) {
	list, err := t.cri.Containers(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]workload{}
	for _, c := range list {
		if c.State == cri.Running {
			all[c.ID] = workload{c, t.processStart(int(c.Pid)), t.processStart(int(c.PodPid))}
		}
	}
	return all, nil
}

// fates are what became of containers over a restart of containerd.
type fates struct {
	kept int
	// lost are those that the restart ended; doubtful those that ended while
	// containerd was away and nobody saw how.
	lost, doubtful []string
}

// compareWorkloads tells what became of the containers that ran before a restart
// between the two moments.
func (t *transaction) compareWorkloads(ctx context.Context, before map[string]workload, from, to time.Time) (f fates, err error) {
	now, err := t.workloads(ctx)
	if err != nil {
		return f, err
	}
	for _, id := range slices.Sorted(maps.Keys(before)) {
		was := before[id]
		if is, runs := now[id]; runs && is.Pid == was.Pid && is.started == was.started {
			f.kept++
			continue
		}
		end, there, err := t.ending(ctx, was)
		if err != nil {
			return f, err
		}
		if !there {
			continue // it was removed, which happens only when somebody asks for it
		}
		switch fateOf(end, t.lives(was), t.processStart(int(was.PodPid)) == was.podStarted, from, to) {
		case lost:
			f.lost = append(f.lost, was.Name)
		case doubtful:
			f.doubtful = append(f.doubtful, was.Name)
		}
	}
	return f.judged(len(before)), nil
}

// judged decides about the doubtful: one container may end by itself in the very
// second in which containerd is away; that several do, and half of all or more,
// is the restart's doing.
func (f fates) judged(of int) fates {
	if len(f.doubtful) >= 2 && 2*len(f.doubtful) >= of {
		f.lost, f.doubtful = append(f.lost, f.doubtful...), nil
	}
	slices.Sort(f.lost)
	slices.Sort(f.doubtful)
	return f
}

func (t *transaction) lives(w workload) bool { return t.processStart(int(w.Pid)) == w.started }

// ending asks how a workload ended, and again while CRI has not yet heard that
// its process did.
func (t *transaction) ending(ctx context.Context, w workload) (cri.Ending, bool, error) {
	deadline := t.now().Add(goneWithin)
	for {
		end, there, err := t.cri.Ending(ctx, w.ID)
		if err != nil || !there || end.State != cri.Running || t.lives(w) || t.now().After(deadline) {
			return end, there, err
		}
		select {
		case <-ctx.Done():
			return end, there, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// fate is what became of one container that does not run as it did.
type fate string

const (
	// itself: it ended by itself, or somebody asked CRI to end it.
	itself   fate = "ended by itself"
	doubtful fate = "ended unseen"
	lost     fate = "ended by the restart"
)

// fateOf decides why a container that ran before a restart of containerd does not
// run as it did. end is what CRI says of it; lives and podLives tell whether its
// own first process, and that of its sandbox, are still those of before; from and
// to bound the restart, up to the first good answer of CRI.
//
// A sandbox never ends by itself, and CRI cannot be asked to stop a pod while it
// is away: a container that ended in that time together with its sandbox has lost
// its shim. With the sandbox running it most likely ended by itself. Its exit
// code is no sign: from 1.7 on containerd clears away what it finds ended at its
// start and says "Unknown", as it does of a container whose shim was killed.
func fateOf(end cri.Ending, lives, podLives bool, from, to time.Time) fate {
	switch {
	case end.State != "exited":
		return lost // started anew, or nobody knows
	case lives:
		return lost // it runs, and CRI does not know it any more
	case end.At.Before(from.Round(0)) || end.At.After(to.Round(0)):
		return itself
	case !podLives:
		return lost
	case end.Reason == cri.EndedUnknown:
		return doubtful
	}
	return itself
}

// errWorkloads tells that a restart of containerd was not harmless.
var errWorkloads = errors.New("containers of the node were restarted")

// maxNamed bounds how many containers an error names.
const maxNamed = 3

// someOf names the first and counts the rest.
func someOf(names []string) string {
	text := strings.Join(names[:min(len(names), maxNamed)], ", ")
	if more := len(names) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
