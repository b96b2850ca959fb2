package cri

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// pollFirst and pollLast bound the pause between two questions.
	pollFirst = 50 * time.Millisecond
	pollLast  = 250 * time.Millisecond
	// watchEvery is the pause between two questions of Watch.
	watchEvery = 10 * time.Millisecond
	// missingFor is how long CRI may be missing before waiting is given up: the
	// socket answers only after every plugin was tried, so a daemon without CRI
	// does not get it later. The time covers the end of the old process.
	missingFor = 2 * time.Second
	// statusTime bounds one question while waiting, so that a daemon that takes
	// the connection and says nothing is asked again.
	statusTime = 2 * time.Second
)

// UnhealthyError tells that CRI was not well in time.
type UnhealthyError struct {
	// Health is the last one seen; the zero Health when the socket stayed away.
	Health Health
	// Waited is how long.
	Waited time.Duration
	// Text is one line: why not.
	Text string
}

// Error returns one line.
func (e *UnhealthyError) Error() string {
	return fmt.Sprintf("CRI was not healthy within %s: %s", e.Waited.Round(time.Millisecond), e.Text)
}

// WaitHealthy asks every 50 ms, later every 250 ms, until CRI is healthy and
// meets the baseline; it reconnects while the socket is away. The duration is
// the gap: from the call until the first healthy answer, zero when already the
// first answer was one. It gives up with an *UnhealthyError after within, or
// earlier, once a daemon without CRI answered for two seconds, and with the
// context's error when ctx ends.
func (c *Client) WaitHealthy(ctx context.Context, want Baseline, within time.Duration) (Health, time.Duration, error) {
	start := time.Now()
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var (
		last    Health
		why     = "the socket took the question and gave no answer"
		missing time.Time
		pause   = pollFirst
	)
	giveUp := func() (Health, time.Duration, error) {
		waited := time.Since(start)
		if err := ctx.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return last, waited, err
		}
		return last, waited, &UnhealthyError{Health: last, Waited: waited, Text: why}
	}
	for first := true; ; first = false {
		c.conn.ResetConnectBackoff()
		h, err := c.askWithin(waiting, statusTime)
		ok := false
		switch {
		case err == nil:
			last = h
			ok, why = h.Meets(want)
		case waiting.Err() == nil:
			last, why = Health{}, reasonOf(err)
		}
		if ok && first {
			return h, 0, nil
		}
		if ok {
			return h, time.Since(start), nil
		}
		if err != nil || !h.CRIMissing {
			missing = time.Time{}
		} else if missing.IsZero() {
			missing = time.Now()
		} else if time.Since(missing) >= missingFor {
			return giveUp()
		}
		if !sleep(waiting, pause) {
			return giveUp()
		}
		pause = min(pause*3/2, pollLast)
	}
}

// Watch measures how long CRI does not answer while something else happens,
// such as a restart that returns only when it is over. The function it returns
// ends the watch and tells the gap: the longest time from a good answer to the
// next one, with at least one call between them that failed or found CRI not
// ready; zero when no call did. CRI is asked every 10 ms, so the gap is never
// shorter than the time CRI was away, and longer by twice that and the time of
// two calls at the most; an absence of less than 10 ms may go unseen.
func (c *Client) Watch(ctx context.Context) (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan time.Duration, 1)
	go func() {
		var longest time.Duration
		healthy, failing := time.Now(), false
		for ctx.Err() == nil {
			c.conn.ResetConnectBackoff()
			asking, end := context.WithTimeout(ctx, statusTime)
			h, err := c.status(asking)
			end()
			if ctx.Err() != nil {
				break
			}
			now := time.Now()
			if err != nil || !h.RuntimeReady {
				failing = true
			} else {
				if failing {
					longest = max(longest, now.Sub(healthy))
				}
				healthy, failing = now, false
			}
			sleep(ctx, watchEvery)
		}
		if failing {
			longest = max(longest, time.Since(healthy))
		}
		done <- longest
	}()
	return sync.OnceValue(func() time.Duration {
		cancel()
		return <-done
	})
}

func (c *Client) askWithin(ctx context.Context, within time.Duration) (Health, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return c.Health(ctx)
}

// sleep waits and reports whether the whole pause passed.
func sleep(ctx context.Context, pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func reasonOf(err error) string {
	if ce, ok := errors.AsType[*CallError](err); ok {
		return ce.Text
	}
	return clean(err.Error())
}
