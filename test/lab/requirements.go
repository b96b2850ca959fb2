package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

// tools that a lab runs, with the Debian and Ubuntu package of each.
var tools = []struct{ tool, pkg string }{
	{"systemd-nspawn", "systemd-container"},
	{"debootstrap", "debootstrap"},
	{"ssh", "openssh-client"},
	{"ansible-playbook", "ansible-core"},
	{"ip", "iproute2"},
	{"nsenter", "util-linux"},
	{"mount", "mount"},
}

// Requirements gives the apt packages that this machine lacks, sorted; none
// means that a lab can be made here as far as packages go. Go itself is needed
// too, and is not asked for here.
func Requirements() []string { return missing(exec.LookPath) }

func missing(look func(string) (string, error)) []string {
	var pkgs []string
	for _, t := range tools {
		if _, err := look(t.tool); err != nil {
			pkgs = append(pkgs, t.pkg)
		}
	}
	slices.Sort(pkgs)
	return slices.Compact(pkgs)
}

// InstallRequirements installs what Requirements names, with apt-get, as root.
func InstallRequirements(ctx context.Context) error {
	pkgs := Requirements()
	if len(pkgs) == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("installing packages needs root")
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("packages %q are missing and this is neither Debian nor Ubuntu", pkgs)
	}
	env := append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if err := run(ctx, env, "apt-get", "update", "-q"); err != nil {
		return err
	}
	return run(ctx, env, "apt-get", append([]string{"install", "-q", "-y", "--no-install-recommends"}, pkgs...)...)
}

// usable tells in one line why this machine cannot hold a lab.
func usable() error {
	if os.Geteuid() != 0 {
		return errors.New("a lab needs root: it makes network namespaces and mounts")
	}
	if pkgs := Requirements(); len(pkgs) > 0 {
		return fmt.Errorf("packages missing: %q (InstallRequirements installs them)", pkgs)
	}
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("the go command is missing; the lab builds containerd and the registry with it")
	}
	return nil
}
