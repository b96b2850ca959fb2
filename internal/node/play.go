package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// play applies a change that Kubespray's playbook makes: everything that it may
// change is backed up, the operator's side is told to go ahead, and what it made of
// the node is judged, proven and committed, or put back.
func (e *Engine) play(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	if req.Kubespray == nil || req.Desired == nil {
		return nil, &protocol.Error{Kind: protocol.ErrInvalid, Text: "the request does not say where Kubespray writes, or what is desired"}
	}
	e.tell(protocol.StepObserve, "")
	o, err := observe(ctx, e.store, e.bus)
	if err != nil {
		return nil, err
	}
	defer o.close()
	refused := &protocol.Reply{Result: &protocol.Result{Outcome: protocol.OutcomeRefused}}
	if problems := plan.ForPlay(o.Observed, playOptions(req)).Problems; len(problems) > 0 {
		return refused, &protocol.Error{Kind: protocol.ErrRefused, Text: problems[0].Text, Hint: problems[0].Hint}
	}
	if len(req.Desired.Desired.VerifyImages) == 0 && !req.NoProof {
		return refused, errNoProof()
	}
	r := e.newRecord(req, o)
	r.After = r.Before
	if err := r.keep(filepath.Dir(o.ConfigFile), o.HostsDir, filepath.Dir(req.Kubespray.HostsDir), req.Kubespray.HostsDir); err != nil {
		return refused, err
	}
	within := req.ConfirmWithin
	if within <= 0 {
		within = time.Minute
	}
	t := e.transaction(o, r, within)
	t.unread = o.Unread()
	r.Probe = filepath.Join(o.HostsDir, ProbeHost)
	t.prove = func(ctx context.Context) ([]protocol.Proof, error) { return e.proofOfPlay(ctx, t, req) }
	w := e.word(r.ID, within)
	t.hands, t.confirm = w.hands, w.await
	ctx, end := w.listen(ctx, t.keeps)
	defer end()
	return e.outcome(t.run(ctx))
}

func playOptions(req protocol.Request) plan.Options {
	return plan.Options{Force: req.Force, Kubespray: req.Kubespray}
}

// proofOfPlay looks at the node anew and pulls the verify images. Files of ours
// that the play wrote anew are remembered as they are now.
func (e *Engine) proofOfPlay(ctx context.Context, t *transaction, req protocol.Request) ([]protocol.Proof, error) {
	now, made, desired, err := e.made(ctx, req)
	if err != nil {
		return nil, err
	}
	defer now.close()
	if r := t.record; len(r.Before.Files)+len(r.Before.Config) > 0 && made.Node.NothingToDo() {
		r.After = made.Manifest
	}
	if req.NoProof {
		return nil, nil
	}
	p := e.prover(now, made, desired)
	p.nameOnly = len(now.Tree.Registry().HostsDirs) == 0
	t.dropPulled = p.dropPulled
	return p.prove(ctx)
}

// played lets the operator's side change the node, and takes in what it made.
// Files that containerd has to read anew, and that the play left unread, are a
// reason to restart it: a play that failed half way leaves such, and no later one
// restarts for them.
func (t *transaction) played(ctx context.Context) (err error) {
	if t.baseline != nil {
		if t.ran, err = t.workloads(ctx); err != nil {
			return err
		}
	}
	t.ranAt = t.now()
	if err := t.enter(PhaseActive); err != nil {
		return err
	}
	// From here on an operator who is gone may come back.
	t.restarting.Store(true)
	if err := t.store.disk.around("await", "play", func() error { return t.hands(ctx) }); err != nil {
		return err
	}
	if err := t.record.appeared(); err != nil {
		return err
	}
	for i := range t.record.Items {
		if t.record.Items[i].After, err = TakeEntry(t.record.Items[i].Target); err != nil {
			return err
		}
	}
	if t.restarted = t.anew(ctx); t.restarted {
		t.result.Restarts++
		return nil
	}
	if !t.unread && !t.record.configChanged() {
		return nil
	}
	t.tell(protocol.StepRestart, "")
	t.record.Restart = true
	return t.restart(ctx)
}

// configChanged reports whether a file changed that containerd reads when it starts.
func (r *Record) configChanged() bool {
	return slices.ContainsFunc(r.Items, func(i Item) bool { return i.Config && i.changed() })
}

// changed reports whether the item brought something new.
func (i Item) changed() bool { return !i.Before.Same(i.After) }

// wellAfterPlay waits until CRI is as it was, and tells what became of containers
// when the play restarted containerd.
func (t *transaction) wellAfterPlay(ctx context.Context) error {
	if _, _, err := t.cri.WaitHealthy(ctx, *t.want(), healthWithin); err != nil {
		return err
	}
	if t.restarted && !t.record.Restart && t.ran != nil {
		f, err := t.compareWorkloads(ctx, t.ran, t.ranAt, t.now())
		if err != nil {
			return err
		}
		t.result.Kept = f.kept
		if len(f.lost) > 0 {
			t.warn("workloads", fmt.Sprintf("%s by the play: %s", errWorkloads, someOf(f.lost)), "")
		}
	}
	return t.healthy(ctx)
}

// commitPlay commits, or, where the play changed nothing that could be put back,
// leaves no transaction at all.
func (t *transaction) commitPlay(ctx context.Context) error {
	r := t.record
	r.Restart = r.configChanged()
	if t.restarted || slices.ContainsFunc(r.Items, Item.changed) {
		return t.commit(ctx)
	}
	var errs []error
	for _, item := range r.Items {
		errs = append(errs, t.store.disk.clear(item))
	}
	if err := errors.Join(append(errs, t.removeProbe(ctx))...); err != nil {
		return err
	}
	if err := t.dropBackup(ctx); err != nil {
		return err
	}
	t.unchanged = true
	return t.store.dropJournal()
}

// owesRestart notes, before files go back, that containerd may have read what the
// play made of them; then it has to read the former ones.
func (t *transaction) owesRestart(ctx context.Context) {
	r := t.record
	if !r.Restarting && r.configDiffers() && (t.anew == nil || t.anew(ctx)) {
		r.Restart, r.Restarting = true, true
		_ = t.enter(r.Phase) // only a crash in the next moments needs it
	}
	t.restarted = t.restarted || r.Restarting
}

// configDiffers is configChanged by what stands there now.
func (r *Record) configDiffers() bool {
	_ = r.appeared() // said again where the files go back
	return slices.ContainsFunc(r.Items, func(i Item) bool {
		now, err := TakeEntry(i.Target)
		return i.Config && (err != nil || !now.Same(i.Before))
	})
}
