package configtoml

import (
	"strings"

	"github.com/pullway/pullway/internal/containerd"
)

// The plugins that hold registry settings, by config version.
const (
	pluginV1 = "cri"
	pluginV2 = "io.containerd.grpc.v1.cri"
	pluginV3 = "io.containerd.cri.v1.images"
)

// registryTables are the places where a file of some version may have registry
// settings: version 1, version 2, versions 3 and 4.
var registryTables = [][]string{
	{"plugins", pluginV1, "registry"},
	{"plugins", pluginV2, "registry"},
	{"plugins", pluginV3, "registry"},
}

// tableFor is the registry table that a file of this version is written for.
func tableFor(version int) []string {
	return registryTables[min(max(version, 1), 3)-1]
}

// newVersion is the version given to a file that has none and needs one: 2 on
// 1.x, and 3 on all of 2.x, because every 2.x reads it, so that a downgrade from
// 2.3 still starts.
func newVersion(rel containerd.Release) int {
	if rel.AtLeast(2, 0, 0) {
		return 3
	}
	return 2
}

// lookup walks down tables; nil when something on the way is missing or no table.
func lookup(m map[string]any, path []string) map[string]any {
	for _, p := range path {
		next, ok := m[p].(map[string]any)
		if !ok {
			return nil
		}
		m = next
	}
	return m
}

// tables are the registry tables of a file that count, or would with another
// release of the same major version: an old one in a file of version 3 wakes up
// with 2.3, one that a drop-in's version put to sleep on 2.0 to 2.2 does too.
func (t *Tree) tables(f *File) [][]string {
	if !t.Release.MergesPluginsDeeply() {
		if table := t.counted(f); table != nil {
			return [][]string{table}
		}
		return nil
	}
	if f.Version > 1 {
		return registryTables[1:]
	}
	return registryTables
}

// counted is the one registry table of a file that has a say in the merged
// configuration; nil on 1.x for a file whose CRI table another one replaces.
func (t *Tree) counted(f *File) []string {
	switch {
	case !t.Release.MergesPluginsDeeply():
		if w := t.winner1(); f.Path != w && (w != "" || f.Path != t.Root) {
			return nil
		}
		return []string{"plugins", t.plugin1(), "registry"}
	case t.Release.AtLeast(2, 3, 0):
		if _, old := f.old(); old != nil && f.migrates23() && lookup(f.values, append(old, "registry")) != nil {
			return append(old, "registry")
		}
	case t.legacy20():
		if _, old := f.old(); old != nil {
			return append(old, "registry")
		}
		return tableFor(2)
	}
	return tableFor(3)
}

// writable is the registry table in which a setting of this file takes effect,
// by preference the one of the file's version.
func (t *Tree) writable(f *File) []string {
	table := t.counted(f)
	if table == nil || !t.Release.MergesPluginsDeeply() || f.Version != 2 || lookup(f.values, table) != nil {
		return table
	}
	// An old table may be begun in a file of version 2 unless it would take the
	// place of a new one that is there.
	if !t.Release.AtLeast(2, 3, 0) {
		if t.mergedVersion() != 2 || lookup(t.images(), []string{"registry"}) != nil {
			return table
		}
	}
	return tableFor(2)
}

// home is the file whose registry settings win: the last one that sets
// config_path, else the first that has a registry table, else the first with a
// CRI table, else the root.
func (t *Tree) home() string {
	for i := len(t.Files) - 1; i >= 0; i-- {
		f := &t.Files[i]
		table := t.counted(f)
		if table == nil {
			continue
		}
		if _, ok := lookup(f.values, table)["config_path"]; ok {
			return f.Path
		}
	}
	if !t.Release.MergesPluginsDeeply() {
		if w := t.winner1(); w != "" {
			return w
		}
		return t.Root
	}
	for _, depth := range []int{3, 2} {
		for i := range t.Files {
			f := &t.Files[i]
			if lookup(f.values, t.counted(f)[:depth]) != nil {
				return f.Path
			}
		}
	}
	return t.Root
}

// places are where the registry settings stand, each in the last file that has a
// say in it, by path below the registry table.
type places struct {
	t  *Tree
	at map[string]int // joined path -> index of the file
}

func (t *Tree) places() places {
	p := places{t: t, at: map[string]int{}}
	for i := range t.Files {
		f := &t.Files[i]
		table := t.counted(f)
		if f.doc == nil || table == nil {
			continue
		}
		prefix := joined(table)
		for key := range f.doc.places {
			if below, ok := strings.CutPrefix(key, prefix); ok {
				p.at[below] = i
			}
		}
	}
	return p
}

// where is the place of a registry setting; the zero Pos when it has none.
func (p places) where(key ...string) Pos {
	below := "\x00" + joined(key)
	if len(key) == 0 {
		below = ""
	}
	i, ok := p.at[below]
	if !ok {
		return Pos{}
	}
	f := &p.t.Files[i]
	return f.doc.pos(f.Path, f.doc.places[joined(p.t.counted(f))+below])
}

// Address is the socket that the configuration names; empty when it names none.
// A command line flag comes before it.
func (t *Tree) Address() (address string) {
	for i := range t.Files {
		for _, path := range [][]string{{"grpc"}, {"plugins", "io.containerd.server.v1.grpc"}} {
			if v, ok := text(lookup(t.Files[i].values, path), "address"); ok && v != "" {
				address = v
			}
		}
	}
	return address
}
