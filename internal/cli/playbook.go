package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/kubespray"
	"github.com/pullway/pullway/internal/kubespray/play"
	"github.com/pullway/pullway/internal/report"
)

// variablesFile stands beside the record of a run that wrote variables of Kubespray,
// and says how they are put back.
const variablesFile = "variables.json"

// playbook is Kubespray's play for the nodes of one run, and the variables that it
// reads.
type playbook struct {
	play  play.Play
	store record.Store
	run   string
	// log is that of the last play.
	log      string
	progress *report.Progress
}

// player is the playbook as the fleet's driver needs it.
func (b *playbook) player(run string, progress *report.Progress) fleet.Player {
	b.run, b.progress = run, progress
	return &play.Waves{Run: b.runOn, Log: func() string { return b.log }}
}

// runOn runs the play on the nodes of a wave, with a log of its own.
func (b *playbook) runOn(ctx context.Context, nodes []string) (map[string]play.Result, error) {
	log, err := b.newLog()
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // a line of the log that is lost changes nothing
	p := b.play
	p.Limit, p.Log = nodes, log
	p.On = func(e play.Event) {
		switch e.State {
		case play.StateTask:
			b.progress.PlayTask(nodes, e.Task)
		case play.StateChanged:
			b.progress.PlayChanged(e.Host, e.Task)
		}
	}
	return p.Run(ctx)
}

func (b *playbook) newLog() (*os.File, error) {
	for n := 1; ; n++ {
		name := fmt.Sprintf("play-%d.log", n)
		if _, err := os.Stat(b.store.Beside(b.run, name)); err == nil {
			continue
		}
		b.log = b.store.Beside(b.run, name)
		return b.store.CreateBeside(b.run, name)
	}
}

// foreignWords are options of ansible-playbook that are pullway's to give, with what
// to do instead.
var foreignWords = []struct{ short, long, instead string }{
	{"-l", "--limit", "name the nodes by pullway's own --limit"},
	{"-t", "--tags", "the tag is containerd"},
	{"", "--skip-tags", "the tag is containerd"},
	{"-i", "--inventory", "name it by pullway's own -i"},
	{"-C", "--check", "leave --run out to change no node"},
	{"", "--list-", "run ansible-playbook yourself for that"},
	{"", "--syntax-check", "run ansible-playbook yourself for that"},
	{"", "--step", "nobody can be asked while it runs"},
	{"-K", "--ask-become-pass", "nobody can be asked while it runs: give --become-password-file FILE"},
	{"-k", "--ask-pass", "nobody can be asked while it runs: give --connection-password-file FILE"},
	{"-J", "--ask-vault-pass", "nobody can be asked while it runs: use pullway's own --vault-password-file"},
	{"", "--vault-password-file", "use pullway's own --vault-password-file"},
	{"", "--vault-pass-file", "use pullway's own --vault-password-file"},
}

// checkWords refuses words for ansible-playbook that would turn a run into another.
func checkWords(words []string) error {
	for _, w := range words {
		for _, f := range foreignWords {
			short := f.short != "" && strings.HasPrefix(w, f.short) && !strings.HasPrefix(w, "--")
			if short || strings.HasPrefix(w, f.long) {
				return usage(fmt.Errorf("%s is not for ansible-playbook here", w), f.instead)
			}
		}
	}
	return nil
}

// write writes the variables and remembers, before, how they are put back.
func (b *playbook) write(s *session, r *rendered) error {
	if len(r.changes) == 0 {
		return nil
	}
	at := s.now()
	before, err := keptVariables(s.store, s.head.ID)
	if err != nil {
		return err
	}
	if err := keepVariables(s.store, s.head.ID, before.Then(kubespray.Keep(r.changes, at))); err != nil {
		return err
	}
	saved, err := kubespray.Save(r.changes, at)
	if err != nil {
		return &exitError{ExitFailed, errors.Join(err, keepVariables(s.store, s.head.ID, before)), hintOf(err)}
	}
	s.tellSaved(saved)
	return nil
}

// keptVariables says how the variables of a run are put back.
func keptVariables(store record.Store, run string) (k kubespray.Kept, err error) {
	b, err := store.ReadBeside(run, variablesFile)
	if err == nil && b != nil {
		err = json.Unmarshal(b, &k)
	}
	return k, err
}

func keepVariables(store record.Store, run string, k kubespray.Kept) error {
	if len(k.Files) == 0 {
		return store.DropBeside(run, variablesFile)
	}
	b, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return err
	}
	return store.WriteBeside(run, variablesFile, b)
}

// variablesBack puts the variables of a run back as they were.
func (s *session) variablesBack(run string) error {
	k, err := keptVariables(s.store, run)
	if err == nil && len(k.Files) == 0 {
		return nil
	}
	if err == nil {
		err = k.PutBack()
	}
	if err != nil {
		return &exitError{ExitBroken, fmt.Errorf("the variables of run %s are not back: %w", run, err), "put the file back by hand; its backup ends with .bak"}
	}
	s.say("the variables of Kubespray are as they were before run %s", run)
	return s.store.DropBeside(run, variablesFile)
}

// keepsVariables reports whether the variables of a run stand when it has ended:
// when it is done, or was stopped by a person so that it can be gone on with.
func keepsVariables(r *fleet.Run) bool {
	switch r.Outcome {
	case fleet.Done, fleet.NothingToDo:
		return true
	case fleet.Stopped:
		return r.Stop == fleet.StopSoon && r.Failing() == ""
	}
	return false
}

// ended puts the variables back unless they stand, and says what that means.
func (b *playbook) ended(s *session, r *fleet.Run) error {
	if b.log != "" {
		s.say("what ansible-playbook printed: %s", b.log)
	}
	if r != nil && keepsVariables(r) {
		return nil
	}
	if err := s.variablesBack(s.head.ID); err != nil {
		return err
	}
	if r == nil {
		return nil
	}
	if held := fleet.Holding(r); held > 0 {
		s.warn(fmt.Sprintf("%s may keep the change while the variables are as they were: Kubespray's next run takes it back there", report.Count(held, "node")),
			"pullway rollback "+r.ID+" undoes it at once; or mend what failed and run it again")
	}
	return nil
}

// variablesOf says what becomes of the variables of an interrupted run: they are
// back when that run is over, and otherwise this run answers for them.
func (s *session) variablesOf(run string, over bool) error {
	if over {
		return s.variablesBack(run)
	}
	if run == s.head.ID {
		return nil
	}
	k, err := keptVariables(s.store, run)
	if err != nil || len(k.Files) == 0 {
		return err
	}
	if err := keepVariables(s.store, s.head.ID, k); err != nil {
		return err
	}
	return s.store.DropBeside(run, variablesFile)
}
