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
	cfg, err := cfg.usable()
	if err != nil {
		return err
	}
	_, err = prepare(ctx, cfg, log)
	return err
}

// usable is the Config with its defaults, or why it is no lab on this machine.
func (c Config) usable() (Config, error) {
	c = c.complete(os.Getenv)
	if err := c.check(); err != nil {
		return c, err
	}
	return c, usable()
}
