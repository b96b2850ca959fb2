package configtoml

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Problem is something that containerd would refuse, lose CRI over, or ignore.
type Problem struct {
	// ID is a rule of the catalogue, such as CFG001.
	ID  string
	Pos Pos
	// Text is one line; Hint says what to do about it.
	Text, Hint string
	// Severity: 1 containerd does not start, 2 it starts without CRI, 3 something
	// is ignored in silence, 4 pulls fail.
	Severity int
	// Fatal is true for severities 1 and 2.
	Fatal bool
}

// Problems lists what is wrong, by file order and place. What the daemon's own
// `config dump` does not check is checked here.
func (t *Tree) Problems() []Problem {
	c := &checker{t: t, r: t.Registry()}
	for i := range t.Files {
		c.file(&t.Files[i])
	}
	for _, m := range t.Missing {
		c.add(Problem{ID: "CFG008", Pos: Pos{File: t.Root}, Severity: 1, Text: fmt.Sprintf("imports %q, which does not exist", m), Hint: "make the file or take it out of imports"})
	}
	c.dropIns()
	c.registry()
	return c.found
}

type checker struct {
	t     *Tree
	r     Registry
	found []Problem
}

func (c *checker) add(p Problem) {
	p.Fatal = p.Severity <= 2
	c.found = append(c.found, p)
}

func (c *checker) file(f *File) {
	if f.err != nil {
		c.add(*f.err)
		return
	}
	rel := c.t.Release
	root := f.Path == c.t.Root
	if f.Version > rel.MaxConfigVersion() {
		c.add(Problem{ID: "CFG005", Pos: c.at(f, "version"), Severity: 1,
			Text: fmt.Sprintf("config version %d is newer than containerd %s reads (%d)", f.Version, rel, rel.MaxConfigVersion()),
			Hint: "upgrade containerd, or write the file in an older version"})
	}
	plugins := lookup(f.values, []string{"plugins"})
	dotted := slices.ContainsFunc(sortedKeys(plugins), func(k string) bool { return strings.HasPrefix(k, "io.containerd.") })
	if root && f.Version == 0 && dotted && !c.t.Release.AtLeast(2, 3, 0) {
		what := "is read as version 1, in which all io.containerd.* tables are ignored"
		if rel.AtLeast(2, 0, 0) {
			what = "is not migrated, so the tables of older versions are ignored"
		}
		c.add(Problem{ID: "CFG010", Pos: Pos{File: f.Path, Line: 1}, Severity: 3, Text: "has no version and " + what, Hint: "write version = 2 (containerd 1.x) or 3 (2.x) at the top"})
	}
	if lookup(f.values, []string{"plugin"}) != nil {
		c.add(Problem{ID: "CFG012", Pos: c.at(f, "plugin"), Severity: 3, Text: "the table plugin is ignored; its name is plugins", Hint: "rename it"})
	}
	for _, d := range list(f.values, "disabled_plugins") {
		if d == "cri" || d == pluginV2 || d == pluginV3 {
			c.add(Problem{ID: "CFG004", Pos: c.at(f, "disabled_plugins"), Severity: 2, Text: fmt.Sprintf("%q is in disabled_plugins, so containerd runs without CRI", d), Hint: "take it out of the list and restart containerd"})
		}
	}
	if v := c.t.version(f); v >= 3 && lookup(f.values, registryTables[1].path) != nil {
		what := "is ignored by containerd 2.0 to 2.2, and takes the place of the new one from 2.3 on"
		c.add(Problem{ID: "CFG011", Pos: c.at(f, registryTables[1].path...), Severity: 3, Text: "the registry table of version 2 in a file of version " + fmt.Sprint(v) + " " + what, Hint: "move it to plugins." + pluginV3})
	}
	for _, table := range registryTables {
		reg := lookup(f.values, table.path)
		if v, there := reg["config_path"]; there {
			if _, ok := v.(string); !ok {
				c.add(Problem{ID: "CFG007", Pos: c.at(f, append(slices.Clone(table.path), "config_path")...), Severity: 1, Text: "config_path is not a string", Hint: "write one directory in quotes"})
			}
		}
	}
}

// dropIns checks the version rules between root and imported files.
func (c *checker) dropIns() {
	t := c.t
	if len(t.Files) < 2 || !t.Release.AtLeast(2, 0, 0) {
		return
	}
	root := t.version(&t.Files[0])
	for i := range t.Files[1:] {
		f := &t.Files[i+1]
		switch {
		case f.Version == 0 || f.Version == root:
		case t.Release.In(2, 3, 0, 4) && f.Version > root:
			c.add(Problem{ID: "CFG006", Pos: c.at(f, "version"), Severity: 1, Text: fmt.Sprintf("drop-in of version %d above a root file of version %d, which containerd %s refuses", f.Version, root, t.Release), Hint: "write both in the same version"})
		case !t.Release.AtLeast(2, 3, 0):
			c.add(Problem{ID: "CFG006", Pos: c.at(f, "version"), Severity: 3, Text: fmt.Sprintf("drop-in of version %d above a root file of version %d: one of them is not migrated and its CRI settings are lost", f.Version, root), Hint: "write both in the same version"})
		}
	}
}

func (c *checker) registry() {
	rel := c.t.Release
	path := c.r.ConfigPath
	if path == "" && rel.BakesDefaultConfigPath() {
		path = defaultPair
	}
	if len(c.r.Mirrors) > 0 && path != "" {
		id, why := "CFG001", "`mirrors` cannot be set when `config_path` is provided"
		if c.r.ConfigPath == "" {
			id, why = "CFG003", fmt.Sprintf("containerd %s sets a config_path by itself, beside which `mirrors` cannot be set", rel)
		}
		c.add(Problem{ID: id, Pos: c.r.Mirrors[0].At, Severity: 2, Text: "containerd starts without CRI: " + why, Hint: "move the mirrors to hosts.toml and delete the table"})
	}
	for _, h := range c.r.Configs {
		if h.TLS == nil {
			continue
		}
		if rel.HasConfigsTLS() && path != "" {
			c.add(Problem{ID: "CFG002", Pos: h.At, Severity: 2, Text: "containerd starts without CRI: `configs.tls` cannot be set when `config_path` is provided", Hint: "put ca and skip_verify into hosts.toml"})
			break
		}
		if !rel.HasConfigsTLS() {
			c.add(Problem{ID: "CFG023", Pos: h.At, Severity: 3, Text: fmt.Sprintf("configs.%q.tls is ignored since containerd 2.0", h.Host), Hint: "put ca and skip_verify into hosts.toml"})
		}
	}
	for _, a := range c.r.Auths {
		if u, err := url.Parse(a.Host); err != nil || u.Host == "" {
			c.add(Problem{ID: "CFG027", Pos: a.At, Severity: 2, Text: fmt.Sprintf("containerd starts without CRI: registry.auths key %q is no URL", a.Host), Hint: "write it with http:// or https://"})
		}
	}
	for _, h := range c.r.Configs {
		if strings.Contains(h.Host, "://") {
			c.add(Problem{ID: "CFG021", Pos: h.At, Severity: 3, Text: fmt.Sprintf("configs key %q has a scheme and is never used", h.Host), Hint: "write host or host:port"})
		}
	}
}

func (c *checker) at(f *File, path ...string) Pos {
	if f.doc != nil {
		if at, ok := f.doc.find(path); ok {
			return f.doc.pos(f.Path, at)
		}
	}
	return Pos{File: f.Path}
}
