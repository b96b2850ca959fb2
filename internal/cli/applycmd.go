package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/fleet/record"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
)

func (a *app) applyCommand() *cobra.Command {
	var spec specFlags
	var nodes nodeFlags
	var change changeFlags
	var yes, noProof bool
	var planFile string
	c := &cobra.Command{
		Use:   "apply",
		Short: "Change the nodes in waves, prove each with a real pull, put back what fails",
		Long: `Show the plan, ask, and carry it out: first the canary, then waves. Each node
backs up what it changes, restarts containerd only when the plan said so, and
pulls the verify images through the configured endpoints. A node that cannot
pull puts itself back, and a failing canary or wave stops the run.

Ctrl-C once finishes the nodes in flight and stops; twice takes them back.

Exit codes: 0 done · 1 failed, nothing changed · 2 wrong usage or spec ·
4 failed and rolled back · 5 rollback failed, hands needed · 6 stopped part-way.`,
		Example: `  pullway apply -f pullway.yaml -i inventory/mycluster/hosts.yaml
  pullway apply -f pullway.yaml -i hosts.yaml --limit node1 --yes
  pullway apply -f pullway.yaml --local --yes
  pullway plan -f pullway.yaml -i hosts.yaml -o json > plan.json   # review it, then
  pullway apply -f pullway.yaml -i hosts.yaml --plan plan.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if err := a.mustAsk(yes); err != nil {
				return err
			}
			l, plans, fn, err := a.plan(ctx, spec, nodes, change, true)
			if err != nil {
				return err
			}
			defer plans.Close() //nolint:errcheck // Apply has closed them; this is for the ways out before
			if planFile != "" {
				if err := matchPlan(planFile, l, plans.Nodes); err != nil {
					return err
				}
			}
			p := report.NewPlan(l.Desired.Name, l.Digest, plans.Nodes)
			if p.Summary.Change > 0 && len(l.Desired.VerifyImages) == 0 && !noProof {
				return usage(errors.New("the specification names no image that could prove the change"), "add one under spec.verify.images, or go without a proof by --no-proof")
			}
			if p.Summary.Change+p.Summary.Refused+p.Summary.Failed > 0 && a.output == "human" {
				p.Human(report.NewPrinter(a.streams.Out, a.coloured(a.streams.Out)))
			}
			pol := policy(l.Rollout, len(fn.targets))
			if p.Summary.Change > 0 && p.Summary.Refused+p.Summary.Failed <= pol.FailureBudget {
				if a.output == "human" {
					_, _ = fmt.Fprintln(a.streams.Out, rolloutText(pol))
				}
				if err := a.confirm(yes, fmt.Sprintf("Change %d of %d nodes?", p.Summary.Change, len(fn.targets))); err != nil {
					return err
				}
			}
			wire := l.Desired.ToWire()
			return a.run(ctx, fn, fleet.Run{Command: "apply", Name: l.Desired.Name, SpecDigest: l.Digest, Policy: pol},
				func(ctx context.Context, d *fleet.Driver, o fleet.Options) (*fleet.Run, error) {
					o.Request = protocol.Request{Desired: &wire, Adopt: change.adopt, Force: change.force, NoProof: noProof}
					return d.Apply(ctx, o, plans)
				})
		},
	}
	spec.register(c)
	nodes.register(c)
	change.register(c)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().StringVar(&planFile, "plan", "", "carry out only this plan, saved by plan -o json; refuse when anything changed since")
	_ = c.MarkFlagFilename("plan", "json")
	c.Flags().BoolVar(&noProof, "no-proof", false, "change nodes without a proving pull")
	return c
}

// rolloutText says how the run will go about it.
func rolloutText(p fleet.Policy) string {
	first := "no canary"
	if p.Canary > 0 {
		first = fmt.Sprintf("canary of %d first", p.Canary)
	}
	return fmt.Sprintf("Rollout: %s, then waves of %d; failures tolerated: %d; on failure: %s.", first, p.WaveSize, p.FailureBudget, p.OnFailure)
}

// run drives a fleet with a record, a lock, a progress view and Ctrl-C, and
// shows the result.
func (a *app) run(ctx context.Context, fn *fleetNodes, r fleet.Run, do func(context.Context, *fleet.Driver, fleet.Options) (*fleet.Run, error)) error {
	dir, err := stateDir(os.LookupEnv, os.UserHomeDir)
	if err != nil {
		return err
	}
	store := record.Store{Dir: dir}
	r.Operator, r.Version, r.Started = operator(), Version(), a.now()
	r.ID = record.NewID(r.Started)
	lock, err := store.Lock(record.Holder{Operator: r.Operator, PID: os.Getpid(), Run: r.ID, Command: r.Command, Since: r.Started})
	if err != nil {
		return err
	}
	defer lock.Unlock() //nolint:errcheck // the process ends
	if lock.Abandoned != nil {
		a.warn(fmt.Sprintf("run %s did not end; its nodes settle what it left when they are reached", lock.Abandoned.Run), "")
	}
	ctx, stop := a.stopping(ctx)
	progress := a.progress()
	d := &fleet.Driver{Connector: fn.connector, Recorder: store, Observer: progress}
	result, err := do(ctx, d, fleet.Options{Run: r, Stop: stop})
	progress.Close()
	if err != nil {
		return err
	}
	if err := a.show(report.NewRun(result)); err != nil {
		return err
	}
	return verdict(result.Outcome.ExitCode())
}

// stopping turns the first Ctrl-C into a request to stop soon and the second
// into the end of the context.
func (a *app) stopping(parent context.Context) (context.Context, <-chan struct{}) {
	ctx, cancel := context.WithCancel(parent)
	soon := make(chan struct{})
	go func() {
		defer cancel()
		select {
		case <-a.interrupts:
		case <-parent.Done():
			return
		}
		_, _ = fmt.Fprintln(a.streams.Err, "stopping after the nodes in flight; Ctrl-C again takes them back")
		close(soon)
		select {
		case <-a.interrupts:
		case <-parent.Done():
		}
	}()
	return ctx, soon
}

// mustAsk refuses early to work where nobody can be asked.
func (a *app) mustAsk(yes bool) error {
	if !yes && !isTerminal(a.streams.In) {
		return usage(errors.New("this changes nodes, and there is no terminal to ask on"), "read the plan, then add --yes")
	}
	return nil
}

func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	_, _ = fmt.Fprint(a.streams.Err, question+" [y/N] ")
	line, err := bufio.NewReader(a.streams.In).ReadString('\n')
	if err != nil && line == "" {
		return &exitError{ExitFailed, errors.New("no answer; nothing was changed"), ""}
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return &exitError{ExitFailed, errors.New("nothing was changed"), ""}
	}
	return nil
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
