package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// pins is the node's note of the images that a prepull keeps. It is written before
// the first of them is pinned, so that the next contact knows of pins that a dead
// engine left. Which pins are ours is told by their label (see cri.Pin), not by this.
type pins struct {
	protocol.Pins
	// Address of the containerd that has them.
	Address string `json:"address"`
}

func (s store) pinsPath() string { return s.path("pins.json") }

// pinned is the note; nil when nothing is kept.
func (s store) pinned() (*pins, error) {
	var p pins
	found, err := s.load(s.pinsPath(), &p)
	if err != nil || !found {
		return nil, err
	}
	return &p, nil
}

// note adds images to the note, or makes it. A later run takes the pins over.
func (s store) note(p pins) error {
	before, err := s.pinned()
	if err != nil {
		return err
	}
	if before != nil {
		p.Images = append(p.Images, before.Images...)
	}
	slices.Sort(p.Images)
	p.Images = slices.Compact(p.Images)
	return s.save(s.pinsPath(), p)
}

// keepNoted makes the note say of the images that were asked for those that are
// kept. A note of nothing goes.
func (s store) keepNoted(asked, kept []string) error {
	p, err := s.pinned()
	if err != nil || p == nil {
		return err
	}
	p.Images = slices.DeleteFunc(p.Images, func(ref string) bool { return slices.Contains(asked, ref) && !slices.Contains(kept, ref) })
	if len(p.Images) == 0 {
		return s.disk.remove(s.pinsPath())
	}
	return s.save(s.pinsPath(), p)
}

// pinStore is what holds pins and leases.
type pinStore interface {
	Unpin(ctx context.Context) ([]string, error)
	LetGo(ctx context.Context) error
}

// letGo takes every pin of ours away, and the lease of what was not fetched whole,
// then forgets the note. It may be repeated.
func (s store) letGo(ctx context.Context, c pinStore) ([]string, error) {
	names, err := c.Unpin(ctx)
	if err := errors.Join(err, c.LetGo(ctx)); err != nil {
		return names, err
	}
	return names, s.disk.remove(s.pinsPath())
}

// letGoWithin bounds letting go of pins at the end of a change.
const letGoWithin = 10 * time.Second

// done lets go of what a prepull keeps once the change that it was for is made, or
// undone as asked. A node that cannot is not worse for it: the note stays, and so
// does the warning.
func (e *Engine) done(res *protocol.Result) {
	if res == nil || res.Outcome != protocol.OutcomeApplied && res.Outcome != protocol.OutcomeRolledBack {
		return
	}
	p, err := e.store.pinned()
	if err == nil && p == nil {
		return
	}
	if err == nil {
		// The operator may be gone by now; that does not keep the images for ever.
		ctx, cancel := context.WithTimeout(context.Background(), letGoWithin)
		defer cancel()
		var c *cri.Client
		if c, err = cri.Dial(p.Address); err == nil {
			defer c.Close() //nolint:errcheck // nothing was written
			_, err = e.store.letGo(ctx, c)
		}
	}
	if err != nil {
		res.Warnings = append(res.Warnings, plan.Notice{ID: "pins", Text: "images that prepull pinned are still pinned: " + oneLine(err), Hint: unpinHint})
	}
}

const unpinHint = "pullway prepull --unpin lets go of them"
