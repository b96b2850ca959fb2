package node

import (
	"context"
	"fmt"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// watch tells how many bytes have come, and gives up pulls that bring none.
func (f *fetching) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	start, last, told := f.now(), f.now(), ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		came := f.count(ctx)
		// The longer it takes the less often it is told, so that a day's pulling stays
		// within what an engine may say.
		if every := max(2*watchEvery, f.now().Sub(start)/1000); f.now().Sub(last) < every {
			continue
		}
		text := fmt.Sprintf("%d of %d images, %s of %s", f.ended(), len(f.all), protocol.Size(came), protocol.Size(f.reply.Bytes))
		if text != told {
			f.tell(protocol.StepPull, text)
			last, told = f.now(), text
		}
	}
}

func (f *fetching) ended() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done
}

// count looks what has come, of all that was to come, and gives up what does not move.
func (f *fetching) count(ctx context.Context) int64 {
	parts, err := f.images.Fetching(ctx)
	if err != nil {
		return 0
	}
	f.mu.Lock()
	if f.came == nil {
		f.came = map[string]bool{}
	}
	var open []string
	for a := range f.at {
		for _, b := range a.missing {
			if !f.came[b.Digest] {
				open = append(open, b.Digest)
			}
		}
	}
	f.mu.Unlock()
	missing, err := f.images.Missing(ctx, open)
	if err != nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range open {
		f.came[d] = true
	}
	for _, d := range missing {
		delete(f.came, d)
	}
	now := f.now()
	for a, p := range f.at {
		bytes, whole := f.arrived(a, parts)
		if bytes != p.bytes || whole != p.whole {
			p.bytes, p.whole, p.moved = bytes, whole, now
		}
		if why := stalled(now.Sub(p.moved), f.stall, whole || !a.known, bytes, a.Bytes); why != nil {
			p.giveUp(why)
		}
	}
	return f.total(parts)
}

// arrived is how many bytes of an image have come, and whether all have. Of an
// image that nobody knows the size of, everything that comes to the node counts.
func (f *fetching) arrived(a *ahead, parts map[string]int64) (bytes int64, whole bool) {
	if !a.known {
		for _, n := range parts {
			bytes += n
		}
		return bytes, false
	}
	whole = true
	for _, b := range a.missing {
		if f.came[b.Digest] {
			bytes += b.Size
			continue
		}
		whole = false
		bytes += min(parts[b.Digest], b.Size)
	}
	return bytes, whole
}

// total is arrived of all images, each blob once.
func (f *fetching) total(parts map[string]int64) (bytes int64) {
	seen := map[string]bool{}
	for _, a := range f.all {
		there := a.State == protocol.AheadPulled
		for _, b := range a.missing {
			switch {
			case seen[b.Digest]:
				continue
			case there || f.came[b.Digest]:
				bytes += b.Size
			default:
				bytes += min(parts[b.Digest], b.Size)
			}
			seen[b.Digest] = true
		}
	}
	return bytes
}

// stalledError is a pull that brought nothing for too long.
type stalledError struct {
	quiet         time.Duration
	bytes, of     int64
	nobodyCounted bool
}

func (e *stalledError) Error() string {
	if e.nobodyCounted {
		return fmt.Sprintf("it did not end within %s of its last byte", e.quiet)
	}
	return fmt.Sprintf("no byte came for %s; %s of %s are there", e.quiet, protocol.Size(e.bytes), protocol.Size(e.of))
}

// stalled decides whether a pull is given up. uncounted is one whose bytes are all
// there, so that containerd unpacks, or are not known.
func stalled(quiet, stall time.Duration, uncounted bool, bytes, of int64) error {
	limit := stall
	if uncounted {
		limit = max(stall, unpackWithin)
	}
	if quiet < limit {
		return nil
	}
	return &stalledError{quiet: limit, bytes: bytes, of: of, nobodyCounted: uncounted}
}
