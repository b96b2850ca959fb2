package doctor

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// overlay is a node with some of its files changed, or made.
type overlay struct {
	Files
	// changed are contents by path, made those of them that are not there otherwise.
	changed map[string][]byte
	made    []string
}

// put brings edits in, and returns what takes them out again.
func (o *overlay) put(edits []edit) (undo func()) {
	made := len(o.made)
	former := map[string][]byte{}
	for _, e := range edits {
		if old, ok := o.changed[e.file]; ok {
			former[e.file] = old
		}
		o.changed[e.file] = e.after
		if e.before == nil {
			o.made = append(o.made, e.file)
		}
	}
	return func() {
		o.made = o.made[:made]
		for _, e := range edits {
			if delete(o.changed, e.file); former[e.file] != nil {
				o.changed[e.file] = former[e.file]
			}
		}
	}
}

// ReadFile implements configtoml.Source.
func (o *overlay) ReadFile(name string) ([]byte, error) {
	if data, ok := o.changed[name]; ok {
		return data, nil
	}
	return o.Files.ReadFile(name)
}

// Stat implements Files.
func (o *overlay) Stat(name string) (Entry, error) {
	e, err := o.Files.Stat(name)
	if err == nil || len(o.made) == 0 {
		return e, err
	}
	if slices.Contains(o.made, name) {
		return madeFile(name), nil
	}
	if slices.ContainsFunc(o.made, func(m string) bool { return strings.HasPrefix(m, name+"/") }) {
		return Entry{Name: path.Base(name), Kind: fs.ModeDir, Mode: 0o755}, nil
	}
	return e, err
}

// List implements Files.
func (o *overlay) List(name string) ([]Entry, error) {
	all, err := o.Files.List(name)
	if len(o.made) == 0 {
		return all, err
	}
	for _, m := range o.made {
		rest, below := strings.CutPrefix(m, path.Clean(name)+"/")
		if !below {
			continue
		}
		err = nil
		e := madeFile(m)
		if first, _, deeper := strings.Cut(rest, "/"); deeper {
			e = Entry{Name: first, Kind: fs.ModeDir, Mode: 0o755}
		}
		if !slices.ContainsFunc(all, func(x Entry) bool { return x.Name == e.Name }) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

func madeFile(name string) Entry { return Entry{Name: path.Base(name), Mode: 0o644} }
