package node

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/pullway/pullway/internal/plan"
)

// itemsOf turns a plan's file changes into the items of a transaction: a host
// directory that does not exist yet appears whole, one of which nothing stays
// vanishes whole, and every other change is one file.
func itemsOf(changes []plan.Change, hostsDir, transaction string) (items []Item, madeDirs []string, err error) {
	byDir := map[string][]plan.Change{}
	var order []string
	for _, c := range changes {
		key := c.Path
		if dir := filepath.Dir(c.Path); filepath.Dir(dir) == hostsDir {
			key = dir
		}
		if byDir[key] == nil {
			order = append(order, key)
		}
		byDir[key] = append(byDir[key], c)
	}
	madeDirs = missingDirs(hostsDir, changes)
	for _, key := range order {
		some, err := itemsAt(key, byDir[key])
		if err != nil {
			return nil, nil, err
		}
		items = append(items, some...)
	}
	for i := range items {
		items[i].Staged = stagedName(items[i].Target, hostsDir, transaction)
	}
	return removalsLast(items), madeDirs, nil
}

// removalsLast keeps the order of the items otherwise.
func removalsLast(items []Item) []Item {
	slices.SortStableFunc(items, func(a, b Item) int {
		switch {
		case a.removes() == b.removes():
			return 0
		case b.removes():
			return -1
		}
		return 1
	})
	return items
}

func itemsAt(key string, changes []plan.Change) ([]Item, error) {
	if len(changes) == 1 && changes[0].Path == key {
		item, err := fileItem(changes[0])
		return []Item{item}, err
	}
	before, err := TakeEntry(key)
	if err != nil {
		return nil, err
	}
	switch {
	case before.Kind == KindAbsent:
		after := NewDir(0o755)
		for _, c := range changes {
			after.Children = append(after.Children, Child{filepath.Base(c.Path), NewFile(c.Content, c.Mode)})
		}
		return []Item{{Target: key, Before: before, After: sorted(after)}}, nil
	case before.Kind == KindDir && deletesAll(before, changes):
		return []Item{{Target: key, Before: before, After: Entry{Kind: KindAbsent}}}, nil
	}
	var items []Item
	for _, c := range changes {
		item, err := fileItem(c)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func fileItem(c plan.Change) (Item, error) {
	before, err := TakeEntry(c.Path)
	if err != nil {
		return Item{}, err
	}
	if before.Kind == KindDir || before.Kind == KindSymlink {
		return Item{}, fmt.Errorf("%s is a %s, not a file", c.Path, before.Kind)
	}
	item := Item{Target: c.Path, Before: before, After: Entry{Kind: KindAbsent}, Config: c.Effect == "restart"}
	if c.Action != plan.Delete {
		item.After = NewFile(c.Content, c.Mode)
		// A host directory's file is ours, or becomes it; config.toml stays whose it is.
		if before.Kind == KindFile && item.Config {
			item.After.UID, item.After.GID = before.UID, before.GID
		}
	}
	return item, nil
}

// deletesAll reports whether nothing stays of a folder and nothing comes. One that
// is empty before is not ours to delete, and one in which every file makes room
// for another stays.
func deletesAll(dir Entry, changes []plan.Change) bool {
	if slices.ContainsFunc(changes, func(c plan.Change) bool { return c.Action != plan.Delete }) {
		return false
	}
	for _, child := range dir.Children {
		if !slices.ContainsFunc(changes, func(c plan.Change) bool {
			return c.Action == plan.Delete && filepath.Base(c.Path) == child.Name
		}) {
			return false
		}
	}
	return true
}

func sorted(e Entry) Entry {
	slices.SortFunc(e.Children, func(a, b Child) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return e
}

// missingDirs are the folders above the targets that have to be made, outermost
// first. Host directories themselves are items.
func missingDirs(hostsDir string, changes []plan.Change) (missing []string) {
	for _, c := range changes {
		parent := filepath.Dir(c.Path)
		if filepath.Dir(parent) == hostsDir {
			parent = hostsDir
		}
		var chain []string
		for dir := parent; !exists(dir) && dir != "/"; dir = filepath.Dir(dir) {
			chain = append(chain, dir)
		}
		for _, dir := range slices.Backward(chain) {
			if !slices.Contains(missing, dir) {
				missing = append(missing, dir)
			}
		}
	}
	return missing
}
