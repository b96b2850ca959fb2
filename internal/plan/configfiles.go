package plan

import (
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/configtoml"
)

// configFiles adds the changes of config.toml and its drop-ins: one hosts
// directory, no legacy tables, and credentials that cannot go into a header.
func (b *builder) configFiles() {
	r := b.o.Tree.Registry()
	want := configtoml.Wanted{ConfigPath: b.o.HostsDir, DropMirrors: true, DropTLS: true, AsKubespray: b.opt.Kubespray != nil}
	if len(r.HostsDirs) == 1 && r.HostsDirs[0] == b.o.HostsDir {
		want.ConfigPath = r.ConfigPath
	}
	for _, reg := range b.d.Registries {
		b.configAuth(reg, r, &want)
	}
	// A registry that left the spec takes its credential with it.
	for _, host := range b.o.Manifest.CRIAuth {
		if !slices.Contains(b.manifest.CRIAuth, host) && !slices.Contains(want.DropConfigAuth, host) {
			want.DropConfigAuth = append(want.DropConfigAuth, host)
		}
	}
	changes, err := configtoml.Change(b.o.Tree, want)
	if err != nil {
		b.problem("config-edit", false, "change the registry settings in that file by hand, then plan again", "%s", err)
		return
	}
	after := b.remaining(changes)
	b.refuseLostSettings(changes)
	// The root file is read by containerd's own check, so it comes last.
	slices.SortStableFunc(changes, func(x, y configtoml.FileChange) int {
		return boolToInt(x.Path == b.o.ConfigFile) - boolToInt(y.Path == b.o.ConfigFile)
	})
	for _, c := range changes {
		b.configChange(c, len(want.SetConfigAuth) > 0)
	}
	b.readable(after)
}

// remaining are problems of the configuration that the changes do not solve and
// with which containerd would not start, or would start without CRI. It returns what the
// configuration will be; nil when there is no saying.
func (b *builder) remaining(changes []configtoml.FileChange) *configtoml.Tree {
	after, err := configtoml.Overlay(b.o.Tree, changes)
	if err != nil {
		b.problem("config-edit", false, "", "%s", err)
		return nil
	}
	for _, p := range after.Problems() {
		if p.Fatal {
			b.problem(p.ID, false, p.Hint, "%s%s", at(p.Pos.File, p.Pos.Line, p.Pos.Column), p.Text)
		} else {
			b.warn(p.ID, p.Hint, "%s%s", at(p.Pos.File, p.Pos.Line, p.Pos.Column), p.Text)
		}
	}
	return after
}

// configAuth decides what becomes of the credentials that config.toml has for
// the registry and its endpoints.
func (b *builder) configAuth(reg config.Registry, r configtoml.Registry, want *configtoml.Wanted) {
	if reg.Auth == nil {
		return
	}
	for _, host := range contacted(reg) {
		if !b.header[reg.Host] {
			want.SetConfigAuth = append(want.SetConfigAuth, configtoml.HostAuth{Host: host, Username: reg.Auth.Username, Password: reg.Auth.Password})
			b.manifest.CRIAuth = append(b.manifest.CRIAuth, host)
			b.rememberAuth(host, reg.Auth)
		} else if slices.ContainsFunc(r.Configs, func(c configtoml.HostConfig) bool { return c.Host == host && c.Auth != nil }) {
			want.DropConfigAuth = append(want.DropConfigAuth, host)
		}
		want.DropAuths = append(want.DropAuths, host)
	}
}

// contacted are the host[:port] of a registry's endpoints, which is what
// registry.configs is matched against.
func contacted(reg config.Registry) (hosts []string) {
	for _, e := range reg.Endpoints {
		_, rest, _ := strings.Cut(e.URL, "://")
		host, _, _ := strings.Cut(rest, "/")
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func (b *builder) configChange(c configtoml.FileChange, secrets bool) {
	change := Change{Path: c.Path, Action: Update, Mode: b.o.ConfigModes[c.Path], Reason: strings.Join(c.Reasons, "; "),
		Effect: "restart", Content: c.After, Before: b.keyed(c.Before), After: b.keyed(c.After)}
	if c.Before == nil {
		change.Action, change.Mode, change.Before = Create, 0o644, ""
	}
	if secrets && !b.keepsMode(change.Mode) {
		change.Mode = 0o600
	}
	change.Diff = configDiff(c.Path, c.Before, c.After)
	change.Drift = b.driftOf(c.Path)
	b.node.Changes = append(b.node.Changes, change)
	b.configChanged = true
}

func boolToInt(v bool) int {
	if v {
		return 1
	}
	return 0
}
