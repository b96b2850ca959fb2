package configtoml

import (
	"fmt"
	"path"
	"slices"
)

// imports tells of files that are named and not there, and the other way round.
func (c *checker) imports() {
	t := c.t
	for i := range t.Files {
		v, there := t.Files[i].values["imports"]
		all, ok := v.([]any)
		if there && (!ok || len(list(t.Files[i].values, "imports")) != len(all)) {
			c.add(Problem{ID: "CFG007", Pos: c.at(&t.Files[i], "imports"), Severity: 1, Text: "imports is not a list of strings", Hint: `write imports = ["/etc/containerd/conf.d/*.toml"]`})
		}
	}
	for _, m := range t.Missing {
		c.add(Problem{ID: "CFG008", Pos: c.importOf(m), Severity: 1, Text: fmt.Sprintf("imports %q, which does not exist", m), Hint: "make the file or take it out of imports"})
	}
	for _, b := range t.badPatterns {
		c.add(Problem{ID: "CFG007", Pos: Pos{File: b.file}, Severity: 1, Text: fmt.Sprintf("imports %q, which is no valid pattern", b.name), Hint: "take it out of imports"})
	}
	for _, p := range t.unread {
		c.add(Problem{ID: "CFG020", Pos: Pos{File: p}, Severity: 3, Text: "is not read: " + t.Root + " does not import it",
			Hint: fmt.Sprintf("add imports = [%q] to %s, or delete the file", path.Join(path.Dir(p), "*.toml"), t.Root)})
	}
}

// importOf is the place of the imports line that names a file.
func (c *checker) importOf(name string) Pos {
	for i := range c.t.Files {
		f := &c.t.Files[i]
		l := loader{tree: c.t}
		if slices.ContainsFunc(list(f.values, "imports"), func(n string) bool { return l.absolute(f.Path, n) == name }) {
			return c.at(f, "imports")
		}
	}
	return Pos{File: c.t.Root}
}

// dropIns checks what imported files do to the ones before them.
func (c *checker) dropIns() {
	t := c.t
	if len(t.Files) < 2 {
		return
	}
	if !t.Release.AtLeast(2, 0, 0) {
		c.replaced()
		return
	}
	c.shadowed()
	root := t.Files[0].Version
	for i := range t.Files[1:] {
		f := &t.Files[i+1]
		if root == 0 {
			root = f.Version // 2.3.0 to 2.3.4 compare with the first version they see
		}
		switch {
		case t.Release.In(2, 3, 0, 4) && f.Version > root:
			c.add(Problem{ID: "CFG006", Pos: c.at(f, "version"), Severity: 1, Text: fmt.Sprintf("drop-in of version %d above a root file of version %d, which containerd %s refuses", f.Version, root, t.Release), Hint: "write both in the same version"})
		case !t.Release.AtLeast(2, 3, 0) && f.Version > 1 && root > 1 && f.Version != root:
			c.add(Problem{ID: "CFG006", Pos: c.at(f, "version"), Severity: 3, Text: fmt.Sprintf("drop-in of version %d above a root file of version %d: both are read by the rules of version %d, and CRI settings of the other are lost", f.Version, root, c.merged), Hint: "write both in the same version"})
		}
	}
}

// replaced tells which files lose their CRI table to a later one (1.x).
func (c *checker) replaced() {
	winner := c.t.winner1()
	for i := range c.t.Files {
		f := &c.t.Files[i]
		if table := []string{"plugins", c.t.plugin1()}; f.Path != winner && lookup(f.values, table) != nil {
			c.add(Problem{ID: "CFG018", Pos: c.at(f, table...), Severity: 3, Text: fmt.Sprintf("the CRI table is ignored: containerd %s takes all of it from %s", c.t.Release, winner), Hint: "keep all CRI settings in one file"})
		}
	}
}

// shadowed tells of a config_path that a later file overrides (2.x).
func (c *checker) shadowed() {
	for i := range c.t.Files {
		f := &c.t.Files[i]
		table := c.t.counted(f)
		v, ok := text(lookup(f.values, table), "config_path")
		if ok && v != c.r.ConfigPath && f.Path != c.r.ConfigPathAt.File {
			c.add(Problem{ID: "CFG019", Pos: c.at(f, append(slices.Clone(table), "config_path")...), Severity: 3, Text: fmt.Sprintf("config_path = %q is overridden by %s", v, c.r.ConfigPathAt.File), Hint: "delete one of the two"})
		}
	}
}
