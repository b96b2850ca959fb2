package configtoml

import (
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"slices"
)

// Overlay is the tree as it will be with the changes made. Files that only the
// changed ones import are not looked for: Change adds no imports.
func Overlay(t *Tree, changes []FileChange) (*Tree, error) {
	o := overlay{tree: t, after: map[string][]byte{}}
	for i := range t.Files {
		o.after[t.Files[i].Path] = t.Files[i].Data
	}
	for _, c := range changes {
		o.after[c.Path] = c.After
	}
	after, err := Load(o, t.Root, t.Release)
	if err == nil {
		after.unread = t.unread
	}
	return after, err
}

type overlay struct {
	tree  *Tree
	after map[string][]byte // by path
}

// ReadFile implements Source.
func (o overlay) ReadFile(name string) ([]byte, error) {
	if b, ok := o.after[name]; ok {
		return b, nil
	}
	return nil, fs.ErrNotExist
}

// Glob implements Source: the files that the pattern gave before, in that order.
func (o overlay) Glob(pattern string) ([]string, error) {
	var all []string
	for _, f := range o.tree.Files {
		if ok, _ := path.Match(pattern, f.Path); ok {
			all = append(all, f.Path)
		}
	}
	slices.Sort(all)
	return all, nil
}

// verify loads the result and makes sure that it says what was wanted, and that
// all the rest says what it said.
func verify(t *Tree, want Wanted, changes []FileChange) error {
	after, err := Overlay(t, changes)
	if err != nil {
		return err
	}
	for i := range after.Files {
		if p := after.Files[i].err; p != nil {
			return fmt.Errorf("%s cannot be edited safely: the result would not be valid TOML (line %d: %s)", p.Pos.File, p.Pos.Line, p.Text)
		}
	}
	r := after.Registry()
	switch {
	case want.ConfigPath != "" && r.ConfigPath != want.ConfigPath:
		return fmt.Errorf("%s cannot be edited safely: config_path would still be %q", t.Root, r.ConfigPath)
	case want.DropMirrors && len(r.Mirrors) > 0:
		return fmt.Errorf("%s cannot be edited safely: mirrors of %q would remain", t.Root, r.Mirrors[0].Host)
	}
	for _, c := range r.Configs {
		if want.DropTLS && c.TLS != nil {
			return fmt.Errorf("%s cannot be edited safely: configs.%q.tls would remain", t.Root, c.Host)
		}
	}
	for _, a := range want.SetConfigAuth {
		if !slices.ContainsFunc(r.Configs, func(c HostConfig) bool {
			return c.Host == a.Host && c.Auth.says(a)
		}) {
			return fmt.Errorf("%s cannot be edited safely: the credential for %q would not take effect", t.Root, a.Host)
		}
	}
	return sameElsewhere(t, after, want)
}

func sameElsewhere(before, after *Tree, want Wanted) error {
	for i, f := range before.Files {
		if i >= len(after.Files) || after.Files[i].Path != f.Path {
			return fmt.Errorf("%s cannot be edited safely: it would not be read any more", f.Path)
		}
		old, now := rest(f.values, want), rest(after.Files[i].values, want)
		delete(old, "version")
		delete(now, "version")
		if f.Version != 0 && f.Version != after.Files[i].Version || !reflect.DeepEqual(old, now) {
			return fmt.Errorf("%s cannot be edited safely: a setting that has nothing to do with it would change", f.Path)
		}
	}
	return nil
}

// rest copies a document without what Change may touch, and without tables that
// are empty then.
func rest(m map[string]any, want Wanted) map[string]any {
	out := clone(m)
	for _, table := range registryTables {
		reg := lookup(out, table)
		if reg == nil {
			continue
		}
		delete(reg, "config_path")
		if want.DropMirrors {
			delete(reg, "mirrors")
		}
		for host, v := range lookup(reg, []string{"configs"}) {
			c, _ := v.(map[string]any)
			if want.DropTLS {
				delete(c, "tls")
			}
			if slices.Contains(want.DropConfigAuth, host) || slices.ContainsFunc(want.SetConfigAuth, func(a HostAuth) bool { return a.Host == host }) {
				delete(c, "auth")
			}
		}
		auths := lookup(reg, []string{"auths"})
		for key := range auths {
			if slices.ContainsFunc(want.DropAuths, func(h string) bool { return SameHost(key, h) }) ||
				slices.ContainsFunc(want.SetConfigAuth, func(a HostAuth) bool { return SameHost(key, a.Host) }) {
				delete(auths, key)
			}
		}
	}
	prune(out)
	return out
}

func clone(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if t, ok := v.(map[string]any); ok {
			v = clone(t)
		}
		out[k] = v
	}
	return out
}

func prune(m map[string]any) {
	for k, v := range m {
		if t, ok := v.(map[string]any); ok {
			if prune(t); len(t) == 0 {
				delete(m, k)
			}
		}
	}
}
