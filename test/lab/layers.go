package lab

import (
	"context"
	"log/slog"
	"os"
)

// Layers gives the folders that make the root of a node with this containerd, in the
// order in which an overlay takes them: for tests that run the daemon without a node
// around it. They are made the first time, and belong to the cache: nothing may
// write into them.
func Layers(ctx context.Context, cfg Config, release string, log *slog.Logger) ([]string, error) {
	cfg = cfg.complete(os.Getenv)
	c := cache{dir: cfg.Cache, log: log}
	root, err := c.rootTree(ctx, cfg.DebianMirror)
	if err != nil {
		return nil, err
	}
	layer, err := c.containerdLayer(ctx, release)
	if err != nil || layer == "" {
		return []string{root}, err
	}
	return []string{layer, root}, nil
}
