package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
)

const (
	// watchEvery is how often it is looked at how many bytes have come.
	watchEvery = time.Second
	// unpackWithin bounds what follows once every byte is there, and a pull of
	// which nobody knows how many there are.
	unpackWithin = 10 * time.Minute
	// toldWithin is how long CRI may take to see that an image was pinned.
	toldWithin = time.Second
)

// fetch pulls what is missing and pins what is there, at most PerNode at once. What
// goes wrong with an image is told of it; the error is the node's.
func (p *prepulling) fetch(ctx context.Context, all []*ahead) error {
	before, err := p.store.pinned()
	if err != nil {
		return err
	}
	var refs []string
	var todo []*ahead
	for _, a := range all {
		if a.State == protocol.AheadRefused {
			continue
		}
		// What an earlier run pinned stays noted, even if this one is cut off at once.
		a.touched = before != nil && slices.Contains(before.Images, a.Ref)
		refs = append(refs, a.Ref)
		todo = append(todo, a)
	}
	if len(todo) == 0 {
		return nil
	}
	lease, err := p.images.Hold(ctx, p.req.Run, p.now())
	if err != nil {
		return err
	}
	if err := p.store.note(pins{Pins: protocol.Pins{Run: p.req.Run, Operator: p.req.Operator, Since: p.now(), Images: refs}, Address: p.address}); err != nil {
		return err
	}
	f := &fetching{prepulling: p, lease: lease, credentials: credentials(p.req.Prepull.Credentials), stall: p.req.Prepull.Stall, all: todo, at: map[*ahead]*progress{}}
	if f.stall <= 0 {
		f.stall = protocol.DefaultStall
	}
	f.run(ctx)
	return errors.Join(f.settle(refs), context.Cause(ctx), p.remember())
}

// settle makes the note say what is kept. When every image is whole the lease goes;
// else it keeps what has come for the next run, for a day.
func (f *fetching) settle(asked []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), letGoWithin)
	defer cancel()
	whole := true
	var kept []string
	for _, a := range f.all {
		whole = whole && (a.State == protocol.AheadPulled || a.State == protocol.AheadPresent)
		if a.touched && !f.deaf {
			kept = append(kept, a.Ref)
		}
	}
	errs := []error{f.store.keepNoted(asked, kept)}
	if f.deaf {
		// Labels that nobody reads keep nothing.
		_, err := f.images.Unpin(ctx)
		errs = append(errs, err)
	}
	if whole {
		errs = append(errs, f.images.LetGo(ctx))
	}
	return errors.Join(errs...)
}

// fetching is the pulls of one node.
type fetching struct {
	*prepulling
	lease       string
	credentials []cri.Credential
	stall       time.Duration
	all         []*ahead

	mu   sync.Mutex
	at   map[*ahead]*progress // of the pulls under way
	came map[string]bool      // blobs that are there
	done int
	deaf bool // containerd does not know pins
}

// progress of one pull.
type progress struct {
	bytes  int64
	moved  time.Time
	whole  bool
	giveUp context.CancelCauseFunc
}

// run pulls all and returns when every pull has ended.
func (f *fetching) run(ctx context.Context) {
	watching, stop := context.WithCancel(ctx)
	var watcher, workers sync.WaitGroup
	watcher.Go(func() { f.watch(watching) })
	next := make(chan *ahead)
	for range max(1, min(f.req.Prepull.PerNode, len(f.all))) {
		workers.Go(func() {
			for a := range next {
				f.one(ctx, a)
			}
		})
	}
	for _, a := range f.all {
		next <- a
	}
	close(next)
	workers.Wait()
	stop()
	watcher.Wait()
}

// one brings one image there and pins it.
func (f *fetching) one(ctx context.Context, a *ahead) {
	if ctx.Err() != nil {
		return
	}
	if a.State == protocol.AheadMissing {
		start := f.now()
		err := f.pull(ctx, a)
		a.Took = f.now().Sub(start)
		if ctx.Err() != nil {
			return // it is not the image's fault
		}
		if err != nil {
			f.became(a, protocol.AheadFailed)
			a.Error = oneLine(err)
			var pe *cri.PullError
			if errors.As(err, &pe) {
				a.Error, a.Hint = pe.Text, pe.Hint
			} else if stuck := new(stalledError); errors.As(err, &stuck) {
				a.Hint = "look at the registry and the way to it; --stall waits longer"
			} else {
				a.Hint = hintOf(err)
			}
			f.tell(protocol.StepPulled, a.Ref+" failed: "+a.Error)
			return
		}
		f.became(a, protocol.AheadPulled)
	}
	f.pin(ctx, a)
	f.mu.Lock()
	f.done++
	done := f.done
	f.mu.Unlock()
	if a.State == protocol.AheadPulled {
		f.tell(protocol.StepPulled, fmt.Sprintf("%s, %s in %s (%d of %d images)", a.Ref, protocol.Size(a.Bytes), a.Took.Round(100*time.Millisecond), done, len(f.all)))
	}
}

// became sets a state that the watcher reads, too.
func (f *fetching) became(a *ahead, s protocol.AheadState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.State = s
}

// pull tries the image's pull secrets and then none, as kubelet does. A registry
// that refuses one may take the next.
func (f *fetching) pull(ctx context.Context, a *ahead) (err error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	// It ends by what is watched, not by the clock: a large image may take an hour.
	ctx, cancel := context.WithDeadline(ctx, f.now().Add(24*time.Hour))
	defer cancel()
	f.mu.Lock()
	f.at[a] = &progress{moved: f.now(), giveUp: giveUp}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.at, a)
	}()
	for _, as := range f.tries(a.want) {
		var p cri.Pulled
		if p, err = f.images.PullAhead(ctx, a.Ref, as, f.lease); err == nil {
			a.Digest, a.Secret = p.Digest, as != cri.Credential{}
			return nil
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if pe := new(cri.PullError); !errors.As(err, &pe) || pe.Kind != cri.Unauthorized {
			return err
		}
	}
	return err
}

func (f *fetching) tries(want protocol.Ahead) []cri.Credential {
	var all []cri.Credential
	for _, i := range want.As {
		if i >= 0 && i < len(f.credentials) {
			all = append(all, f.credentials[i])
		}
	}
	return append(all, cri.Credential{})
}

// pin pins an image that is there, and sees that CRI says so.
func (f *fetching) pin(ctx context.Context, a *ahead) {
	f.mu.Lock()
	deaf := f.deaf
	f.mu.Unlock()
	if deaf {
		return
	}
	was, err := f.images.Pinned(ctx, a.Ref)
	var ours []string
	if err == nil {
		a.touched = true
		ours, err = f.images.Pin(ctx, a.Ref, f.req.Run)
	}
	if err == nil {
		a.Pinned, err = f.seen(ctx, a.Ref)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil:
		f.reply.Warning = "not pinned: " + oneLine(err)
	case !a.Pinned:
		f.deaf = true
		f.reply.Warning = "containerd " + f.reply.Release + " knows no pins: kubelet's garbage collection may take these images when the disk fills up"
	case len(ours) > 0:
		a.By = "pullway"
	case was:
		a.By = "others"
	}
}

// seen waits until CRI has heard of a pin.
func (f *fetching) seen(ctx context.Context, ref string) (bool, error) {
	for end := time.Now().Add(toldWithin); ; {
		is, err := f.images.Pinned(ctx, ref)
		if err != nil || is || time.Now().After(end) {
			return is, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}
