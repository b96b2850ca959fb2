package configtoml

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/secret"
)

// Wanted is what a configuration shall say about registries. Zero fields leave
// things as they are.
type Wanted struct {
	// ConfigPath is the one hosts directory.
	ConfigPath string
	// DropMirrors and DropTLS remove every registry.mirrors and every
	// registry.configs.HOST.tls table.
	DropMirrors, DropTLS bool
	// DropAuths are the hosts whose registry.auths entry goes, with any scheme.
	DropAuths []string
	// DropConfigAuth are the hosts whose registry.configs.HOST.auth goes.
	DropConfigAuth []string
	// SetConfigAuth are the credentials that registry.configs shall have.
	SetConfigAuth []HostAuth
	// AsKubespray writes the registry part of a file of Kubespray's the way its
	// template does.
	AsKubespray bool
}

// HostAuth is a credential for a host[:port] as it is contacted.
type HostAuth struct {
	Host, Username string
	Password       secret.Value
}

// FileChange is one file before and after.
type FileChange struct {
	Path string
	// Before is nil when the file does not exist yet.
	Before, After []byte
	// Reasons in a few words each, never empty.
	Reasons []string
}

// Change makes the smallest edit that gives the configuration what is wanted:
// every byte that need not change stays, comments and quotes included. It checks
// its own result, and returns an error and no change when the file cannot be
// edited safely. No change at all is an empty result.
func Change(t *Tree, want Wanted) ([]FileChange, error) {
	for i := range t.Files {
		if p := t.Files[i].err; p != nil {
			return nil, fmt.Errorf("%s:%d:%d: %s", p.Pos.File, p.Pos.Line, p.Pos.Column, p.Text)
		}
	}
	for _, a := range want.SetConfigAuth {
		if !validText(a.Username) || !validText(a.Password.Reveal()) {
			return nil, fmt.Errorf("the credential for %s is not UTF-8, which a TOML file cannot hold", a.Host)
		}
	}
	own := *t
	own.Files = slices.Clone(t.Files)
	e := &editor{t: &own, before: t, want: want, reasons: map[string][]string{}}
	if want.AsKubespray {
		e.writeAsKubespray()
	}
	for i := range t.Files {
		e.dropFrom(i)
	}
	own.settle()
	e.setPath()
	for _, a := range want.SetConfigAuth {
		e.setAuth(a)
	}
	changes := e.changes()
	if len(changes) == 0 {
		return nil, nil
	}
	if err := verify(t, want, changes); err != nil {
		return nil, err
	}
	return changes, nil
}

// editor makes the edits one after the other; t is its own tree, as it is by then.
type editor struct {
	t, before *Tree
	want      Wanted
	reasons   map[string][]string
}

// file returns the index of a path, making the root file where there is none.
func (e *editor) file(p string) int {
	if i := slices.IndexFunc(e.t.Files, func(f File) bool { return f.Path == p }); i >= 0 {
		return i
	}
	e.t.Files = append(e.t.Files, parseFile(p, fmt.Appendf(nil, "version = %d\n", newVersion(e.t.Release))))
	e.t.settle()
	return len(e.t.Files) - 1
}

// edit carries out spans in file i and reads it again. What the files decide
// together is settled by the caller.
func (e *editor) edit(i int, reason string, spans []span) {
	if len(spans) == 0 {
		return
	}
	f := &e.t.Files[i]
	p := f.Path
	*f = parseFile(p, splice(f.Data, spans))
	if f.err != nil {
		// verify finds it; what follows sees an empty file.
		f.doc, _ = newDocument(nil)
	}
	if !slices.Contains(e.reasons[p], reason) {
		e.reasons[p] = append(e.reasons[p], reason)
	}
}

func (e *editor) drop(i int, reason string, match func(path []string) bool) {
	e.edit(i, reason, e.t.Files[i].doc.drop(match))
}

// dropFrom takes out of file i what is not wanted, in every registry table that
// counts or could.
func (e *editor) dropFrom(i int) {
	winner := !e.t.Release.MergesPluginsDeeply() && e.t.Files[i].Path == e.t.winner1()
	for _, table := range e.t.tables(&e.t.Files[i]) {
		reg := lookup(e.t.Files[i].values, table)
		if reg == nil {
			continue
		}
		// An empty table, as config default writes it, harms nobody.
		if e.want.DropMirrors && len(lookup(reg, []string{"mirrors"})) > 0 {
			e.drop(i, "registry.mirrors moves to hosts.toml", func(p []string) bool { return under(p, table, "mirrors") })
		}
		for _, host := range sortedKeys(lookup(reg, []string{"configs"})) {
			e.dropConfig(i, table, host)
		}
		for _, key := range sortedKeys(lookup(reg, []string{"auths"})) {
			for _, host := range e.want.DropAuths {
				if SameHost(key, host) {
					e.drop(i, "registry.auths of "+host+" is delivered otherwise", func(p []string) bool { return under(p, table, "auths", key) })
				}
			}
		}
	}
	if table := []string{"plugins", e.t.plugin1(), "registry"}; winner && lookup(e.t.Files[i].values, table[:2]) == nil {
		// On 1.x the last file that has the CRI table gives all of it. With the table
		// gone another file's would come to count.
		d := e.t.Files[i].doc
		e.edit(i, "registry.mirrors moves to hosts.toml", []span{{len(d.data), len(d.data), d.gap(d.eol()) + "[" + dotted(table) + "]" + d.eol()}})
	}
}

// dropConfig takes the unwanted tables out of registry.configs.HOST, and the
// host with them when nothing of it is left.
func (e *editor) dropConfig(i int, table []string, host string) {
	c := lookup(e.t.Files[i].values, append(slices.Clone(table), "configs", host))
	tls := e.want.DropTLS && c["tls"] != nil
	auth := slices.Contains(e.want.DropConfigAuth, host) && c["auth"] != nil
	left := len(c)
	for _, gone := range []bool{tls, auth} {
		if gone {
			left--
		}
	}
	if !tls && !auth {
		return
	}
	goes := func(key string) func(p []string) bool {
		return func(p []string) bool {
			return under(p, table, "configs", host) && (left == 0 || under(p, table, "configs", host, key))
		}
	}
	if tls {
		e.drop(i, "registry.configs tls tables move to hosts.toml", goes("tls"))
	}
	if auth {
		e.drop(i, "registry.configs auth of "+host+" is delivered otherwise", goes("auth"))
		reason := "registry.configs auth of " + host + " is delivered otherwise"
		if p := e.t.Files[i].Path; !slices.Contains(e.reasons[p], reason) {
			e.reasons[p] = append(e.reasons[p], reason)
		}
	}
}

// under reports whether p is the path below table, or something in it.
func under(p, table []string, below ...string) bool {
	return hasPrefix(p, table) && hasPrefix(p[len(table):], below)
}

// SameHost compares a registry.auths key, which may be a URL, with a host.
func SameHost(key, host string) bool {
	if _, rest, found := strings.Cut(key, "://"); found {
		key = rest
	}
	key, _, _ = strings.Cut(key, "/")
	return key == host
}

func (e *editor) setPath() {
	r := e.t.Registry()
	if e.want.ConfigPath == "" || r.ConfigPath == e.want.ConfigPath {
		return
	}
	reason := "config_path becomes " + e.want.ConfigPath
	switch {
	case r.ConfigPath == "":
		reason = "config_path is set to " + e.want.ConfigPath
	case strings.Contains(r.ConfigPath, ":"):
		reason = "config_path becomes one directory, because several joined by a colon are not read since 2.1"
	}
	i := e.file(e.t.home())
	defer e.t.settle()
	e.put(i, e.t.writable(&e.t.Files[i]), "config_path", e.want.ConfigPath, reason)
}

func (e *editor) setAuth(a HostAuth) {
	reason := "credential for " + a.Host
	defer e.t.settle()
	r := e.t.Registry()
	// An entry of registry.auths would win over registry.configs.
	for i := range e.t.Files {
		for _, table := range e.t.tables(&e.t.Files[i]) {
			for _, key := range sortedKeys(lookup(e.t.Files[i].values, append(slices.Clone(table), "auths"))) {
				if SameHost(key, a.Host) {
					e.drop(i, reason, func(p []string) bool { return under(p, table, "auths", key) })
				}
			}
		}
	}
	e.t.settle()
	for _, c := range r.Configs {
		if c.Host == a.Host && c.Auth.says(a) {
			return
		}
	}
	// The last file that has this credential wins on 2.x, key by key.
	home := e.t.home()
	for i := range e.t.Files {
		for _, table := range e.t.tables(&e.t.Files[i]) {
			auth := append(slices.Clone(table), "configs", a.Host, "auth")
			old := lookup(e.t.Files[i].values, auth)
			if old == nil {
				continue
			}
			if slices.Equal(table, e.t.counted(&e.t.Files[i])) {
				home = e.t.Files[i].Path
			}
			for _, key := range []string{"auth", "identitytoken"} {
				if _, ok := old[key]; ok {
					e.drop(i, reason, func(p []string) bool { return under(p, auth, key) })
				}
			}
		}
	}
	i := e.file(home)
	table := append(slices.Clone(e.t.writable(&e.t.Files[i])), "configs", a.Host, "auth")
	// The key that is put first ends up below: each goes right under the header.
	e.put(i, table, "password", a.Password.Reveal(), reason)
	e.put(i, table, "username", a.Username, reason)
}

// put sets one key in file i, giving the file a version where needed.
func (e *editor) put(i int, table []string, key, value, reason string) {
	if e.needsVersion(i) {
		d := e.t.Files[i].doc
		at := 0
		if bytes.HasPrefix(d.data, bom) {
			at = len(bom)
		}
		e.edit(i, reason, []span{{at, at, fmt.Sprintf("version = %d%s", newVersion(e.t.Release), d.eol())}})
	}
	e.edit(i, reason, e.t.Files[i].doc.set(table, key, quote(value)))
	if p := e.t.Files[i].Path; !slices.Contains(e.reasons[p], reason) {
		e.reasons[p] = append(e.reasons[p], reason)
	}
}

// needsVersion: a root file that says nothing of plugins and has no version is
// given one on 2.x, so that no release has to guess what the new table means.
// Not one with drop-ins, which may be of another version, and not one that lists
// plugins by their short names, which only a file without version may.
func (e *editor) needsVersion(i int) bool {
	f := &e.t.Files[i]
	if !e.t.Release.AtLeast(2, 0, 0) || f.Path != e.t.Root || len(e.t.Files) > 1 {
		return false
	}
	for _, key := range []string{"version", "plugins", "disabled_plugins", "required_plugins", "imports"} {
		if _, ok := f.values[key]; ok {
			return false
		}
	}
	return true
}

func (e *editor) changes() (all []FileChange) {
	for i := range e.t.Files {
		f := &e.t.Files[i]
		var before []byte
		if i < len(e.before.Files) {
			before = e.before.Files[i].Data
		}
		if before == nil && i >= len(e.before.Files) || !bytes.Equal(before, f.Data) {
			all = append(all, FileChange{Path: f.Path, Before: before, After: f.Data, Reasons: e.reasons[f.Path]})
		}
	}
	return all
}
