package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// value is one variable as written: its text is not yet templated.
type value struct {
	text string
	kind kind
	file string
	line int
}

type kind int

const (
	plain   kind = iota // a scalar, perhaps with Jinja in it
	unsafe              // a scalar that is never templated
	vaulted             // needs the vault's password
	complex             // a list or a mapping
	null
)

type vars map[string]value

// layers are the variables of one host; later ones win. Hosts share the layers
// of their groups, so that a large fleet stays small in memory.
type layers []vars

func (l layers) get(name string) (value, bool) {
	for _, m := range slices.Backward(l) {
		if v, ok := m[name]; ok {
			return v, true
		}
	}
	return value{}, false
}

// group and host are the parts of a tree. members keep the order in which the
// inventory names them.
type group struct {
	name     string
	hosts    []string
	children []string
	vars     vars
}

type host struct {
	name string
	vars vars
}

// tree is an inventory: groups, hosts and what is said of them in the inventory
// itself. "all" always exists.
type tree struct {
	groups map[string]*group
	hosts  map[string]*host
	// order of the hosts' first appearance.
	order []string
	// member tells group/host pairs that are already there.
	member map[[2]string]bool
	// assigned counts the variables of hosts; a range gives each to many.
	assigned int
}

func newTree() *tree {
	t := &tree{groups: map[string]*group{}, hosts: map[string]*host{}, member: map[[2]string]bool{}}
	t.group("all")
	return t
}

// group returns the group of this name and makes it when it is new.
func (t *tree) group(name string) *group {
	g := t.groups[name]
	if g == nil {
		g = &group{name: name, vars: vars{}}
		t.groups[name] = g
	}
	return g
}

// addHost puts a host into a group. It fails when there are too many hosts.
func (t *tree) addHost(groupName, name string) (*host, error) {
	h := t.hosts[name]
	if h == nil {
		if len(t.hosts) >= maxHosts {
			return nil, fmt.Errorf("more than %d hosts", maxHosts)
		}
		h = &host{name: name, vars: vars{}}
		t.hosts[name] = h
		t.order = append(t.order, name)
	}
	if key := [2]string{groupName, name}; !t.member[key] {
		t.member[key] = true
		g := t.group(groupName)
		g.hosts = append(g.hosts, name)
	}
	return h, nil
}

// set gives a host a variable of its own. It fails when there are too many.
func (t *tree) set(h *host, name string, v value) error {
	if t.assigned++; t.assigned > maxVars {
		return fmt.Errorf("more than %d variables of hosts", maxVars)
	}
	h.vars[name] = v
	return nil
}

// addChild makes child a part of parent. It fails when that closes a circle.
func (t *tree) addChild(parent, child string) error {
	p := t.group(parent)
	t.group(child)
	if len(t.groups) > maxGroups {
		return fmt.Errorf("more than %d groups", maxGroups)
	}
	if slices.Contains(p.children, child) {
		return nil
	}
	if parent == child || t.below(child)[parent] {
		return fmt.Errorf("group %q cannot be a child of %q: they would contain each other", child, parent)
	}
	p.children = append(p.children, child)
	return nil
}

// below returns the names of all groups under a group, itself included.
func (t *tree) below(name string) map[string]bool {
	seen := map[string]bool{name: true}
	for todo := []string{name}; len(todo) > 0; {
		g := t.groups[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		if g == nil {
			continue
		}
		for _, c := range g.children {
			if !seen[c] {
				seen[c] = true
				todo = append(todo, c)
			}
		}
	}
	return seen
}

// members returns the hosts of a group and of the groups under it, in the order
// of the inventory. A group that does not exist has none.
func (t *tree) members(name string) []string {
	in := t.inside(name)
	var out []string
	for _, h := range t.order {
		if in[h] {
			out = append(out, h)
		}
	}
	return out
}

// groupsOf returns for every host the groups it is in, parents included, in the
// order in which their variables apply: later ones win (depth, then
// ansible_group_priority, then name). "all" is left out.
func (t *tree) groupsOf() map[string][]string {
	depth := t.depths()
	names := slices.SortedFunc(maps.Keys(t.groups), func(a, b string) int {
		return cmp.Or(cmp.Compare(depth[a], depth[b]), cmp.Compare(t.priority(a), t.priority(b)), cmp.Compare(a, b))
	})
	out := map[string][]string{}
	for _, name := range names {
		if name == "all" || name == "ungrouped" {
			continue
		}
		for h := range t.inside(name) {
			out[h] = append(out[h], name)
		}
	}
	return out
}

// inside returns the set of a group's members.
func (t *tree) inside(name string) map[string]bool {
	in := map[string]bool{}
	if t.groups[name] == nil {
		return in
	}
	for g := range t.below(name) {
		for _, h := range t.groups[g].hosts {
			in[h] = true
		}
	}
	return in
}

// depths gives the longest way from "all" to each group.
func (t *tree) depths() map[string]int {
	parents := map[string][]string{}
	for _, g := range t.groups {
		for _, c := range g.children {
			parents[c] = append(parents[c], g.name)
		}
	}
	memo := map[string]int{"all": 0}
	var of func(string) int
	of = func(name string) int {
		if d, ok := memo[name]; ok {
			return d
		}
		d := 1
		for _, p := range parents[name] {
			d = max(d, of(p)+1)
		}
		memo[name] = d
		return d
	}
	for name := range t.groups {
		of(name)
	}
	return memo
}

func (t *tree) priority(name string) int {
	n, err := strconv.Atoi(t.groups[name].vars["ansible_group_priority"].text)
	if err != nil {
		return 1
	}
	return n
}
