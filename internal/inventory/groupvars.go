package inventory

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// varFiles reads group_vars and host_vars beside an inventory, each file once.
type varFiles struct {
	dir      string
	cache    map[string]vars
	warnings []string
}

// read returns what group_vars/NAME or host_vars/NAME say; later files win.
func (v *varFiles) read(folder, name string) (vars, error) {
	if strings.ContainsAny(name, "/\\") || name == "." || name == ".." {
		return nil, nil // would leave the folder
	}
	key := folder + "/" + name
	if out, ok := v.cache[key]; ok {
		return out, nil
	}
	files, err := varPaths(filepath.Join(v.dir, folder, name))
	if err != nil {
		return nil, err
	}
	out := vars{}
	for _, f := range files {
		if err := v.file(f, out); err != nil {
			return nil, err
		}
	}
	v.cache[key] = out
	return out, nil
}

// varPaths finds the files for one name: NAME (a file or a directory), NAME.yml,
// NAME.yaml or NAME.json. As in Ansible only the first that exists counts, so
// group_vars/all/ hides group_vars/all.yml.
func varPaths(base string) ([]string, error) {
	for _, ext := range []string{"", ".yml", ".yaml", ".json"} {
		info, err := os.Stat(base + ext)
		switch {
		case err != nil:
			continue
		case info.IsDir():
			return varsBelow(base+ext, 0)
		}
		return []string{base + ext}, nil
	}
	return nil, nil
}

func varsBelow(dir string, depth int) ([]string, error) {
	if depth > maxDepth {
		return nil, errorAt(dir, 0, "directories are nested deeper than %d", maxDepth)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, openError(dir, err)
	}
	var out []string
	for _, e := range entries {
		name := e.Name()
		if name[0] == '.' || strings.HasSuffix(name, "~") {
			continue
		}
		full, ext := filepath.Join(dir, name), filepath.Ext(name)
		info, err := os.Stat(full)
		switch {
		case err != nil:
			continue
		case info.IsDir() && ext == "":
			more, err := varsBelow(full, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		case info.Mode().IsRegular() && (ext == "" || isYAML(name)):
			out = append(out, full)
		}
	}
	if len(out) > maxFiles {
		return nil, errorAt(dir, 0, "more than %d files", maxFiles)
	}
	return out, nil
}

func (v *varFiles) file(path string, into vars) error {
	text, err := readText(path)
	if err != nil {
		return err
	}
	if isVault(text) {
		v.warnings = append(v.warnings, path+": encrypted by ansible-vault; variables in it are not seen")
		return nil
	}
	root, err := parseYAML(path, text)
	if err != nil || root == nil {
		return err
	}
	if root.Kind != yaml.MappingNode {
		return errorAt(path, root.Line, "a file of variables must be a mapping, found %s", kindOf(root))
	}
	y := yamlReader{file: path, budget: maxNodes, lax: true}
	entries, err := y.entries(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		into[e.key] = y.value(e.node)
	}
	v.warnings = append(v.warnings, y.warnings...)
	return nil
}

// hostVars puts together all variables of a host, in Ansible's order of
// precedence: "all" in the inventory, group_vars/all, the other groups in the
// inventory, their group_vars, the host in the inventory, its host_vars.
// Groups are in the order of tree.groupsOf.
func (v *varFiles) hostVars(t *tree, name string, groups []string) (layers, error) {
	var out layers
	add := func(m vars) {
		if len(m) > 0 {
			out = append(out, m)
		}
	}
	groups = slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return g == "all" })
	for _, set := range [][]string{{"all"}, groups} {
		for _, g := range set {
			add(t.groups[g].vars)
		}
		for _, g := range set {
			m, err := v.read("group_vars", g)
			if err != nil {
				return nil, err
			}
			add(m)
		}
	}
	add(t.hosts[name].vars)
	m, err := v.read("host_vars", name)
	if err != nil {
		return nil, err
	}
	add(m)
	return out, nil
}
