package cli

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/report"
)

// session is one command that changes nodes: the store of records, whose lock it
// holds, and the head of its own record.
type session struct {
	*app
	nodes *fleetNodes
	store record.Store
	lock  *record.Lock
	head  fleet.Run
	// earlier are the records of the newest runs, newest first.
	earlier []*fleet.Run
	// book is Kubespray's playbook, where that changes the nodes.
	book *playbook
}

// mostEarlier is how many records are looked at for a run that did not end.
const mostEarlier = 50

// begin takes the lock of this machine's store and reads its newest records. A
// record that is damaged is told of, when it is newer than all others, and does
// not block.
func (a *app) begin(command string, nodes *fleetNodes) (*session, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	s := &session{app: a, nodes: nodes, store: store}
	s.head = fleet.Run{Command: command, Operator: operator(), Version: Version(), Started: a.now()}
	s.head.ID = record.NewID(s.head.Started)
	if s.lock, err = store.Lock(s.holder(s.head.ID)); err != nil {
		return nil, err
	}
	earlier, damaged, err := store.List(mostEarlier)
	if err != nil {
		s.end()
		return nil, err
	}
	s.earlier = earlier
	for _, d := range damaged {
		if len(earlier) == 0 || d.ID > earlier[0].ID || s.lock.Abandoned != nil && s.lock.Abandoned.Run == d.ID {
			a.warn(d.Error()+"; it is passed over", "what it left on nodes is settled when they are reached; pullway history -i INVENTORY asks the nodes about it")
		}
	}
	return s, nil
}

func (s *session) holder(run string) record.Holder {
	return holderOf(s.head.Operator, run, s.head.Command, s.head.Started)
}

func holderOf(operator, run, command string, since time.Time) record.Holder {
	return record.Holder{Operator: operator, PID: os.Getpid(), Run: run, Command: command, Since: since}
}

// end gives the lock back.
func (s *session) end() { _ = s.lock.Unlock() }

// goOn makes the session one of an earlier run.
func (s *session) goOn(r *fleet.Run) error {
	s.head.ID = r.ID
	return s.lock.Rename(s.holder(r.ID))
}

// say writes a line about what is going on.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintln(a.streams.Err, report.Clean(fmt.Sprintf(format, args...)))
}

// run drives the fleet with a record, a progress view and Ctrl-C, and shows the
// result.
func (s *session) run(ctx context.Context, o fleet.Options, do func(context.Context, *fleet.Driver, fleet.Options) (*fleet.Run, error)) error {
	result, err := s.drive(ctx, o, do)
	if err != nil {
		return err
	}
	if err := s.show(report.NewRun(result)); err != nil {
		return err
	}
	return verdict(result.Outcome.ExitCode())
}

// drive is run without the result.
func (s *session) drive(ctx context.Context, o fleet.Options, do func(context.Context, *fleet.Driver, fleet.Options) (*fleet.Run, error)) (*fleet.Run, error) {
	head := s.head
	head.Name, head.SpecDigest, head.Policy = o.Run.Name, o.Run.SpecDigest, o.Run.Policy
	o.Run = head
	ctx, stop, done := s.stopping(ctx)
	defer done()
	o.Stop = stop
	progress := s.progress()
	defer progress.Close()
	d := &fleet.Driver{Connector: s.nodes.connector, Recorder: s.store.Keep(), Observer: progress, Timeouts: s.limits.timeouts, Gate: s.nodes.gate}
	if s.book != nil {
		d.Player = s.book.player(s.head.ID, progress)
	}
	return do(ctx, d, o)
}

func operator() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}
