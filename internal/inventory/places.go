package inventory

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Place is a spot where variables of a host are set: a whole file of variables,
// or one variable that stands in the inventory itself.
type Place struct {
	// Scope is the group, or the host when Host is set.
	Scope string
	Host  bool
	File  string
	// Name and Line are set for one variable in the inventory; Line counts from 1.
	Name string
	Line int
}

// HostPlaces are the places for one node, in rising precedence: what a later one
// sets wins.
type HostPlaces struct {
	Node   string
	Places []Place
}

// Places tells where Ansible looks for the variables of each node that runs
// containerd, as Load finds them, with files given and not read. unused are the
// files below group_vars and host_vars that no such node gets: a group without
// them, a name that is misspelt. warnings are Result's. It is answered by the built-in reader; an
// inventory that only Ansible can read is an *Error.
func Places(path string) (hosts []HostPlaces, unused, warnings []string, err error) {
	src, err := listSources(path)
	if err != nil {
		return nil, nil, nil, err
	}
	v, err := readBuiltIn(src)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := v.add(regroup(v.tree)); err != nil {
		return nil, nil, nil, errorAt(src.path, 0, "%s", err)
	}
	names, err := targets(v.tree, src.path)
	if err != nil {
		return nil, nil, nil, err
	}
	used := map[string]bool{}
	groups := v.groupsOf()
	for _, name := range names {
		p, err := placesOf(v.tree, src.dir, name, groups[name])
		if err != nil {
			return nil, nil, nil, err
		}
		for _, place := range p {
			used[place.File] = true
		}
		hosts = append(hosts, HostPlaces{Node: name, Places: p})
	}
	unused, err = unusedFiles(src.dir, used)
	return hosts, unused, append(slices.Clone(v.warnings), v.passed...), err
}

// placesOf is the order of varFiles.hostVars, told and not read.
func placesOf(t *tree, dir, name string, groups []string) (all []Place, err error) {
	inline := func(scope string, host bool, v vars) {
		start := len(all)
		for n, val := range v {
			all = append(all, Place{Scope: scope, Host: host, File: val.file, Name: n, Line: val.line})
		}
		slices.SortFunc(all[start:], func(a, b Place) int { return a.Line - b.Line })
	}
	files := func(folder, scope string, host bool) {
		var paths []string
		if err == nil && !strings.ContainsAny(scope, "/\\") && scope != "." && scope != ".." {
			paths, err = varPaths(filepath.Join(dir, folder, scope))
		}
		for _, p := range paths {
			all = append(all, Place{Scope: scope, Host: host, File: p})
		}
	}
	groups = slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return g == "all" })
	for _, set := range [][]string{{"all"}, groups} {
		for _, g := range set {
			inline(g, false, t.groups[g].vars)
		}
		for _, g := range set {
			files("group_vars", g, false)
		}
	}
	inline(name, true, t.hosts[name].vars)
	files("host_vars", name, true)
	return all, err
}

// unusedFiles are the YAML files below group_vars and host_vars that are not in used.
func unusedFiles(dir string, used map[string]bool) (unused []string, err error) {
	for _, folder := range []string{"group_vars", "host_vars"} {
		err := filepath.WalkDir(filepath.Join(dir, folder), func(p string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return openError(p, err)
			case len(unused) > maxFiles:
				return errorAt(p, 0, "more than %d files", maxFiles)
			case !d.IsDir() && isYAML(p) && !used[p]:
				unused = append(unused, p)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return unused, nil
}
