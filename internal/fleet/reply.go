package fleet

import (
	"errors"
	"fmt"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// fits checks that a reply answers req: a node that answers something else, or
// nothing, must not be taken for one where all is well. An error that the engine
// told is an answer to everything.
func fits(req protocol.Request, reply *protocol.Reply) error {
	if reply.Error != nil {
		return nil
	}
	missing := func(there bool, what string) error {
		if there {
			return nil
		}
		return errors.New("the engine's reply holds no " + what)
	}
	switch req.Op {
	case protocol.OpPlan:
		return missing(reply.Plan != nil, "plan")
	case protocol.OpStatus:
		return missing(reply.Status != nil, "status")
	case protocol.OpExport:
		return missing(reply.Export != nil, "configuration")
	case protocol.OpSurvey:
		return missing(reply.Survey != nil, "survey")
	case protocol.OpDoctor:
		return missing(reply.Doctor != nil, "findings")
	case protocol.OpTrace:
		return missing(reply.Trace != nil, "trace")
	case protocol.OpVerify:
		return proves(req, reply.Proofs)
	case protocol.OpPrepull:
		return speaksOf(req, reply.Ahead)
	case protocol.OpApply, protocol.OpRollback, protocol.OpRecover, protocol.OpConfirm:
		return missing(reply.Result != nil, "result")
	}
	return nil
}

// proves checks that there is one proof for each image that was asked for.
func proves(req protocol.Request, proofs []protocol.Proof) error {
	if req.Desired == nil {
		return nil
	}
	images := req.Desired.Desired.VerifyImages
	if len(proofs) != len(images) {
		return fmt.Errorf("the engine's reply holds %d proofs for %d images", len(proofs), len(images))
	}
	for i, image := range images {
		if proofs[i].Image != image {
			return fmt.Errorf("the engine's reply holds a proof of %q where one of %q was asked for", oneLine(proofs[i].Image), image)
		}
	}
	return nil
}

// speaksOf checks that there is a word on each image that was asked for.
func speaksOf(req protocol.Request, ahead *protocol.Fetched) error {
	if ahead == nil {
		return errors.New("the engine's reply says nothing of the images")
	}
	if req.Prepull == nil || req.Prepull.Unpin {
		return nil
	}
	if got, want := len(ahead.Images), len(req.Prepull.Images); got != want {
		return fmt.Errorf("the engine's reply speaks of %d images where %d were asked for", got, want)
	}
	for i, want := range req.Prepull.Images {
		if got := ahead.Images[i].Ref; got != want.Ref {
			return fmt.Errorf("the engine's reply speaks of %q where %q was asked for", oneLine(got), want.Ref)
		}
	}
	return nil
}

// canMean reports whether an operation can end in this outcome.
func canMean(op protocol.Op, o protocol.Outcome) bool {
	switch o {
	case protocol.OutcomeApplied:
		return op == protocol.OpApply
	case protocol.OutcomeRolledBack:
		return op == protocol.OpRollback
	}
	return true
}

// maxKept bounds the text that a record keeps of one result, in bytes.
const maxKept = 64 << 10

// ration shortens what a record keeps of a node's words.
type ration struct{ left int }

// line is s as one printable line, or what is left of it.
func (r *ration) line(s string) string {
	s = oneLine(s)
	s = s[:min(len(s), r.left)]
	r.left -= len(s)
	return s
}

// shorten keeps of a list what the ration allows, by one() for each element.
func shorten[T any](r *ration, all []T, one func(T) T) (short []T) {
	for _, e := range all {
		if r.left -= 16; r.left <= 0 {
			break
		}
		short = append(short, one(e))
	}
	return short
}

// kept is what a record keeps of a result: what the node said is cut to printable
// lines of bounded size, so that the record of many nodes can be read again.
func kept(r *protocol.Result) *protocol.Result {
	if r == nil {
		return nil
	}
	k, left := *r, &ration{maxKept}
	k.Outcome, k.Failed, k.Transaction = protocol.Outcome(left.line(string(r.Outcome))), protocol.Step(left.line(string(r.Failed))), left.line(r.Transaction)
	k.Steps = shorten(left, r.Steps, func(s protocol.StepTime) protocol.StepTime {
		return protocol.StepTime{Step: protocol.Step(left.line(string(s.Step))), Took: s.Took}
	})
	k.Proofs = shorten(left, r.Proofs, func(p protocol.Proof) protocol.Proof {
		p.Image, p.Error, p.Hint = left.line(p.Image), left.line(p.Error), left.line(p.Hint)
		p.Digest, p.ByName = left.line(p.Digest), left.line(p.ByName)
		p.Endpoints = shorten(left, p.Endpoints, left.line)
		if p.Why != nil {
			w := *p.Why
			w.SameAs, w.Host, w.Text, w.Hint = left.line(w.SameAs), left.line(w.Host), left.line(w.Text), left.line(w.Hint)
			p.Why = &w
		}
		return p
	})
	k.Warnings = shorten(left, r.Warnings, func(w plan.Notice) plan.Notice {
		return plan.Notice{ID: left.line(w.ID), Text: left.line(w.Text), Hint: left.line(w.Hint), Forceable: w.Forceable}
	})
	k.Changed = shorten(left, r.Changed, left.line)
	return &k
}
