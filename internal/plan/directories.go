package plan

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// wantedDir is one host directory that the plan wants.
type wantedDir struct {
	name     string
	files    []hoststoml.Rendered
	reason   string
	migrated bool
}

// hostDirectories renders the host directories of the spec, and those that carry
// over what legacy tables of config.toml say of other registries, and compares
// each with what is there.
func (b *builder) hostDirectories() {
	b.wanted = map[string]bool{}
	var all []wantedDir
	for _, r := range b.d.Registries {
		name := b.dirName(r.Host)
		dir := filepath.Join(b.o.HostsDir, name)
		files, err := b.render(r, dir)
		if err != nil {
			b.cannotRender(r.Host, err)
			continue
		}
		all = append(all, wantedDir{name: name, files: files, reason: "registry " + r.Host})
		b.wanted[name] = true
	}
	all = append(all, b.migrated()...)
	for _, w := range all {
		b.wanted[w.name] = true
		b.compare(w)
	}
	b.hostRules(all)
}

// dirName is the name under which containerd finds the host's directory here:
// one with the port written _5000_ that exists comes before the usual host:port.
func (b *builder) dirName(host string) string {
	if host == "*" {
		return hoststoml.DirName(host)
	}
	for _, name := range hoststoml.LookupNames(host) {
		if name != hoststoml.DefaultName && b.dir(name) != nil {
			return name
		}
	}
	return hoststoml.DirName(host)
}

func (b *builder) dir(name string) *HostDir {
	for i := range b.o.Hosts {
		if b.o.Hosts[i].Name == name {
			return &b.o.Hosts[i]
		}
	}
	return nil
}

// cannotRender records why a registry cannot be written for this release.
func (b *builder) cannotRender(host string, err error) {
	hint := ""
	if e, ok := err.(*hoststoml.Error); ok {
		hint = e.Hint
	}
	b.problem("render", false, hint, "registry %s: %s", host, err)
}

// migrated carries legacy mirrors and tls tables over to host directories, for
// the registries that the spec does not name.
func (b *builder) migrated() []wantedDir {
	dirs, problems := LegacyDirectories(b.o.Tree.Registry(), b.o.Release)
	for _, p := range problems {
		b.warn(p.ID, p.Hint, "%s", p.Text)
	}
	var all []wantedDir
	for _, d := range dirs {
		if b.wanted[d.Name] {
			continue // the spec says what this registry shall be
		}
		if b.opt.Kubespray != nil && b.dir(d.Name) != nil {
			continue // Kubespray wrote it beside the tables, and has it in use from now on
		}
		files, err := d.Render(b.o.Release)
		if err != nil {
			b.cannotRender(d.Name, err)
			continue
		}
		all = append(all, wantedDir{name: d.Name, files: files, migrated: true,
			reason: "keeps what " + b.o.ConfigFile + " says of " + d.Name + " in its mirrors and tls tables"})
	}
	b.migratedEarlier(all)
	return all
}

// LegacyDirectories are the host directories that do what the deprecated mirrors
// and tls tables of a configuration do; see hoststoml.FromLegacy.
func LegacyDirectories(r configtoml.Registry, rel containerd.Release) ([]hoststoml.Directory, []hoststoml.Problem) {
	var mirrors []hoststoml.LegacyMirror
	for _, m := range r.Mirrors {
		mirrors = append(mirrors, hoststoml.LegacyMirror{Host: m.Host, Endpoints: m.Endpoints})
	}
	var tls []hoststoml.LegacyTLS
	for _, c := range r.Configs {
		if c.TLS != nil {
			tls = append(tls, hoststoml.LegacyTLS{Host: c.Host, CAFile: c.TLS.CAFile, CertFile: c.TLS.CertFile,
				KeyFile: c.TLS.KeyFile, InsecureSkipVerify: c.TLS.InsecureSkipVerify})
		}
	}
	return hoststoml.FromLegacy(mirrors, tls, rel)
}

// migratedEarlier keeps the host directories of an earlier migration as they are.
func (b *builder) migratedEarlier(now []wantedDir) {
	for _, owned := range b.o.Manifest.Files {
		name := filepath.Base(filepath.Dir(owned.Path))
		known := slices.ContainsFunc(now, func(w wantedDir) bool { return w.name == name })
		if owned.Migrated && !known && !b.wanted[name] {
			b.manifest.Files = append(b.manifest.Files, owned)
			b.wanted[name] = true
			if s := b.stateOf(owned.Path); s != nil && s.Drifted() {
				b.warn("drift", "it keeps what the configuration said before Pullway; look at it, or roll the run back", "%s %s", s.Path, s.Text())
			}
		}
	}
}

// compare adds the changes that bring one host directory to what is wanted.
func (b *builder) compare(w wantedDir) {
	path := filepath.Join(b.o.HostsDir, w.name)
	have := b.dir(w.name)
	if have != nil && b.odd(path, have, w) {
		return
	}
	var changes []Change
	for _, f := range w.files {
		target := filepath.Join(path, f.Name)
		b.manifest.Files = append(b.manifest.Files, Owned{Path: target, SHA256: sha(f.Data), Mode: f.Mode, Migrated: w.migrated})
		if c, ok := b.fileChange(target, have, f, w.reason); ok {
			changes = append(changes, c)
		}
	}
	if have != nil {
		changes = append(changes, b.staleFiles(path, have, w)...)
	}
	if len(changes) == 0 || have != nil && !b.mayChange(path, have, w) {
		return
	}
	b.refuseDrift(changes)
	for _, c := range changes {
		if c.Action == Delete {
			b.late = append(b.late, c)
			continue
		}
		b.node.Changes = append(b.node.Changes, c)
	}
}

// odd refuses what no flag replaces: something else stands where a host directory
// or a file of one should, and hands have to look at it.
func (b *builder) odd(path string, have *HostDir, w wantedDir) bool {
	switch {
	case have.Kind != "dir":
		b.problem("not-a-directory", false, "move it away; containerd fails every pull of this registry over it", "%s is a %s, not a directory", path, have.Kind)
		return true
	case len(have.Folders) > 0:
		b.problem("nested-directory", false, "move the folders in it away; a host directory holds files only", "%s holds folders", path)
		return true
	}
	for _, f := range w.files {
		if old := have.file(f.Name); old != nil && old.Data == nil {
			b.problem("not-a-file", false, "move it away", "%s is %s, not a file", filepath.Join(path, f.Name), standing("other", old.Link))
			return true
		}
	}
	return false
}

// fileChange compares one wanted file with what is there.
func (b *builder) fileChange(target string, have *HostDir, f hoststoml.Rendered, reason string) (Change, bool) {
	c := Change{Path: target, Action: Create, Mode: f.Mode, Reason: reason, Effect: "next pull", Content: f.Data, After: b.keyed(f.Data)}
	var before []byte
	if have != nil {
		if old := have.file(f.Name); old != nil {
			if string(old.Data) == string(f.Data) && old.Mode == f.Mode && old.Owner == "" {
				return Change{}, false
			}
			c.Action, c.Before, before = Update, b.keyed(old.Data), old.Data
		}
	}
	c.Diff = hostFileDiff(target, before, f.Data, c.Action == Update)
	return c, true
}

// staleFiles are files of ours in a wanted directory that it no longer names.
func (b *builder) staleFiles(path string, have *HostDir, w wantedDir) (changes []Change) {
	for _, f := range have.Files {
		target := filepath.Join(path, f.Name)
		named := slices.ContainsFunc(w.files, func(r hoststoml.Rendered) bool { return r.Name == f.Name })
		if !named && b.o.Manifest.file(target) != nil {
			changes = append(changes, Change{Path: target, Action: Delete, Reason: "no longer named by hosts.toml",
				Effect: "next pull", Before: b.keyed(f.Data), Diff: hostFileDiff(target, f.Data, nil, false)})
		}
	}
	return changes
}

// mayChange reports whether an existing host directory may be changed: it is
// ours, or says nothing, or we were told to adopt it.
func (b *builder) mayChange(path string, have *HostDir, w wantedDir) bool {
	owned := slices.ContainsFunc(b.o.Manifest.Files, func(f Owned) bool { return filepath.Dir(f.Path) == path })
	if b.opt.Adopt || owned || len(have.Files) == 0 {
		return true
	}
	hint := "look at it, then let Pullway take it over with --adopt (a backup is kept)"
	if w.migrated {
		b.problem("dormant-host-directory", false, hint,
			"%s exists but is not in use, and says something else than %s does now", path, b.o.ConfigFile)
		return false
	}
	writer := whoOwns(*have, path, beside(b.o.Hosts))
	if writer.Again != "" {
		hint += "; " + writer.Again
	}
	b.problem("foreign-host-directory", false, hint, "%s was written by %s", path, writer)
	return false
}

// removals deletes host directories of ours that the spec no longer has.
func (b *builder) removals() {
	for _, d := range b.o.Hosts {
		if b.wanted[d.Name] || d.Kind != "dir" {
			continue
		}
		path := filepath.Join(b.o.HostsDir, d.Name)
		var changes []Change
		for _, f := range d.Files {
			target := filepath.Join(path, f.Name)
			if b.o.Manifest.file(target) == nil {
				continue
			}
			changes = append(changes, Change{Path: target, Action: Delete, Reason: fmt.Sprintf("%s is no longer in the spec", d.Name),
				Effect: "next pull", Before: b.keyed(f.Data), Diff: hostFileDiff(target, f.Data, nil, false)})
		}
		b.refuseDrift(changes)
		b.late = append(b.late, changes...)
	}
}
