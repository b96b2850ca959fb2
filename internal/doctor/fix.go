package doctor

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/plan"
)

// Fix is one file as it should be, where that is mechanical: there is one way to
// mend it, and nothing else of the file changes.
type Fix struct {
	File string `json:"file"`
	// Rules that it mends.
	Rules []string `json:"rules"`
	// Diff is unified, with secrets masked.
	Diff string `json:"diff"`
	// Restart tells that containerd reads the file only at its start.
	Restart bool `json:"restart,omitempty"`
	// Backup is where the former content is, once it was written.
	Backup string `json:"backup,omitempty"`
	// Before and After are the contents. They may hold secrets.
	Before []byte `json:"-"`
	After  []byte `json:"-"`
}

// Fixes mends what is mechanical among the findings of a report of this node. Each
// fix was tried: the finding is gone with it, and none has come instead. What is
// not among these rules needs a decision, or more than one file.
func Fixes(n Node, r Report) []Fix {
	if n.ConfigFile == "" {
		n.ConfigFile = containerd.DefaultConfigFile
	}
	over := &overlay{Files: n.Files, changed: map[string][]byte{}}
	fixes := map[string]*Fix{}
	for _, f := range r.Findings {
		if !f.Now() || !fixable(f.Rule) {
			continue
		}
		now := n
		now.Files = over
		fresh := Examine(now)
		i := slices.IndexFunc(fresh.Findings, func(x Finding) bool { return x.Rule == f.Rule && x.File == f.File && x.Now() })
		if i < 0 {
			continue // another fix has mended it
		}
		file, after, ok := mend(now, fresh.Findings[i])
		before, err := over.ReadFile(file)
		if !ok || err != nil || bytes.Equal(before, after) {
			continue
		}
		over.changed[file] = after
		if worse(fresh, Examine(now), fresh.Findings[i]) {
			over.changed[file] = before
			continue
		}
		x := fixes[file]
		if x == nil {
			x = &Fix{File: file, Before: before, Restart: path.Base(file) != hoststoml.FileName}
			fixes[file] = x
		}
		x.After = after
		x.Rules = append(x.Rules, f.Rule)
	}
	var all []Fix
	for _, x := range fixes {
		x.Diff = plan.FileDiff(x.File, x.Before, x.After)
		all = append(all, *x)
	}
	slices.SortFunc(all, func(a, b Fix) int { return strings.Compare(a.File, b.File) })
	return all
}

// worse reports whether the finding still is there, or something came that was not.
func worse(before, after Report, mended Finding) bool {
	has := func(r Report, f Finding) bool {
		return slices.ContainsFunc(r.Findings, func(x Finding) bool { return x.Rule == f.Rule && x.File == f.File })
	}
	if has(after, mended) || len(after.Unread) > len(before.Unread) {
		return true
	}
	return slices.ContainsFunc(after.Findings, func(f Finding) bool { return f.Severity != Advice && !has(before, f) })
}

// overlay is a node with some of its files changed.
type overlay struct {
	Files
	changed map[string][]byte
}

// ReadFile implements configtoml.Source.
func (o *overlay) ReadFile(name string) ([]byte, error) {
	if data, ok := o.changed[name]; ok {
		return data, nil
	}
	return o.Files.ReadFile(name)
}

func fixable(rule string) bool {
	switch rule {
	case "CFG014", "CFG015", "CFG016", "HST003", "HST007", "HST008", "HST011", "HST026":
		return true
	}
	return false
}

// mend gives the file of a finding without what is wrong; false where it takes a
// decision after all.
func mend(n Node, f Finding) (file string, after []byte, ok bool) {
	if strings.HasPrefix(f.Rule, "CFG") {
		if n.Release == (containerd.Release{}) {
			return "", nil, false // which table counts depends on it
		}
		return mendConfigPath(n)
	}
	data, err := n.Files.ReadFile(f.File)
	if err != nil {
		return "", nil, false
	}
	after, ok = mendHosts(f, data)
	return f.File, after, ok
}

// mendConfigPath sets config_path to the one directory that there is.
func mendConfigPath(n Node) (string, []byte, bool) {
	s := newSight(n)
	tree, err := s.reader.Load(n.ConfigFile, n.Release)
	if err != nil {
		return "", nil, false
	}
	reg := tree.Registry()
	dirs := []string{defaultHostsDir}
	if reg.ConfigPath != "" {
		dirs = slices.DeleteFunc(strings.Split(reg.ConfigPath, ":"), func(d string) bool { return d == "" })
	}
	var used []string
	for _, d := range dirs {
		if s.hostsDir(d).filled() > 0 {
			used = append(used, d)
		}
	}
	if len(used) != 1 {
		return "", nil, false
	}
	changes, err := configtoml.Change(tree, configtoml.Wanted{ConfigPath: used[0]})
	if err != nil || len(changes) != 1 || changes[0].Before == nil {
		return "", nil, false
	}
	return changes[0].Path, changes[0].After, true
}

// Target is where a file of the node is to be written on this machine: links are
// followed, and stay. "" when it is not here.
func (t Tree) Target(file string) string {
	f, ok := t.Node.Files.(Folder)
	if !ok {
		return ""
	}
	here, err := f.place(file, true)
	if err != nil {
		return ""
	}
	return here
}
