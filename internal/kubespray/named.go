package kubespray

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Named are the names of the host directories that this Kubespray writes on a node
// for its variables, sorted. It is an error, which says what and where, when they
// cannot be told: the list or a name in it is a template, or stands where it is not
// read.
func Named(p Profile, v *Variables, node string) ([]string, error) {
	s := &subject{checker: &checker{profile: p, vars: v}, node: node}
	names := []string{}
	if len(v.Encrypted) > 0 {
		return nil, fmt.Errorf("%s is encrypted as a whole, and may set %s", v.Encrypted[0], VarMirrors)
	}
	if !s.configPath() {
		return names, nil
	}
	variable, key := VarMirrors, "prefix"
	if !p.Mirrors {
		variable, key = VarInsecure, ""
	}
	d := v.Effective(node, variable)
	switch {
	case d == nil && p.Mirrors:
		return []string{"docker.io"}, nil // the role's own default
	case d == nil:
		return names, nil
	case d.Value == nil || d.Value.Kind == yaml.ScalarNode:
		return nil, fmt.Errorf("%s: %s is not written out here as a list", d.At(), variable)
	}
	for _, it := range itemsOf(d.Value) {
		name := it.head
		if key != "" {
			name = value(it.value, key)
		}
		if name == nil || name.Kind != yaml.ScalarNode || isJinja(name.Value) || name.Tag == "!vault" {
			return nil, fmt.Errorf("%s: an entry of %s has no plain name", d.At(), variable)
		}
		names = append(names, name.Value)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// After says what a rendering makes of the host directories that the variables
// name: those that they name once it is written, and those of our own entries that
// it takes out. named is nil where that cannot be told.
func After(p Profile, v *Variables, r Rendering) (named, dropped []string) {
	for _, a := range (&writing{vars: v}).leftovers(r) {
		if a.Variable == VarMirrors {
			for _, e := range a.Entries {
				dropped = append(dropped, e.Key)
			}
		}
	}
	if len(v.Nodes) == 0 {
		return nil, dropped
	}
	if v.Effective(v.Nodes[0], VarMirrors) != nil {
		now, err := Named(p.switchedOn(), v, v.Nodes[0])
		if err != nil {
			return nil, dropped
		}
		named = now
	}
	named = slices.DeleteFunc(named, func(name string) bool { return slices.Contains(dropped, name) })
	for _, a := range r.Assignments {
		if a.Variable != VarMirrors {
			continue
		}
		for _, e := range a.Entries {
			if len(e.Lines) > 0 {
				named = append(named, e.Key)
			}
		}
	}
	slices.Sort(named)
	return slices.Compact(named), dropped
}

// switchedOn is the profile once containerd_use_config_path is set, as every
// rendering of mirrors sets it.
func (p Profile) switchedOn() Profile {
	if p.ConfigPath == ConfigPathSwitch {
		p.ConfigPath = ConfigPathAlways
	}
	return p
}
