package node

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// apply makes the plan again from what is there now and carries it out, if it
// still is the plan that was reviewed.
func (e *Engine) apply(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	o, made, desired, err := e.made(ctx, req)
	if err != nil {
		return nil, err
	}
	defer o.close()
	refused := &protocol.Reply{Result: &protocol.Result{Outcome: protocol.OutcomeRefused}}
	if req.Fingerprint != "" && req.Fingerprint != made.Node.Fingerprint {
		return refused, &protocol.Error{Kind: protocol.ErrStale, Text: "the node is not as it was when the plan was made", Hint: "run pullway plan again and look at what changed"}
	}
	if problems := made.Node.Problems; len(problems) > 0 {
		return refused, &protocol.Error{Kind: protocol.ErrRefused, Text: problems[0].Text, Hint: problems[0].Hint}
	}
	if made.Node.NothingToDo() {
		return &protocol.Reply{Result: &protocol.Result{Outcome: protocol.OutcomeUnchanged}}, nil
	}
	if len(desired.VerifyImages) == 0 && !req.NoProof {
		return refused, errNoProof()
	}
	r := e.newRecord(req, o)
	r.Restart, r.After = made.Node.Restart.Needed, made.Manifest
	if r.Items, r.MadeDirs, err = itemsOf(made.Node.Changes, o.HostsDir, r.ID); err != nil {
		return refused, err
	}
	if req.Mend != nil {
		key, err := e.store.key()
		if err == nil {
			err = asShown(r.Items, made.Node.Changes, key)
		}
		if err != nil {
			return refused, err
		}
	}
	t := e.transaction(o, r, req.ConfirmWithin)
	// The plan refuses such nodes unless forced.
	t.mayLose = o.KillMode != "process" || o.Release.RecreatesPodsOnRestart()
	if !req.NoProof {
		r.Probe = filepath.Join(o.HostsDir, ProbeHost)
		p := e.prover(o, made, desired, whyBeforeUndo)
		t.prove, t.dropPulled = p.prove, p.dropPulled
		// What a fix does for a pull shows only under the image's own name.
		p.nameOnly = req.Mend != nil
		if p.provesFirst() {
			t.probe = p.probe
		}
	}
	if req.ConfirmWithin > 0 {
		w := e.word(r.ID, req.ConfirmWithin)
		t.confirm = w.await
		var end func()
		ctx, end = w.listen(ctx, t.keeps)
		defer end()
	}
	return e.outcome(t.run(ctx))
}

func errNoProof() error {
	return &protocol.Error{Kind: protocol.ErrRefused, Text: "the specification names no image that could prove the change", Hint: "add one under spec.verify.images, or go without a proof by --no-proof"}
}

func (e *Engine) newRecord(req protocol.Request, o *observation) *Record {
	r := &Record{ID: e.store.newID(e.now()), Run: req.Run, Op: req.Op, Operator: req.Operator, Target: req.Target, Started: e.now(), ConfigFile: o.ConfigFile,
		Address: o.address, DaemonPID: o.daemon.PID, Boot: uptime().Boot, Before: o.Manifest, Unwell: o.baseline == nil}
	switch {
	case req.Mend != nil:
		r.Name = protocol.MendName
	case req.Desired != nil:
		r.Name = req.Desired.Desired.Name
	}
	return r
}

func (e *Engine) transaction(o *observation, r *Record, within time.Duration) *transaction {
	anew := func(ctx context.Context) bool {
		return o.daemon.Refresh(ctx) != nil || o.daemon.PID != r.DaemonPID || uptime().Boot != r.Boot
	}
	return &transaction{store: e.store, record: r, anew: anew, daemon: pointedDaemon{o.daemon, e.store.disk.hook}, cri: pointedCRI{o.cri, e.store.disk.hook}, hostsDir: o.HostsDir,
		baseline: o.baseline, processStart: daemon.ProcessStart, deadMan: newDeadMan(e.bus, within, e.store.disk.hook), tell: e.tell, now: e.now, linger: lingerFor}
}

// outcome turns what a transaction returned into a reply.
func (e *Engine) outcome(res protocol.Result, err error) (*protocol.Reply, error) {
	reply := &protocol.Reply{Result: &res}
	if err == nil {
		return reply, nil
	}
	pe := &protocol.Error{Kind: protocol.ErrFailed, Text: fmt.Sprintf("%s: %s", res.Failed, oneLine(err)), Hint: hintOf(err)}
	for _, p := range res.Proofs {
		if !p.OK {
			pe.Hint = p.WhatToDo()
		}
	}
	if res.Outcome == protocol.OutcomeBroken {
		pe.Hint = "the former state of every file is kept under " + filepath.Join(e.store.dir, "transactions", res.Transaction) +
			"; remove the cause, then run pullway rollback again"
	}
	return reply, pe
}

// rollback undoes the newest transaction of a run on this node, as a
// transaction of its own: with backup, journal, health check and undo.
func (e *Engine) rollback(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	e.tell(protocol.StepObserve, "")
	o, err := observe(ctx, e.store, e.bus)
	if err != nil {
		return nil, err
	}
	defer o.close()
	history, err := e.store.history()
	if err != nil {
		return nil, err
	}
	refused := &protocol.Reply{Result: &protocol.Result{Outcome: protocol.OutcomeRefused}}
	target, err := pickRollback(history, req.Target)
	if err != nil {
		return refused, err
	}
	if target == nil {
		return &protocol.Reply{Result: &protocol.Result{Outcome: protocol.OutcomeUnchanged}}, nil
	}
	if target.Unwell && target.Restart && !req.Force {
		return refused, &protocol.Error{Kind: protocol.ErrRefused, Text: fmt.Sprintf("CRI was not healthy on this node before run %s, and undoing it brings that back", target.Run),
			Hint: "leave it as it is, or undo it all the same by --force"}
	}
	if err := e.store.loadBackup(target); err != nil {
		return refused, err
	}
	r := e.newRecord(req, o)
	r.Name, r.Restart, r.After = target.Before.Name, target.Restart, target.Before
	r.Undoes, r.EmptyDirs = target.ID, target.MadeDirs
	t := e.transaction(o, r, req.ConfirmWithin)
	t.toUnwell, t.mayLose = target.Unwell, true
	if err := reverseItems(r, target, o.HostsDir); err != nil {
		return refused, err
	}
	if err := t.acrossDrift(target, req.Overwrite); err != nil {
		return refused, err
	}
	return e.outcome(t.run(ctx))
}

// pickRollback finds the transaction of the run that can be undone: it must be
// the newest that still stands. nil means that nothing of the run stands.
func pickRollback(history []*Record, run string) (*Record, error) {
	for _, r := range history {
		if r.Op != protocol.OpApply || r.Undone || r.Phase != PhaseCommitted {
			continue
		}
		if r.Run == run || run == "" {
			return r, nil
		}
		for _, older := range history {
			if older.Run == run && !older.Undone && older.Op == protocol.OpApply && older.Phase == PhaseCommitted {
				return nil, &protocol.Error{Kind: protocol.ErrRefused,
					Text: fmt.Sprintf("run %s changed this node after run %s", r.Run, run), Hint: "roll back " + r.Run + " first"}
			}
		}
		return nil, nil
	}
	return nil, nil
}

// reverseItems fills r with the items that bring back the state before target.
func reverseItems(r, target *Record, hostsDir string) error {
	for i := len(target.Items) - 1; i >= 0; i-- {
		was := target.Items[i]
		if !was.changed() {
			continue
		}
		now, err := TakeEntry(was.Target)
		if err != nil {
			return err
		}
		item := Item{Target: was.Target, Before: now, After: was.Before, Config: was.Config,
			Staged: stagedName(was.Target, hostsDir, r.ID)}
		if item.Before.Kind == KindAbsent && item.After.Kind == KindAbsent {
			continue
		}
		if !exists(filepath.Dir(was.Target)) && item.After.Kind != KindAbsent {
			r.MadeDirs = append(r.MadeDirs, missingDirs(hostsDir, []plan.Change{{Path: was.Target}})...)
		}
		r.Items = append(r.Items, item)
	}
	r.Items = removalsLast(r.Items)
	return nil
}

func after(r *Record, target string) Entry {
	for _, item := range r.Items {
		if item.Target == target {
			return item.After
		}
	}
	return Entry{Kind: KindAbsent}
}

// removeEmpty removes folders that a transaction had made, if nothing is in them.
func removeEmpty(d disk, dirs []string) error {
	for i := len(dirs) - 1; i >= 0; i-- {
		e, err := TakeEntry(dirs[i])
		if err == nil && e.Kind == KindDir && len(e.Children) == 0 {
			if err := d.remove(dirs[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func oneLine(err error) string { return strings.Join(strings.Split(err.Error(), "\n"), "; ") }
