package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/pullway/pullway/internal/protocol"
)

// Recorder keeps the record of a run. Save is called after every step that the
// driver learns of, and before every start; it must not keep run. What is
// reported while a Save is under way goes into the next one together.
type Recorder interface {
	Save(run *Run) error
}

// Driver carries out what Next decides.
type Driver struct {
	Connector Connector
	// Recorder and Observer may be nil.
	Recorder Recorder
	Observer Observer
	Timeouts Timeouts
	// Gate is asked before and after each node; nil for none. Undoing is not its
	// business: it is the way to safety.
	Gate Gate
	// Player changes the nodes of an apply whose Request.Play is set; nil for no such.
	Player Player
}

// Options of a run.
type Options struct {
	// Run is the head of the record: ID, Command, Name, SpecDigest, Operator,
	// Version and Policy. The rest of it is filled in by the driver.
	Run Run
	// Request holds Desired, Overwrite, Adopt, Force, NoProof, Kubespray, Play and Mend; the
	// rest is set here.
	Request protocol.Request
	// Stop, when closed, asks for StopSoon. The end of the context is StopNow.
	Stop <-chan struct{}
}

// Apply changes the planned nodes. It takes over their connections and closes
// all of them before it returns. The Run tells how every node ended and what the
// outcome is; a failed node is not an error. An error is about the input (then
// nothing was done and Run is nil) or about keeping the record (then no further
// node was started).
func (d *Driver) Apply(ctx context.Context, o Options, plans *Plans) (*Run, error) {
	head := o.Run
	head.Target = ""
	head.Nodes = plans.begun()
	var conns []Conn
	for i := range plans.Nodes {
		p := &plans.Nodes[i]
		conns = append(conns, p.conn)
		p.conn = nil
	}
	return d.begin(ctx, o, head, conns)
}

// begin makes a fresh run of head and drives it.
func (d *Driver) begin(ctx context.Context, o Options, head Run, conns []Conn) (*Run, error) {
	head.Schema = RunSchema
	head.Started = time.Now()
	head.Ended = time.Time{}
	head.Outcome, head.Reason, head.Stop = "", "", StopNone
	head.Policy = head.Policy.normal()
	head.Play = o.Request.Play
	head.Adopt, head.Force, head.NoProof = o.Request.Adopt, o.Request.Force, o.Request.NoProof
	return d.drive(ctx, o, &head, conns)
}

// drive drives rec to its end.
func (d *Driver) drive(ctx context.Context, o Options, rec *Run, conns []Conn) (*Run, error) {
	return d.with(o, rec, conns, func(r *run) { r.loop(ctx) })
}

// with makes what drives rec and lets do use it. All connections are closed and
// all that was told has been passed on when it returns.
func (d *Driver) with(o Options, rec *Run, conns []Conn, do func(*run)) (*Run, error) {
	r := &run{
		Driver:  d,
		times:   d.Timeouts.withDefaults(),
		request: o.Request,
		rec:     rec,
		conns:   conns,
		news:    newQueue[update](),
		mail:    newMailbox(d.Observer),
		stop:    o.Stop,
		index:   make(map[string]int, len(rec.Nodes)),
	}
	defer r.mail.close()
	defer r.closeAll()
	if rec.ID == "" {
		return nil, errors.New("run has no id")
	}
	if err := checkTargets(rec.targets()); err != nil {
		return nil, err
	}
	for i, n := range rec.Nodes {
		r.index[n.Name] = i
	}
	do(r)
	return rec, r.saveErr
}
