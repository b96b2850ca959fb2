package node

import (
	"context"
	"errors"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/registry"
)

// Engine answers requests on the node it runs on.
type Engine struct {
	store store
	tell  func(protocol.Step, string)
	// control gives the operator's words after the request; it is closed when the
	// connection ends.
	control <-chan protocol.Control
	// lost is closed when the connection ended while the engine was at work; nil
	// where there is none.
	lost <-chan struct{}
	now  func() time.Time
	// bus is the connection to systemd, kept between requests; nil makes one for
	// each question.
	bus *daemon.Bus
	// bySwitch tells that the switch started this engine: it is set, or was until now.
	bySwitch bool
	// switches says where a dead man's switch is; the zero value is this machine.
	switches daemon.DeadMan
	// reopen makes a transaction again of the record of an interrupted one.
	reopen func(context.Context, *Record) (reopened, error)
}

// NewEngine makes an engine that keeps its state in dir. Events go to tell, and
// the operator's Control lines come from control.
func NewEngine(dir string, tell func(protocol.Step, string), control <-chan protocol.Control) *Engine {
	e := &Engine{store: store{dir: dir}, tell: tell, control: control, now: time.Now}
	e.reopen = e.reopenHere
	instrument(e)
	return e
}

// Do carries out one request. The reply always says how the node is now.
func (e *Engine) Do(ctx context.Context, req protocol.Request) *protocol.Reply {
	reply, err := e.dispatch(ctx, req)
	if reply == nil {
		reply = &protocol.Reply{}
	}
	if err != nil {
		reply.Error = asError(err)
	}
	return reply
}

func (e *Engine) dispatch(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	if req.Version != protocol.Version {
		return nil, &protocol.Error{Kind: protocol.ErrInvalid, Text: "the request is of another protocol version", Hint: "use one build of pullway on both sides"}
	}
	if err := e.store.prepare(); err != nil {
		return nil, err
	}
	switch req.Op {
	case protocol.OpPlan:
		return e.plan(ctx, req)
	case protocol.OpStatus:
		return e.status(ctx, req)
	case protocol.OpExport:
		return e.export(ctx)
	case protocol.OpSurvey:
		return e.survey(ctx, req)
	case protocol.OpDoctor:
		return e.doctor(ctx, req)
	case protocol.OpTrace:
		return e.trace(ctx, req)
	case protocol.OpConfirm:
		return e.confirm(ctx, req)
	case protocol.OpPrepull:
		if req.Prepull != nil && req.Prepull.DryRun {
			return e.prepull(ctx, req)
		}
	case protocol.OpApply, protocol.OpVerify, protocol.OpRollback, protocol.OpRecover:
	default:
		return nil, &protocol.Error{Kind: protocol.ErrInvalid, Text: "unknown operation " + string(req.Op)}
	}
	e.tell(protocol.StepLock, "")
	release, err := e.hold(req)
	if err != nil {
		return nil, err
	}
	defer release()
	recovered, err := e.settle(ctx)
	if err != nil {
		return &protocol.Reply{Result: recovered}, err
	}
	e.done(recovered)
	switch req.Op {
	case protocol.OpApply:
		change := e.apply
		if req.Play {
			change = e.play
		}
		reply, err := change(ctx, req)
		if reply != nil {
			e.done(reply.Result)
		}
		return reply, err
	case protocol.OpVerify:
		return e.verify(ctx, req)
	case protocol.OpRollback:
		reply, err := e.rollback(ctx, req)
		if reply != nil {
			e.done(reply.Result)
		}
		return reply, err
	case protocol.OpPrepull:
		return e.prepull(ctx, req)
	default:
		if recovered == nil {
			recovered = &protocol.Result{Outcome: protocol.OutcomeUnchanged}
		}
		return &protocol.Reply{Result: recovered}, nil
	}
}

// made observes the node and makes its plan.
func (e *Engine) made(ctx context.Context, req protocol.Request) (*observation, plan.Made, config.Desired, error) {
	if req.Mend != nil {
		return e.mended(ctx, req)
	}
	if req.Desired == nil {
		return nil, plan.Made{}, config.Desired{}, &protocol.Error{Kind: protocol.ErrInvalid, Text: "the request has no desired state"}
	}
	desired, err := config.FromWire(*req.Desired)
	if err != nil {
		return nil, plan.Made{}, desired, &protocol.Error{Kind: protocol.ErrInvalid, Text: err.Error()}
	}
	e.tell(protocol.StepObserve, "")
	key, err := e.store.key()
	if err != nil {
		return nil, plan.Made{}, desired, err
	}
	o, err := observe(ctx, e.store, e.bus)
	if err != nil {
		return nil, plan.Made{}, desired, err
	}
	askUnknown(ctx, &desired)
	return o, plan.Make(o.Observed, desired, plan.Options{Overwrite: req.Overwrite, Adopt: req.Adopt, Force: req.Force, Kubespray: req.Kubespray, Key: key}), desired, nil
}

// askWithin bounds all registries that a node asks for one plan, which has a
// minute: one that drips must not cost the others their plan.
const askWithin = 20 * time.Second

// askUnknown asks registries from here that could not be asked from the
// operator's side how they take a credential. Silence leaves it unknown.
func askUnknown(ctx context.Context, d *config.Desired) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	for i := range d.Registries {
		r := &d.Registries[i]
		if r.Auth == nil || r.Auth.Accepts != config.AcceptsUnknown || r.Auth.Delivery != v1alpha1.DeliveryAuto {
			continue
		}
		r.Auth.Accepts = registry.Accepts(ctx, *r, d.VerifyImages)
	}
}

func (e *Engine) plan(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	o, made, _, err := e.made(ctx, req)
	if err != nil {
		return nil, err
	}
	defer o.close()
	if req.Play {
		made.Node = plan.ForPlay(o.Observed, playOptions(req))
	}
	left, holder, err := e.store.interrupted()
	switch {
	case err != nil:
		return nil, err
	case holder != nil:
		// In the middle of somebody's change a node is not what it looks like.
		return nil, &LockedError{*holder}
	case left != nil:
		made.Node.Interrupted = left.ID
		made.Node.Warnings = append(made.Node.Warnings, plan.Notice{ID: "interrupted",
			Text: "an earlier run was interrupted on this node: transaction " + left.ID,
			Hint: "apply puts the node back first, and plans it again"})
	}
	return &protocol.Reply{Plan: &made.Node}, nil
}

func (e *Engine) verify(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	o, made, desired, err := e.made(ctx, req)
	if err != nil {
		return nil, err
	}
	defer o.close()
	if !o.Healthy {
		return nil, &protocol.Error{Kind: protocol.ErrFailed, Text: o.Health}
	}
	proofs, err := e.prover(o, made, desired).all(ctx)
	return &protocol.Reply{Proofs: proofs}, err
}

func (e *Engine) prover(o *observation, made plan.Made, desired config.Desired) *prover {
	provable := func(r config.Registry) bool {
		ok, _ := made.Provable(o.Observed, r)
		return ok && exists(o.HostsDir)
	}
	return &prover{disk: e.store.disk, cri: pointedCRI{o.cri, e.store.disk.hook}, release: o.Release, hostsDir: o.HostsDir,
		desired: desired, header: made.Header, provable: provable, restart: made.Node.Restart.Needed, tell: e.tell}
}

// asError gives an error its kind for the operator's side.
func asError(err error) *protocol.Error {
	var pe *protocol.Error
	var locked *LockedError
	var missing *daemon.NotFoundError
	var several *daemon.SeveralError
	var pull *cri.PullError
	switch {
	case errors.As(err, &pe):
		return pe
	case errors.As(err, &locked):
		return &protocol.Error{Kind: protocol.ErrLocked, Text: locked.Error(), Hint: "wait for it, or stop it on the machine that started it"}
	case errors.As(err, &missing):
		return &protocol.Error{Kind: protocol.ErrNoDaemon, Text: missing.Error(), Hint: missing.Hint}
	case errors.As(err, &several):
		return &protocol.Error{Kind: protocol.ErrNoDaemon, Text: several.Error(), Hint: several.Hint}
	case errors.As(err, &pull):
		return &protocol.Error{Kind: protocol.ErrFailed, Text: oneLine(err), Hint: pull.Hint}
	}
	return &protocol.Error{Kind: protocol.ErrFailed, Text: oneLine(err), Hint: hintOf(err)}
}
