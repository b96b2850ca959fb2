package node

import (
	"context"
	"time"

	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/doctor"
)

// maxSince is how far back a journal is read at the most.
const maxSince = 31 * 24 * time.Hour

// failedPulls reads from the journal of containerd's unit which pulls failed in the
// time given; nil when none is. That it cannot be read is a part of the answer.
func failedPulls(ctx context.Context, read daemon.JournalReader, unit string, since time.Duration, now time.Time) *doctor.Journal {
	if since <= 0 {
		return nil
	}
	since = min(since, maxSince).Round(time.Second)
	j := &doctor.Journal{Since: now.Add(-since).UTC(), Pulls: []doctor.FailedPull{}}
	if unit == "" {
		j.Unread = "containerd runs under no unit of systemd here, so its log is somewhere else"
		return j
	}
	lines, whole, err := read.Read(ctx, unit, since, doctor.TellsOfPulls)
	if err != nil {
		j.Unread = err.Error()
		return j
	}
	log := make([]doctor.LogEntry, len(lines))
	for i, l := range lines {
		log[i] = doctor.LogEntry(l)
	}
	if j.Pulls, j.More = doctor.FailedPulls(log); j.Pulls == nil {
		j.Pulls = []doctor.FailedPull{}
	}
	if !whole && len(lines) > 0 {
		j.Since = lines[0].At
		j.Unread = "the journal is too big to be read further back"
	} else if !whole {
		j.Unread = "the journal is too big to be read"
	}
	return j
}
