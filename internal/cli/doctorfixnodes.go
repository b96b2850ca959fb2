package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
)

// fixFlags say how nodes are mended.
type fixFlags struct {
	fix, dryRun, yes, force bool
	verify                  []string
}

func (f *fixFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.BoolVar(&f.fix, "fix", false, "mend what is mechanical: files in place, with a backup beside each; nodes as apply changes them")
	fl.BoolVar(&f.dryRun, "dry-run", false, "with --fix: show what would be written, and write nothing")
	fl.BoolVarP(&f.yes, "yes", "y", false, "with --fix on nodes: do not ask")
	fl.BoolVar(&f.force, "force", false, "with --fix on nodes: pass over problems that may be passed over")
	fl.StringSliceVar(&f.verify, "verify", nil, "with --fix on nodes: images that each node has to be able to pull afterwards, or it puts itself back; ones that no node has")
	_ = c.RegisterFlagCompletionFunc("verify", cobra.NoFileCompletions)
}

// fits checks that the flags are of what is done.
func (f *fixFlags) fits(nodes bool) error {
	onNodes := f.yes || f.force || len(f.verify) > 0
	switch {
	case !f.fix && (f.dryRun || onNodes):
		return usage(errors.New("--dry-run, --yes, --force and --verify belong to --fix"), "")
	case !nodes && onNodes:
		return usage(errors.New("--yes, --force and --verify are for nodes"), "files are written at once, with a backup beside each; --dry-run writes nothing")
	}
	for _, image := range f.verify {
		if _, err := config.ParseImage(image); err != nil {
			return usage(err, "write it as in a pod")
		}
	}
	return nil
}

// fixNodes mends what is mechanical on nodes, as apply would change them: the plan
// first, then the canary and waves, each node with a backup and an undo of its own.
func (a *app) fixNodes(ctx context.Context, nodes nodeFlags, f doctorFlags) error {
	if !f.dryRun {
		if err := a.mustAsk(f.yes); err != nil {
			return err
		}
	}
	fn, err := a.load(ctx, nodes)
	if err == nil {
		err = a.gate(ctx, f.pulls.cluster, fn, f.force)
	}
	if err != nil {
		return err
	}
	change := changeFlags{force: f.force, mend: &protocol.Mend{Ignore: f.ignore, Verify: f.verify}}
	wanted := asSpec(f)
	if f.dryRun {
		return a.planFixes(ctx, wanted, fn, change)
	}
	s, err := a.begin(protocol.MendName, fn)
	if err != nil {
		return err
	}
	defer s.end()
	p := &applying{session: s, spec: wanted, change: change, yes: f.yes, noProof: len(f.verify) == 0, noPreflight: true}
	if err := p.do(ctx); err != nil {
		return err
	}
	return a.left(ctx, fn, change.mend)
}

// planFixes shows what would be mended.
func (a *app) planFixes(ctx context.Context, wanted *config.Loaded, fn *fleetNodes, change changeFlags) error {
	plans, err := a.planNodes(ctx, wanted, fn, change, false)
	if err != nil {
		return err
	}
	defer plans.Close() //nolint:errcheck // nothing was asked that could be lost
	p := report.NewPlan(wanted.Desired.Name, wanted.Digest, plans.Nodes)
	p.Rollout = report.NewRollout(plans.State(), policy(wanted.Rollout, len(fn.targets)))
	if err := a.show(p); err != nil {
		return err
	}
	switch {
	case p.Summary.Failed+p.Summary.Refused > 0:
		return verdict(ExitFailed)
	case p.Summary.Change > 0:
		return verdict(ExitPending)
	}
	return nil
}

// left tells what could not be mended, and ends with 3 when a problem is among it.
func (a *app) left(ctx context.Context, fn *fleetNodes, m *protocol.Mend) error {
	d := report.NewDoctor(report.NewDoctorAnswers(a.ask(ctx, fn, protocol.Request{Op: protocol.OpDoctor, Mend: m}, 0), m.Ignore))
	s := d.Summary
	switch {
	case s.Problems > 0:
		a.say("left, because it takes a decision: %s on %s; pullway doctor shows them", report.Count(s.Problems, "problem"), report.Count(s.WithProblems, "node"))
		return verdict(ExitPending)
	case s.NotHealthy > 0:
		a.say("CRI is not well on %s; pullway doctor shows why", report.Count(s.NotHealthy, "node"))
		return verdict(ExitPending)
	case s.Failed > 0:
		return verdict(ExitFailed)
	}
	return nil
}

// asSpec is what a fix has in place of a specification: a rollout like that of one
// that says nothing about it, and a digest of what was asked for.
func asSpec(f doctorFlags) *config.Loaded {
	size, _ := config.ParseQuota(config.DefaultMaxUnavailable)
	within, _ := time.ParseDuration(config.DefaultConfirmWithin)
	parts := []string{protocol.MendName}
	for _, list := range [][]string{f.ignore, f.verify} {
		list = slices.Clone(list)
		slices.Sort(list)
		parts = append(parts, strings.ToUpper(strings.Join(list, ",")))
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return &config.Loaded{
		Desired: config.Desired{Name: protocol.MendName, VerifyImages: f.verify}, Digest: hex.EncodeToString(sum[:]),
		Rollout: config.Rollout{Canary: config.DefaultCanary, MaxUnavailable: size, OnFailure: v1alpha1.RollbackWave, ConfirmWithin: within, ControlPlane: v1alpha1.ControlPlaneLast},
	}
}
