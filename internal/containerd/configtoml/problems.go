package configtoml

import (
	"fmt"
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

// Problems lists what is wrong, by file in processing order and by line. What
// the daemon's own `config dump` does not check is checked here.
func (t *Tree) Problems() []Problem {
	c := &checker{t: t, r: t.Registry(), merged: t.mergedVersion(), places: t.places()}
	for i := range t.Files {
		c.file(&t.Files[i])
	}
	c.imports()
	c.dropIns()
	c.types()
	c.runtimes()
	c.registry()
	c.hostsDirs()
	c.required()
	c.sort()
	return c.found
}

type checker struct {
	t      *Tree
	r      Registry
	merged int
	places places
	found  []Problem
}

func (c *checker) add(p Problem) {
	p.Fatal = p.Severity <= 2
	c.found = append(c.found, p)
}

// sort orders by file and line; problems of one place keep their order.
func (c *checker) sort() {
	order := map[string]int{}
	for i := range c.t.Files {
		order[c.t.Files[i].Path] = i - len(c.t.Files)
	}
	slices.SortStableFunc(c.found, func(a, b Problem) int {
		if d := order[a.Pos.File] - order[b.Pos.File]; d != 0 {
			return d
		}
		return a.Pos.Line - b.Pos.Line
	})
}

func (c *checker) file(f *File) {
	if f.err != nil {
		c.add(*f.err)
		return
	}
	rel := c.t.Release
	if rel.AtLeast(2, 0, 0) && strings.HasPrefix(string(f.Data), string(bom)) {
		c.add(Problem{ID: "CFG007", Pos: Pos{File: f.Path, Line: 1, Column: 1}, Severity: 1,
			Text: "begins with a byte order mark, which containerd 2.x takes for an invalid key", Hint: "save the file without it"})
	}
	c.version(f)
	if lookup(f.values, []string{"plugin"}) != nil {
		c.add(Problem{ID: "CFG012", Pos: c.at(f, "plugin"), Severity: 3, Text: "the table plugin is ignored; its name is plugins", Hint: "rename it"})
	}
	c.disabled(f)
	c.tables(f)
}

func (c *checker) version(f *File) {
	rel := c.t.Release
	v, there := f.values["version"]
	if _, ok := v.(int64); there && (!ok || f.Version == 0 && v != int64(0)) {
		c.add(Problem{ID: "CFG007", Pos: c.at(f, "version"), Severity: 1, Text: "version is not a whole number that containerd knows", Hint: fmt.Sprintf("write version = %d", newVersion(rel))})
		return
	}
	// Before 2.3 only the merged version is looked at, and 1.x began to look late
	// (1.6.32, 1.7.17).
	silent := !rel.AtLeast(1, 6, 32) || rel.In(1, 7, 0, 16)
	switch {
	case f.Version <= rel.MaxConfigVersion():
	case silent:
		c.add(Problem{ID: "CFG005", Pos: c.at(f, "version"), Severity: 3,
			Text: fmt.Sprintf("config version %d is newer than containerd %s knows, which reads the tables of version 2 only", f.Version, rel),
			Hint: "write the file in version 2"})
	case rel.AtLeast(2, 3, 0) || c.merged == f.Version || rel.AtLeast(2, 0, 0) && c.raisedAfter(f):
		c.add(Problem{ID: "CFG005", Pos: c.at(f, "version"), Severity: 1,
			Text: fmt.Sprintf("config version %d is newer than containerd %s reads (%d)", f.Version, rel, rel.MaxConfigVersion()),
			Hint: "upgrade containerd, or write the file in an older version"})
	}
	dotted := slices.ContainsFunc(sortedKeys(lookup(f.values, []string{"plugins"})), func(k string) bool { return strings.HasPrefix(k, "io.containerd.") })
	if f.Path != c.t.Root || f.Version != 0 || !dotted || rel.AtLeast(2, 3, 0) {
		return
	}
	old, _ := f.old()
	switch {
	case rel.AtLeast(2, 0, 0) && old != nil && c.merged != 2:
		c.add(Problem{ID: "CFG010", Pos: Pos{File: f.Path, Line: 1}, Severity: 3, Text: "has no version and is not migrated, so the tables of older versions are ignored", Hint: "write version = 2 at the top, which is what its tables are"})
	case !rel.AtLeast(2, 0, 0) && c.merged == 1:
		c.add(Problem{ID: "CFG010", Pos: Pos{File: f.Path, Line: 1}, Severity: 3, Text: "has no version and is read as version 1, in which all io.containerd.* tables are ignored", Hint: "write version = 2 at the top"})
	}
}

// raisedAfter reports whether a file without version, or of version 1, follows f.
// 2.0 to 2.2 raise it to the version of f, and crash when that is too high.
func (c *checker) raisedAfter(f *File) bool {
	after := false
	for i := range c.t.Files {
		g := &c.t.Files[i]
		if after && g.Version > 1 {
			return false
		}
		if after {
			return true
		}
		after = g.Path == f.Path
	}
	return false
}

// disabled checks disabled_plugins and required_plugins.
func (c *checker) disabled(f *File) {
	rel := c.t.Release
	for _, key := range []string{"disabled_plugins", "required_plugins"} {
		for _, d := range list(f.values, key) {
			short := !strings.Contains(d, ".") && f.Version > 1
			if !rel.AtLeast(2, 0, 0) {
				short = strings.Count(d, ".") < 3 && c.merged > 1
			}
			cri := d == pluginV1 || d == pluginV2 || d == pluginV3
			switch {
			case short && cri && key == "disabled_plugins":
				c.add(Problem{ID: "CFG004", Pos: c.at(f, key), Severity: 1, Text: fmt.Sprintf("%q in disabled_plugins is no plugin URI of version 2 and later, so containerd does not start", d), Hint: "take it out of the list"})
			case short:
				c.add(Problem{ID: "CFG007", Pos: c.at(f, key), Severity: 1, Text: fmt.Sprintf("%q in %s is no plugin URI, so containerd does not start", d, key), Hint: "write it as io.containerd.TYPE.vN.NAME, or take it out"})
			case cri && key == "disabled_plugins" && (rel.AtLeast(2, 0, 0) || d == c.t.plugin1()):
				c.add(Problem{ID: "CFG004", Pos: c.at(f, key), Severity: 2, Text: fmt.Sprintf("%q is in disabled_plugins, so containerd runs without CRI", d), Hint: "take it out of the list and restart containerd"})
			}
		}
	}
}

// tables finds CRI tables that the file's version does not have.
func (c *checker) tables(f *File) {
	rel := c.t.Release
	if !rel.AtLeast(2, 0, 0) && c.merged > 1 {
		for _, name := range sortedKeys(lookup(f.values, []string{"plugins"})) {
			if strings.Count(name, ".") < 3 {
				c.add(Problem{ID: "CFG011", Pos: c.at(f, "plugins", name), Severity: 1, Text: fmt.Sprintf("plugins.%s is a name of version 1, which containerd %s refuses in version %d", bare(name), rel, c.merged), Hint: "write the plugin's whole name, for CRI " + pluginV2})
			}
		}
	}
	counted := c.t.counted(f)
	for _, table := range registryTables {
		if lookup(f.values, table) == nil || slices.Equal(table, counted) {
			continue
		}
		p := Problem{ID: "CFG011", Pos: c.at(f, table...), Severity: 3, Hint: "move it to plugins." + bare(tableFor(max(c.merged, newVersion(rel)))[1])}
		name := "plugins." + bare(table[1]) + ".registry"
		switch {
		case !rel.AtLeast(2, 0, 0):
			if table[1] == c.t.plugin1() {
				continue // another file takes its place: CFG018
			}
			if table[1] == pluginV1 && c.merged > 1 {
				continue // told above
			}
			p.Hint = "move it to plugins." + bare(c.t.plugin1())
			p.Text = fmt.Sprintf("%s is ignored: containerd %s reads plugins.%s in version %d", name, rel, bare(c.t.plugin1()), c.merged)
		case table[1] == pluginV3:
			p.Text = fmt.Sprintf("%s is ignored, because plugins.%s.registry takes its place", name, bare(pluginV2))
			p.Hint = "delete one of the two"
		case rel.AtLeast(2, 3, 0):
			p.Text = fmt.Sprintf("%s is ignored in a file of version %d", name, f.Version)
		default:
			p.Text = fmt.Sprintf("%s is ignored by containerd 2.0 to 2.2 here, and takes the place of the new one from 2.3 on", name)
		}
		c.add(p)
	}
	if old := counted; rel.AtLeast(2, 3, 0) && f.Version == 3 && old[1] != pluginV3 {
		c.add(Problem{ID: "CFG011", Pos: c.at(f, old...), Severity: 3, Text: "the registry table of version 2 in a file of version 3 takes the place of the new one since 2.3", Hint: "move it to plugins." + bare(pluginV3)})
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
