package census

import (
	"fmt"
	"slices"
	"strings"
)

// Role is the least that a user needs, as a ClusterRole in YAML: to list what Read
// lists. It reads no Secret and no ConfigMap, and writes nothing.
func Role() string {
	byGroup := map[string][]string{}
	var groups []string
	for _, l := range newStore().lists() {
		if byGroup[l.group] == nil {
			groups = append(groups, l.group)
		}
		byGroup[l.group] = append(byGroup[l.group], l.right)
	}
	slices.Sort(groups)
	var b strings.Builder
	b.WriteString("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: pullway-assess}\nrules:\n")
	for _, g := range groups {
		slices.Sort(byGroup[g])
		fmt.Fprintf(&b, "- {apiGroups: [%q], resources: [%s], verbs: [list]}\n", g, strings.Join(byGroup[g], ", "))
	}
	return b.String()
}
