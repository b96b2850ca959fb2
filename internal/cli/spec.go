package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/secret"
)

// specFlags name the specification.
type specFlags struct {
	file        string
	noPreflight bool
}

func (s *specFlags) register(c *cobra.Command) {
	s.registerFile(c)
	c.Flags().BoolVar(&s.noPreflight, "no-preflight", false, "do not ask the registries from this machine first")
}

// registerFile is register for a command that asks no registry.
func (s *specFlags) registerFile(c *cobra.Command) {
	c.Flags().StringVarP(&s.file, "file", "f", "", "the RegistryConfig; - for standard input")
	_ = c.MarkFlagRequired("file")
	_ = c.MarkFlagFilename("file", "yaml", "yml")
}

// spec reads the specification, tells its warnings, and asks the registries.
func (a *app) spec(ctx context.Context, s specFlags) (*config.Loaded, error) {
	l, err := config.Load(ctx, s.file, secret.System(), config.WithStdin(a.streams.In))
	if err != nil {
		return nil, specError(err)
	}
	for _, w := range l.Warnings {
		a.warn(w.String(), w.Hint)
	}
	if s.noPreflight {
		return l, nil
	}
	return l, a.preflight(ctx, &l.Desired)
}

// specError lists every problem with its hint.
func specError(err error) error {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return usage(err, hintOf(err))
	}
	text := ""
	for i, p := range problems {
		if i > 0 {
			text += "\n"
		}
		text += p.String()
		if p.Hint != "" {
			text += " (" + p.Hint + ")"
		}
	}
	return usage(errors.New(text), "")
}

// policy turns the spec's rollout into counts for these nodes.
func policy(r config.Rollout, nodes int) fleet.Policy {
	return fleet.Policy{Canary: r.Canary, WaveSize: r.MaxUnavailable.Of(nodes), FailureBudget: r.FailureBudget,
		OnFailure: r.OnFailure, ConfirmWithin: r.ConfirmWithin, Groups: r.Groups, ControlPlane: r.ControlPlane}
}

// stateDir is where this operator's run records are kept.
func stateDir(lookup func(string) (string, bool), home func() (string, error)) (string, error) {
	if d, ok := lookup("PULLWAY_STATE_DIR"); ok && d != "" {
		return d, nil
	}
	if d, ok := lookup("XDG_STATE_HOME"); ok && d != "" {
		return d + "/pullway", nil
	}
	h, err := home()
	if err != nil {
		return "", fmt.Errorf("no place for run records: %w", err)
	}
	return h + "/.local/state/pullway", nil
}
