package configtoml

import (
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
	e := &editor{t: t, want: want, data: map[string][]byte{}, reasons: map[string][]string{}}
	for i := range t.Files {
		e.data[t.Files[i].Path] = t.Files[i].Data
	}
	winner := e.winner()
	for i := range t.Files {
		if t.Release.MergesPluginsDeeply() || t.Files[i].Path == winner {
			e.dropFrom(&t.Files[i])
		}
	}
	e.setPath(winner)
	for _, a := range want.SetConfigAuth {
		e.setAuth(winner, a)
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

type editor struct {
	t       *Tree
	want    Wanted
	data    map[string][]byte
	reasons map[string][]string
}

// winner is the file whose registry table counts: on 1.x the last one that has
// the CRI table at all, on 2.x the last one that sets config_path, else the root.
func (e *editor) winner() string {
	t := e.t
	for i := len(t.Files) - 1; i >= 0; i-- {
		f := &t.Files[i]
		table := t.writable(f)
		if !t.Release.MergesPluginsDeeply() {
			table = table[:2]
		} else if _, ok := lookup(f.values, table)["config_path"]; !ok {
			continue
		}
		if lookup(f.values, table) != nil {
			return f.Path
		}
	}
	return t.Root
}

// table is the registry table to write in a file as it is after the edits so far.
func (e *editor) table(path string) []string {
	for i := range e.t.Files {
		if f := &e.t.Files[i]; f.Path == path {
			now := parseFile(path, e.data[path])
			return e.t.writable(&now)
		}
	}
	return tableFor(newVersion(e.t.Release))
}

// tables are the registry tables of a file that count now or could later: an old
// one in a file of version 3 or 4 wakes up with containerd 2.3.
func (e *editor) tables(f *File) [][]string {
	v := e.t.version(f)
	switch {
	case v >= 3:
		return [][]string{tableFor(v), tableFor(2)}
	case v == 1 && e.t.Release.AtLeast(2, 3, 0):
		return [][]string{tableFor(1), tableFor(2), tableFor(3)}
	}
	return [][]string{tableFor(v)}
}

func (e *editor) dropFrom(f *File) {
	for _, table := range e.tables(f) {
		if e.want.DropMirrors {
			e.dropPaths(f.Path, "registry.mirrors moves to hosts.toml", func(p []string) bool {
				return hasPrefix(p, append(slices.Clone(table), "mirrors"))
			})
		}
		if e.want.DropTLS {
			e.dropPaths(f.Path, "registry.configs tls tables move to hosts.toml", func(p []string) bool {
				return hasPrefix(p, append(slices.Clone(table), "configs")) && len(p) > len(table)+2 && p[len(table)+2] == "tls"
			})
		}
		for _, host := range e.want.DropAuths {
			e.dropPaths(f.Path, "registry.auths of "+host+" is delivered otherwise", func(p []string) bool {
				return hasPrefix(p, append(slices.Clone(table), "auths")) && len(p) > len(table)+1 && sameHost(p[len(table)+1], host)
			})
		}
		for _, host := range e.want.DropConfigAuth {
			e.dropPaths(f.Path, "registry.configs auth of "+host+" is delivered otherwise", func(p []string) bool {
				return hasPrefix(p, append(slices.Clone(table), "configs", host, "auth"))
			})
		}
	}
}

// sameHost compares a registry.auths key with a host.
func sameHost(key, host string) bool {
	if _, rest, found := strings.Cut(key, "://"); found {
		key = rest
	}
	return strings.TrimSuffix(key, "/") == host
}

func (e *editor) dropPaths(file, reason string, match func([]string) bool) {
	doc := newDocument(e.data[file])
	if spans := doc.drop(match); len(spans) > 0 {
		e.data[file] = splice(doc.data, spans)
		e.because(file, reason)
	}
}

func (e *editor) because(file, reason string) {
	if !slices.Contains(e.reasons[file], reason) {
		e.reasons[file] = append(e.reasons[file], reason)
	}
}

func (e *editor) setPath(file string) {
	r := e.t.Registry()
	if e.want.ConfigPath == "" || r.ConfigPath == e.want.ConfigPath {
		return
	}
	e.put(file, e.table(file), "config_path", e.want.ConfigPath)
	switch {
	case r.ConfigPath == "":
		e.because(file, "config_path is set to "+e.want.ConfigPath)
	case strings.Contains(r.ConfigPath, ":"):
		e.because(file, "config_path becomes one directory, because several joined by a colon are not read since 2.1")
	default:
		e.because(file, "config_path becomes "+e.want.ConfigPath)
	}
}

func (e *editor) setAuth(file string, a HostAuth) {
	table := append(slices.Clone(e.table(file)), "configs", a.Host, "auth")
	for _, c := range e.t.Registry().Configs {
		if c.Host == a.Host && c.Auth != nil && c.Auth.Username == a.Username && c.Auth.Password == a.Password &&
			c.Auth.Auth.IsZero() && c.Auth.IdentityToken.IsZero() {
			return
		}
	}
	for _, key := range []string{"auth", "identitytoken"} {
		e.dropPaths(file, "credential for "+a.Host, func(p []string) bool { return slices.Equal(p, append(slices.Clone(table), key)) })
	}
	// The key that is put first ends up below: each goes right under the header.
	e.put(file, table, "password", a.Password.Reveal())
	e.put(file, table, "username", a.Username)
	e.because(file, "credential for "+a.Host)
}

// put sets one key in a file, making the file and its version where needed.
func (e *editor) put(file string, table []string, key, value string) {
	data, exists := e.data[file]
	if v := newVersion(e.t.Release); !exists {
		data = fmt.Appendf(nil, "version = %d\n", v)
	} else if e.needsVersion(file) {
		doc := newDocument(data)
		at := 0
		if strings.HasPrefix(string(data), string(bom)) {
			at = len(bom)
		}
		data = splice(data, []span{{at, at, fmt.Sprintf("version = %d%s", v, doc.eol())}})
	}
	doc := newDocument(data)
	e.data[file] = splice(data, doc.set(table, key, quote(value)))
}

// needsVersion: a root file that says nothing of plugins and has no version is
// given one on 2.x, so that no release has to guess what the new table means.
func (e *editor) needsVersion(file string) bool {
	if !e.t.Release.AtLeast(2, 0, 0) || file != e.t.Root {
		return false
	}
	now := parseFile(file, e.data[file])
	return now.Version == 0 && lookup(now.values, []string{"plugins"}) == nil
}

func (e *editor) changes() (all []FileChange) {
	paths := make([]string, 0, len(e.t.Files)+1)
	before := map[string][]byte{}
	for _, f := range e.t.Files {
		paths = append(paths, f.Path)
		before[f.Path] = f.Data
	}
	if _, ok := before[e.t.Root]; !ok {
		paths = append(paths, e.t.Root)
	}
	for _, p := range paths {
		after, ok := e.data[p]
		if ok && (before[p] == nil || string(before[p]) != string(after)) && len(e.reasons[p]) > 0 {
			all = append(all, FileChange{Path: p, Before: before[p], After: after, Reasons: e.reasons[p]})
		}
	}
	return all
}
