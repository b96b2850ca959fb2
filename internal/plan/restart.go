package plan

import (
	"fmt"
	"slices"
)

// restart decides whether containerd has to restart, and says why. Files below
// the hosts directory are read at each pull, config.toml only at start.
func (b *builder) restart() {
	r := &b.node.Restart
	if b.configChanged {
		for _, c := range b.node.Changes {
			if c.Effect == "restart" {
				r.Reasons = append(r.Reasons, fmt.Sprintf("%s: %s", c.Path, c.Reason))
			}
		}
	}
	r.Reasons = append(r.Reasons, b.o.notLoadedReasons()...)
	if !b.o.Running {
		r.Reasons = append(r.Reasons, "containerd does not run")
	} else if !b.o.Healthy {
		r.Reasons = append(r.Reasons, "CRI is not healthy: "+b.o.Health)
	}
	if r.Needed = len(r.Reasons) > 0; r.Needed {
		return
	}
	switch {
	case len(b.node.Changes)+len(b.late) == 0:
		r.Reasons = []string{"nothing changes"}
	default:
		r.Reasons = []string{"only files below " + b.o.HostsDir + " change, and containerd reads them at each pull"}
	}
}

// Unread reports whether a file of the configuration was changed since containerd
// started.
func (o *Observed) Unread() bool { return len(o.unread()) > 0 }

// judge puts the deletions in their place at the end and says what forbids the
// whole: a restart that would hurt, and directories that would fall out of use.
func (b *builder) judge() {
	// What is named no more goes when all else is in force and proven.
	var files, restart []Change
	for _, c := range b.node.Changes {
		if c.Effect == "restart" {
			restart = append(restart, c)
		} else {
			files = append(files, c)
		}
	}
	b.node.Changes = append(append(files, restart...), b.late...)
	if b.node.Restart.Needed {
		b.judgeRestart()
	}
	read := b.o.Tree.Registry().HostsDirs
	for _, dir := range b.o.ShadowedDirs {
		if slices.Contains(read, dir) {
			b.problem("second-hosts-directory", true, "move its host directories to "+b.o.HostsDir+", or go on without them by --force",
				"%s holds host directories that are in use now and would not be any more", dir)
		} else {
			b.warn("second-hosts-directory", "", "%s holds host directories that containerd %s does not read now either", dir, b.o.Release)
		}
	}
}

func (b *builder) judgeRestart() {
	if b.o.Unit == "" {
		b.problem("no-unit", false, "start it as the systemd unit containerd.service", "containerd has to restart but belongs to no systemd unit")
		return
	}
	if b.o.Stopped {
		b.problem("stopped", true, "start it and plan again, leave the node out by --limit, or have it started by --force",
			"%s is stopped, and this node may do without containerd", b.o.Unit)
	}
	if b.o.KillMode != "process" {
		b.problem("kill-mode", true, "set KillMode=process in the unit (containerd's own unit has it), or drain the node and use --force",
			"a restart of %s would end all containers: KillMode=%s", b.o.Unit, b.o.KillMode)
	}
	if b.o.Release.RecreatesPodsOnRestart() {
		b.problem("recreates-pods", true, "upgrade containerd to 1.6.13 or later first, or drain the node and use --force",
			"containerd %s loses sandbox addresses on restart, and kubelet then recreates every pod of the node (containerd#7843)", b.o.Release)
	}
}
