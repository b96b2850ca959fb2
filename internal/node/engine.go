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
	now     func() time.Time
}

// NewEngine makes an engine that keeps its state in dir. Events go to tell, and
// the operator's Control lines come from control.
func NewEngine(dir string, tell func(protocol.Step, string), control <-chan protocol.Control) *Engine {
	return &Engine{store: store{dir: dir}, tell: tell, control: control, now: time.Now}
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
	case protocol.OpApply, protocol.OpVerify, protocol.OpRollback, protocol.OpRecover:
	default:
		return nil, &protocol.Error{Kind: protocol.ErrInvalid, Text: "unknown operation " + string(req.Op)}
	}
	e.tell(protocol.StepLock, "")
	unlock, err := e.store.lock(req.Run, string(req.Op), e.now())
	if err != nil {
		return nil, err
	}
	defer unlock()
	recovered, err := e.settle(ctx)
	if err != nil {
		return &protocol.Reply{Result: recovered}, err
	}
	switch req.Op {
	case protocol.OpApply:
		return e.apply(ctx, req)
	case protocol.OpVerify:
		return e.verify(ctx, req)
	case protocol.OpRollback:
		return e.rollback(ctx, req)
	default:
		if recovered == nil {
			recovered = &protocol.Result{Outcome: protocol.OutcomeUnchanged}
		}
		return &protocol.Reply{Result: recovered}, nil
	}
}

// made observes the node and makes its plan.
func (e *Engine) made(ctx context.Context, req protocol.Request) (*observation, plan.Made, config.Desired, error) {
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
	o, err := observe(ctx, e.store)
	if err != nil {
		return nil, plan.Made{}, desired, err
	}
	askUnknown(ctx, &desired)
	return o, plan.Make(o.Observed, desired, plan.Options{Adopt: req.Adopt, Force: req.Force, Key: key}), desired, nil
}

// askUnknown asks registries from here that could not be asked from the
// operator's side how they take a credential. Silence leaves it unknown.
func askUnknown(ctx context.Context, d *config.Desired) {
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

func (e *Engine) prover(o *observation, made plan.Made, desired config.Desired) prover {
	return prover{disk: e.store.disk, cri: o.cri, release: o.Release, hostsDir: o.HostsDir,
		desired: desired, header: made.Header, tell: e.tell}
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
