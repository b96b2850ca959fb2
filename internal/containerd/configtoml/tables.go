package configtoml

import (
	"maps"
	"slices"

	"github.com/pullway/pullway/internal/containerd"
)

// The plugins that hold registry settings, by config version.
const (
	pluginV1 = "cri"
	pluginV2 = "io.containerd.grpc.v1.cri"
	pluginV3 = "io.containerd.cri.v1.images"
)

// registryTables are the places where a file of some version may have registry
// settings, with the version they belong to.
var registryTables = []struct {
	version int
	path    []string
}{
	{1, []string{"plugins", pluginV1, "registry"}},
	{2, []string{"plugins", pluginV2, "registry"}},
	{3, []string{"plugins", pluginV3, "registry"}},
}

// tableFor is the registry table that a file of this version is read for.
func tableFor(version int) []string {
	switch {
	case version <= 1:
		return registryTables[0].path
	case version == 2:
		return registryTables[1].path
	default:
		return registryTables[2].path
	}
}

// version is the config version by which a release reads the file. A file
// without one is of version 1; 2.0 to 2.2 take it for their own version without
// migrating anything (server.New: the migrations start at the loaded version).
// A drop-in without version is read as its root file is.
func (t *Tree) version(f *File) int {
	switch {
	case f.Version > 0:
		return f.Version
	case len(t.Files) > 0 && f.Path != t.Files[0].Path:
		return t.version(&t.Files[0])
	case t.Release.AtLeast(2, 0, 0) && !t.Release.AtLeast(2, 3, 0):
		return 3
	}
	return 1
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

// migrated is the file's plugins as the release sees them before merging: 2.3
// and later migrate each file by itself, in which an old registry table takes
// the place of the new one.
func (t *Tree) migrated(f *File) map[string]any {
	plugins := lookup(f.values, []string{"plugins"})
	if plugins == nil || !t.Release.AtLeast(2, 3, 0) {
		return plugins
	}
	v := t.version(f)
	if v > 3 {
		return plugins
	}
	return moveOld(plugins, v)
}

// moveOld returns plugins in which the registry table of an old plugin has moved
// to the new one, as the CRI plugin's configMigration does. A file of version 1
// goes through the versions one by one, so that an old name of either kind moves
// (run on 2.3.4 and 2.4.2).
func moveOld(plugins map[string]any, version int) map[string]any {
	old := pluginV2
	if version == 1 && lookup(plugins, []string{pluginV2}) == nil {
		old = pluginV1
	}
	source := lookup(plugins, []string{old})
	if source == nil {
		return plugins
	}
	out := maps.Clone(plugins)
	images := map[string]any{}
	maps.Copy(images, lookup(plugins, []string{pluginV3}))
	for _, key := range []string{"registry", "max_concurrent_downloads", "image_pull_with_sync_fs"} {
		if v, ok := source[key]; ok {
			images[key] = v
		}
	}
	if c := lookup(source, []string{"containerd"}); c != nil {
		for _, key := range []string{"discard_unpacked_layers", "disable_snapshot_annotations"} {
			if v, ok := c[key]; ok {
				images[key] = v
			}
		}
	}
	if v, ok := source["sandbox_image"]; ok {
		images["pinned_images"] = map[string]any{"sandbox": v}
	}
	out[pluginV3] = images
	return out
}

// writable is the registry table of a file that counts, as the file is now: from
// 2.3 on an old one that is there takes the place of the new one.
func (t *Tree) writable(f *File) []string {
	v := t.version(f)
	if t.Release.AtLeast(2, 3, 0) && v <= 3 {
		for _, old := range []int{2, 1} {
			if (old == 2 || v == 1) && lookup(f.values, tableFor(old)) != nil {
				return tableFor(old)
			}
		}
		return tableFor(3)
	}
	return tableFor(v)
}

// plugins merges the plugin tables of all files by the release's rules.
func (t *Tree) plugins() map[string]any {
	merged := map[string]any{}
	for i := range t.Files {
		for name, v := range t.migrated(&t.Files[i]) {
			table, ok := v.(map[string]any)
			if !ok {
				continue
			}
			if old, there := merged[name].(map[string]any); there && t.Release.MergesPluginsDeeply() {
				merged[name] = merge(old, table)
			} else {
				merged[name] = table
			}
		}
	}
	return merged
}

func merge(into, from map[string]any) map[string]any {
	out := maps.Clone(into)
	for k, v := range from {
		a, okA := out[k].(map[string]any)
		b, okB := v.(map[string]any)
		if okA && okB {
			out[k] = merge(a, b)
		} else {
			out[k] = v
		}
	}
	return out
}

// mergedVersion is the version of the merged configuration: the last one that is
// named wins (1.x keeps the root's).
func (t *Tree) mergedVersion() int {
	if len(t.Files) == 0 {
		return newVersion(t.Release)
	}
	v := t.version(&t.Files[0])
	if t.Release.MergesPluginsDeeply() {
		for _, f := range t.Files[1:] {
			if f.Version > 0 {
				v = f.Version
			}
		}
	}
	return v
}

// images is the merged table that holds registry settings, in the shape of
// version 3 on 2.x and in the shape of the file's own version on 1.x.
func (t *Tree) images() map[string]any {
	plugins := t.plugins()
	v := t.mergedVersion()
	if !t.Release.AtLeast(2, 0, 0) {
		name := pluginV2
		if v == 1 {
			name = pluginV1
		}
		return lookup(plugins, []string{name})
	}
	if !t.Release.AtLeast(2, 3, 0) && v == 2 {
		plugins = moveOld(plugins, v)
	}
	return lookup(plugins, []string{pluginV3})
}

// where is the place of the last statement at or below a registry setting.
func (t *Tree) where(key ...string) Pos {
	for i := len(t.Files) - 1; i >= 0; i-- {
		f := &t.Files[i]
		if f.doc == nil {
			continue
		}
		for _, table := range registryTables {
			if at, ok := f.doc.find(append(slices.Clone(table.path), key...)); ok {
				return f.doc.pos(f.Path, at)
			}
		}
	}
	return Pos{}
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
