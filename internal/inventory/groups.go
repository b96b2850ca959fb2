package inventory

import (
	"fmt"
	"slices"
)

// FirstGroup tells for each node by its name which of the groups it is in; the
// first of them when it is in several. Nodes in none are left out. A group in
// which no node is, is an error that names the nearest one: it is more often
// misspelt than empty, and its nodes would go with the rest.
func FirstGroup(nodes []Node, groups []string) (map[string]string, error) {
	found := make(map[string]bool, len(groups))
	first := make(map[string]string, len(nodes))
	for _, n := range nodes {
		for _, g := range groups {
			if !slices.Contains(n.Groups, g) {
				continue
			}
			found[g] = true
			if first[n.Name] == "" {
				first[n.Name] = g
			}
		}
	}
	for _, g := range groups {
		if found[g] {
			continue
		}
		e := &Error{Text: fmt.Sprintf("no node is in group %q", clip(g))}
		if near := nearest(g, groupNames(nodes)); near != "" {
			e.Hint = fmt.Sprintf("did you mean %q?", near)
		}
		return nil, e
	}
	return first, nil
}

func groupNames(nodes []Node) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Groups...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
