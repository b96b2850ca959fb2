package doctor

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/plan"
)

// MaxFixes bounds the findings that are mended at once; another look mends the rest.
const MaxFixes = 500

// Fix is one file as it should be, where that is mechanical: there is one way to
// mend it, and nothing else of the file changes.
type Fix struct {
	File string `json:"file"`
	// Rules that it mends.
	Rules []string `json:"rules"`
	// Create tells that the file is not there yet: it holds what stood elsewhere.
	Create bool `json:"create,omitempty"`
	// Diff is unified, with secrets masked.
	Diff string `json:"diff"`
	// Restart tells that containerd reads the file only at its start.
	Restart bool `json:"restart,omitempty"`
	// Written tells that it was, and Backup where the former content is.
	Written bool   `json:"written,omitempty"`
	Backup  string `json:"backup,omitempty"`
	// Before and After are the contents. They may hold secrets. Before is nil for a
	// file that is made.
	Before []byte `json:"-"`
	After  []byte `json:"-"`
}

// Fixes mends what is mechanical among the findings of a report of this node. Each
// fix was tried: the finding is gone with it, and none has come instead. What is
// not among these rules needs a decision. Files that are made come first, and
// those that containerd reads at its start last.
func Fixes(n Node, r Report) []Fix {
	if n.ConfigFile == "" {
		n.ConfigFile = containerd.DefaultConfigFile
	}
	m := &mending{node: n, over: &overlay{Files: n.Files, changed: map[string][]byte{}}, fixes: map[string]*Fix{}}
	tries := 0
	for _, f := range r.Findings {
		if f.Now() && fixable(f.Rule) && tries < MaxFixes {
			m.try(f)
			tries++
		}
	}
	var all []Fix
	for _, x := range m.fixes {
		slices.Sort(x.Rules)
		x.Rules = slices.Compact(x.Rules)
		x.Diff = plan.FileDiff(x.File, x.Before, x.After)
		all = append(all, *x)
	}
	slices.SortFunc(all, func(a, b Fix) int {
		return cmp.Or(order(a)-order(b), strings.Compare(a.File, b.File))
	})
	return all
}

func order(f Fix) int {
	switch {
	case f.Create:
		return 0
	case f.Restart:
		return 2
	}
	return 1
}

// mending is a node while it is being mended.
type mending struct {
	node  Node
	over  *overlay
	fixes map[string]*Fix
}

// try mends one finding, or leaves everything as it was.
func (m *mending) try(f Finding) {
	now := m.node
	now.Files = m.over
	if strings.HasPrefix(f.Rule, "HST") {
		// What a hosts.toml says changes nothing about the rest of the node.
		dir := path.Dir(f.File)
		now.HostsOnly, now.HostsDir, now.OnlyHost = true, path.Dir(dir), path.Base(dir)
	}
	fresh := Examine(now)
	i := slices.IndexFunc(fresh.Findings, func(x Finding) bool { return x.Rule == f.Rule && x.File == f.File && x.Now() })
	if i < 0 {
		return // another fix has mended it
	}
	edits, ok := mend(now, fresh.Findings[i])
	if !ok || len(edits) == 0 {
		return
	}
	undo := m.over.put(edits)
	after := Examine(now)
	if worse(fresh, after, fresh.Findings[i]) {
		undo()
		return
	}
	rules := []string{f.Rule}
	for _, x := range fresh.Findings {
		if x.Now() && fixable(x.Rule) && x.File == f.File && !has(after, x) {
			rules = append(rules, x.Rule)
		}
	}
	for _, e := range edits {
		x := m.fixes[e.file]
		if x == nil {
			x = &Fix{File: e.file, Before: e.before, Create: e.before == nil, Restart: e.restart}
			m.fixes[e.file] = x
		}
		x.After, x.Rules = e.after, append(x.Rules, rules...)
	}
}

// edit is one file before and after; before is nil for one that is made.
type edit struct {
	file          string
	before, after []byte
	// restart tells that containerd reads it only at its start.
	restart bool
}

func has(r Report, f Finding) bool {
	return slices.ContainsFunc(r.Findings, func(x Finding) bool { return x.Rule == f.Rule && x.File == f.File })
}

// worse reports whether the finding still is there, or something came that was not.
func worse(before, after Report, mended Finding) bool {
	if has(after, mended) || len(after.Unread) > len(before.Unread) {
		return true
	}
	return slices.ContainsFunc(after.Findings, func(f Finding) bool { return f.Severity != Advice && !has(before, f) })
}

func fixable(rule string) bool {
	switch rule {
	case "CFG001", "CFG002", "CFG003", "CFG014", "CFG015", "CFG016", "CFG023", "HST003", "HST007", "HST008", "HST011", "HST026":
		return true
	}
	return false
}

// mend gives the files of a finding without what is wrong; false where it takes a
// decision after all.
func mend(n Node, f Finding) ([]edit, bool) {
	if strings.HasPrefix(f.Rule, "CFG") {
		if n.Release == (containerd.Release{}) {
			return nil, false // which table counts depends on it
		}
		s := newSight(n)
		tree, err := s.reader.Load(n.ConfigFile, n.Release)
		if err != nil {
			return nil, false
		}
		switch f.Rule {
		case "CFG014", "CFG015", "CFG016":
			return mendConfigPath(s, tree)
		}
		return mendLegacy(s, tree)
	}
	data, err := n.Files.ReadFile(f.File)
	if err != nil {
		return nil, false
	}
	after, ok := mendHosts(f, data)
	return []edit{{file: f.File, before: data, after: after}}, ok && !bytes.Equal(data, after)
}

// mendConfigPath sets config_path to the one directory that there is.
func mendConfigPath(s *sight, tree *configtoml.Tree) ([]edit, bool) {
	used := s.used(tree.Registry())
	if len(used) != 1 {
		return nil, false
	}
	return changed(configtoml.Change(tree, configtoml.Wanted{ConfigPath: used[0]}))
}

// used are the directories of config_path in which there is something.
func (s *sight) used(reg configtoml.Registry) (used []string) {
	for _, d := range configDirs(reg) {
		if s.hostsDir(d).filled() > 0 {
			used = append(used, d)
		}
	}
	return used
}

// configDirs are the directories of config_path, or the usual one.
func configDirs(reg configtoml.Registry) []string {
	if reg.ConfigPath == "" {
		return []string{defaultHostsDir}
	}
	return slices.DeleteFunc(strings.Split(reg.ConfigPath, ":"), func(d string) bool { return d == "" })
}

// changed are the edits of a configuration; false when there are none, or when a
// file would have to be made.
func changed(changes []configtoml.FileChange, err error) (edits []edit, ok bool) {
	for _, c := range changes {
		if c.Before == nil {
			return nil, false
		}
		edits = append(edits, edit{file: c.Path, before: c.Before, after: c.After, restart: true})
	}
	return edits, err == nil && len(edits) > 0
}

// Target is where a file of the node is to be written on this machine: links are
// followed, and stay. A file that is made goes into its folder, and that into the
// nearest one that is here. "" when it is not among the files that were given.
func (t Tree) Target(file string) string {
	f, ok := t.Node.Files.(Folder)
	if !ok {
		return ""
	}
	rest := ""
	for dir := file; ; dir = path.Dir(dir) {
		here, err := f.place(dir, true)
		switch {
		case err == nil:
			return filepath.Join(here, rest)
		case !errors.Is(err, fs.ErrNotExist) || dir == "/":
			return ""
		}
		rest = filepath.Join(path.Base(dir), rest)
	}
}
