package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rootTree is the tree that all nodes share as the lowest layer: a minimal Debian with
// systemd, SSH and its containerd, without anything that two nodes must not
// have in common, and without what a lab would only wait for at boot.
func (c cache) rootTree(ctx context.Context, mirror string) (string, error) {
	return c.entry(ctx, "root-"+debianSuite+"-"+rootRecipe, func(ctx context.Context, dir string) error {
		err := run(ctx, nil, "nice", "debootstrap", "--variant=minbase",
			"--include="+strings.Join(debianPackages, ","), debianSuite, dir, mirror)
		if err != nil {
			return err
		}
		return trim(dir)
	})
}

// trim makes a fresh tree fit for nodes.
func trim(root string) error {
	gone := []string{
		"etc/ssh/ssh_host_*",                       // each node has its own
		"etc/systemd/system/timers.target.wants/*", // apt, fstrim, e2scrub
		"etc/systemd/system/getty.target.wants/*",
		"etc/systemd/system/multi-user.target.wants/e2scrub_reap.service",
		"etc/systemd/system/multi-user.target.wants/containerd.service", // per node
		"etc/systemd/system/sysinit.target.wants/systemd-pstore.service",
		"var/cache/apt/archives/*.deb",
		"var/lib/apt/lists/*",
	}
	for _, pattern := range gone {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		for _, p := range paths {
			if err := os.RemoveAll(p); err != nil {
				return err
			}
		}
	}
	links := map[string]string{
		"etc/systemd/system/multi-user.target.wants/systemd-networkd.service": "/lib/systemd/system/systemd-networkd.service",
		"etc/systemd/system/console-getty.service":                            "/dev/null",
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			return fmt.Errorf("root tree: %w", err)
		}
	}
	return nil
}
