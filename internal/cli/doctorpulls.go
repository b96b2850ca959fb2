package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/report"
)

// pullFlags say where doctor reads of pulls that failed.
type pullFlags struct {
	since   time.Duration
	cluster clusterFlags
	// events are read once for all; nil without --kubeconfig.
	events *report.Events
}

func (f *pullFlags) register(c *cobra.Command) {
	c.Flags().DurationVar(&f.since, "since", time.Hour, "how far back to look for pulls that failed: in containerd's journal on nodes, and in events; 0 looks at no journal")
	f.cluster.register(c, "read of failed pulls in the events of this cluster, too; with --fix ask it before and after each node, as apply does")
	_ = c.RegisterFlagCompletionFunc("since", cobra.FixedCompletions([]string{"0", "15m", "1h", "24h"}, cobra.ShellCompDirectiveNoFileComp))
}

// read reads the events of the cluster, if one is named. That they cannot be read is
// a part of the answer. A fix of nodes asks the cluster itself, and reads no events.
func (f *pullFlags) read(ctx context.Context, now time.Time, fixes bool) error {
	if f.since < 0 {
		return usage(errors.New("--since is negative"), "write it like 1h; 0 looks at no journal")
	}
	if fixes {
		return f.cluster.check()
	}
	cluster, err := f.cluster.open()
	if cluster == nil || err != nil {
		return err
	}
	since := f.since
	if since == 0 {
		since = time.Hour
	}
	e := &report.Events{Since: now.Add(-since).UTC(), Pulls: []doctor.FailedPull{}}
	f.events = e
	all, whole, err := cluster.PullEvents(ctx, e.Since)
	switch {
	case err != nil:
		e.Unread = err.Error()
		if h := hintOf(err); h != "" {
			e.Unread += "; " + h
		}
	case !whole:
		e.Unread = "there are more than can be read"
	}
	events := make([]doctor.Event, len(all))
	for i, x := range all {
		events[i] = doctor.Event{Node: x.Node, Message: x.Message, At: x.At, Times: x.Times}
	}
	if pulls, more := doctor.KubeletPulls(events); pulls != nil {
		e.Pulls, e.More = pulls, more
	}
	return nil
}

// with adds the events to a result.
func (f *pullFlags) with(d report.Doctor, ignore []string) report.Doctor {
	if f.events == nil {
		return d
	}
	return d.WithEvents(*f.events, ignore)
}
