package node

import (
	"context"
	"slices"
	"time"
)

// lingerFor is how long a file stays after the last file that named it is gone. A
// pull reads hosts.toml first and the certificates that it names right after it,
// and fails when one has gone in between (loadHostDir, then LoadCertFiles, in
// core/remotes/docker/config/hosts.go). On a node without a processor to spare
// some milliseconds lie between the two.
const lingerFor = 2 * time.Second

// lingers reports whether the item takes away a file that a host directory which
// stays may have named.
func (i Item) lingers() bool {
	return i.removes() && i.Before.Kind == KindFile && !i.Config
}

// undoLingers is lingers for the way back: the file came, and goes again.
func (i Item) undoLingers() bool {
	return i.Before.Kind == KindAbsent && i.After.Kind == KindFile && !i.Config && exists(i.Target)
}

// leaves reports whether the transaction takes away a file that pulls may still read.
func (t *transaction) leaves() bool {
	return t.linger > 0 && t.record.Play == nil && slices.ContainsFunc(t.record.Items, Item.lingers)
}

// letPullsRead waits until no pull can be left that read what was in force before
// the swap and has not read the files that it names.
func (t *transaction) letPullsRead(ctx context.Context) error {
	return waitUntil(ctx, t.swapped.Add(t.linger))
}

// waitUntil returns at that time, or with the reason when the context ends before.
func waitUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
