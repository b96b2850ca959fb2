package lab

import (
	"context"
	"log/slog"
	"os"
)

// Build makes what the cache lacks for a lab of that kind, and no lab: for whoever
// wants these minutes to pass before the tests, and not within their time limits.
// A second Build of the same is done at once.
func Build(ctx context.Context, cfg Config, log *slog.Logger) error {
	cfg = cfg.complete(os.Getenv)
	if err := cfg.check(); err != nil {
		return err
	}
	if err := usable(); err != nil {
		return err
	}
	_, err := prepare(ctx, cfg, log)
	return err
}
