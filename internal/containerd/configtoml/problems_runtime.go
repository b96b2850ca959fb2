package configtoml

import (
	"fmt"
	"slices"
)

// The CRI table that has no registry settings, of versions 3 and 4.
const runtimeV3 = "io.containerd.cri.v1.runtime"

// switches are settings of CRI that are true or false, by their names in all
// versions. containerd decodes the whole table before it starts.
var switches = []string{
	"disable_apparmor", "disable_cgroup", "disable_hugetlb_controller", "disable_proc_mount", "disable_tcp_service", "device_ownership_from_security_context",
	"enable_cdi", "enable_selinux", "enable_tls_streaming", "enable_unprivileged_icmp", "enable_unprivileged_ports", "ignore_image_defined_volumes",
	"netns_mounts_under_state_dir", "restrict_oom_score_adj", "systemd_cgroup", "tolerate_missing_hugetlb_controller",
}

// options are those of runc that are true or false. They are decoded only when a pod
// starts.
var options = []string{"SystemdCgroup", "NoPivotRoot", "NoNewKeyring"}

// runtimes finds true and false in quotes, where containerd wants none.
func (c *checker) runtimes() {
	for i := range c.t.Files {
		f := &c.t.Files[i]
		for _, plugin := range c.criTables(f) {
			table := []string{"plugins", plugin}
			m := lookup(f.values, table)
			for _, key := range sortedKeys(m) {
				if v, quoted := m[key].(string); quoted && slices.Contains(switches, key) {
					c.quoted(f, 1, "containerd does not start", v, append(slices.Clone(table), key))
				}
			}
			runtimes := append(slices.Clone(table), "containerd", "runtimes")
			for _, name := range sortedKeys(lookup(f.values, runtimes)) {
				at := append(slices.Clone(runtimes), name, "options")
				m := lookup(f.values, at)
				for _, key := range options {
					if v, quoted := m[key].(string); quoted {
						c.quoted(f, 4, "no pod starts with the runtime "+bare(name), v, append(slices.Clone(at), key))
					}
				}
			}
		}
	}
}

func (c *checker) quoted(f *File, severity int, effect, value string, path []string) {
	key := bare(path[len(path)-1])
	c.add(Problem{ID: "CFG025", Pos: c.at(f, path...), Severity: severity, Text: fmt.Sprintf("%s is in quotes, and not true or false: %s", key, effect),
		Hint: fmt.Sprintf("write %s = %s", key, unquotedBool(value))})
}

func unquotedBool(value string) string {
	if value == "true" || value == "false" {
		return value
	}
	return "true or false"
}

// criTables are the CRI tables beside the registry's that count in a file.
func (c *checker) criTables(f *File) (plugins []string) {
	rel := c.t.Release
	switch {
	case f.err != nil:
		return nil
	case !rel.AtLeast(2, 0, 0):
		if w := c.t.winner1(); f.Path == w {
			return []string{c.t.plugin1()}
		}
		return nil
	case rel.AtLeast(2, 3, 0) && f.migrates23() || !rel.AtLeast(2, 3, 0) && c.t.migrates20():
		plugins = append(plugins, pluginV2)
	}
	return append(plugins, runtimeV3)
}
