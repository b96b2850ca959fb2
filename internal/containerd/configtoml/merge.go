package configtoml

// How the files of a configuration become one. Seen in containerd's LoadConfig
// and in the CRI plugins' ConfigMigration, and compared with `config dump` of
// 1.6.8, 1.6.20, 1.7.35, 2.2.1, 2.2.3, 2.3.4, 2.4.2 and `config migrate` of 2.0.5
// over thousands of random configurations.

// mergedVersion is the version of the merged configuration. On 1.x and on 2.0 to
// 2.2 the last file that names one wins. 2.0 to 2.2 begin with their own, and
// raise a file of version 1 or none to what they have so far. Since 2.3 every
// file is raised to the highest version by itself.
func (t *Tree) mergedVersion() int { return t.rules.version }

// rules are what the whole of the files decides about each of them.
type rules struct {
	version  int    // mergedVersion
	winner   string // winner1
	migrates bool   // migrates20
	legacy   bool   // legacy20
}

// settle works out the rules. Load and every edit call it.
func (t *Tree) settle() {
	t.rules = rules{version: t.versionOfAll()}
	plugin := []string{"plugins", t.plugin1()}
	for i := range t.Files {
		f := &t.Files[i]
		if lookup(f.values, plugin) != nil {
			t.rules.winner = f.Path
		}
		if old, _ := f.old(); old != nil && t.rules.version == 2 {
			t.rules.migrates = true
			t.rules.legacy = t.rules.legacy || lookup(old, []string{"registry"}) != nil
		}
	}
}

func (t *Tree) versionOfAll() int {
	v := t.Release.MaxConfigVersion()
	switch {
	case !t.Release.AtLeast(2, 0, 0):
		v = 1
		for i := range t.Files {
			if n := t.Files[i].Version; n > 0 {
				v = n
			}
		}
	case !t.Release.AtLeast(2, 3, 0):
		for i := range t.Files {
			if n := t.Files[i].Version; n > 1 {
				v = n
			}
		}
	}
	return v
}

// images is the merged table that holds registry settings, in the shape of
// version 3 on 2.x, of version 1 or 2 on 1.x. It must not be changed.
func (t *Tree) images() map[string]any {
	switch {
	case !t.Release.AtLeast(2, 0, 0):
		return t.images1()
	case !t.Release.AtLeast(2, 3, 0):
		return t.images20()
	}
	return t.images23()
}

// plugin1 is the name under which 1.x looks for the CRI table.
func (t *Tree) plugin1() string {
	if t.mergedVersion() == 1 {
		return pluginV1
	}
	return pluginV2
}

// winner1 is the file that gives 1.x its CRI table: the last one that has it,
// and it gives all of it. Empty when no file has one.
func (t *Tree) winner1() string { return t.rules.winner }

func (t *Tree) images1() map[string]any {
	path := []string{"plugins", t.plugin1()}
	for i := len(t.Files) - 1; i >= 0; i-- {
		if m := lookup(t.Files[i].values, path); m != nil {
			return m
		}
	}
	return nil
}

// images20 merges first and migrates once, from the merged version: a file of
// version 3 puts the old tables of all others to sleep.
func (t *Tree) images20() map[string]any {
	old, images := map[string]any{}, map[string]any{}
	for i := range t.Files {
		m, _ := t.Files[i].old()
		mergeInto(old, m)
		mergeInto(images, t.Files[i].images())
	}
	if t.mergedVersion() == 2 {
		migrate(images, old)
	}
	return images
}

// legacy20 reports whether an old registry table takes the place of the new one
// on 2.0 to 2.2.
func (t *Tree) legacy20() bool { return t.rules.legacy }

// migrates20 reports whether 2.0 to 2.2 migrate an old CRI table at all.
func (t *Tree) migrates20() bool { return t.rules.migrates }

// images23 migrates each file by itself, then merges.
func (t *Tree) images23() map[string]any {
	all := map[string]any{}
	for i := range t.Files {
		f := &t.Files[i]
		own := map[string]any{}
		mergeInto(own, f.images())
		if old, _ := f.old(); f.migrates23() {
			migrate(own, old)
		}
		mergeInto(all, own)
	}
	return all
}

// migrates23 reports whether 2.3 and later move the file's old tables.
func (f *File) migrates23() bool { return f.Version < 4 }

// old is the file's CRI table under a name from before 2.0, and its path; nil
// for none. Short names are spelled out in files of version 1 or none only.
func (f *File) old() (table map[string]any, path []string) {
	path = []string{"plugins", pluginV2}
	if m := lookup(f.values, path); m != nil {
		return m, path
	}
	path = []string{"plugins", pluginV1}
	if m := lookup(f.values, path); m != nil && f.Version <= 1 {
		return m, path
	}
	return nil, nil
}

func (f *File) images() map[string]any {
	return lookup(f.values, []string{"plugins", pluginV3})
}

// migrate moves what an old CRI table says of images into the new one, whole
// keys, the old ones winning (configMigration in plugins/cri/images).
func migrate(images, old map[string]any) {
	move := func(from map[string]any, keys ...string) {
		for _, k := range keys {
			if v, ok := from[k]; ok {
				images[k] = v
			}
		}
	}
	move(old, "registry", "max_concurrent_downloads", "image_pull_progress_timeout", "image_pull_with_sync_fs")
	if v, ok := old["sandbox_image"]; ok {
		pinned := map[string]any{}
		mergeInto(pinned, lookup(images, []string{"pinned_images"}))
		pinned["sandbox"] = v
		images["pinned_images"] = pinned
	}
	if c := lookup(old, []string{"containerd"}); lookup(c, []string{"runtimes"}) != nil {
		move(c, "disable_snapshot_annotations", "discard_unpacked_layers")
	}
}

// mergeInto merges from into to as 2.x merges plugin tables: tables key by key,
// everything else replaced. to and its sub-tables belong to the caller; from is
// copied where needed.
func mergeInto(to, from map[string]any) {
	for k, v := range from {
		b, isTable := v.(map[string]any)
		if !isTable {
			to[k] = v
			continue
		}
		a, ok := to[k].(map[string]any)
		if !ok {
			a = map[string]any{}
			to[k] = a
		}
		mergeInto(a, b)
	}
}
