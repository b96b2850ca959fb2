package kubespray

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Verdict is what becomes of a variable.
type Verdict string

// The verdicts, worst first.
const (
	// Fails: a task of the play fails, or one would with these values.
	Fails Verdict = "fails the play"
	// Breaks: the play is green and what it writes does not work.
	Breaks Verdict = "breaks the node"
	// Ignored: nothing reads it; the play is green.
	Ignored Verdict = "ignored"
	// Shadowed: another place sets it with a higher precedence.
	Shadowed Verdict = "shadowed"
	// Warning: it takes effect, with a consequence that one should know.
	Warning Verdict = "warning"
	// Works: it takes effect.
	Works Verdict = "takes effect"
)

// Bad reports whether the verdict is a problem to solve.
func (v Verdict) Bad() bool { return v == Fails || v == Breaks || v == Ignored }

func (v Verdict) rank() int {
	return slices.Index([]Verdict{Fails, Breaks, Ignored, Shadowed, Warning, Works}, v)
}

// Finding is what becomes of one definition of a variable, or of a part of it.
type Finding struct {
	Variable string  `json:"variable"`
	Verdict  Verdict `json:"verdict"`
	File     string  `json:"file"`
	Line     int     `json:"line"`
	// Text says why, in one line. Values of credentials are never in it.
	Text string `json:"text"`
	// Instead says what to write, in one line or a few of YAML; may be empty.
	Instead string `json:"instead,omitempty"`
	// Nodes for which it counts, in the order of the inventory; none for a file
	// that no node gets.
	Nodes []string `json:"nodes,omitempty"`
}

// Check says for each definition what becomes of it under this profile. The
// findings come worst first, then by file and line.
func Check(p Profile, v *Variables) []Finding {
	c := &checker{profile: p, vars: v, seen: map[string]int{}}
	for _, node := range v.Nodes {
		c.node(node)
	}
	for _, d := range v.Unused {
		c.add("", d, nil, Ignored, fmt.Sprintf("no node of the cluster reads this file: no group or host has the name of its folder or file (%s)", d.Name), "move it to group_vars/all/ or group_vars/k8s_cluster/")
	}
	for _, d := range v.Twice {
		c.add("", d, nil, Shadowed, "the same file sets it again further down, and the last one counts", "")
	}
	for _, w := range v.Warnings {
		d, text := placed(w)
		c.add("", d, nil, Warning, text, "")
	}
	for _, file := range v.Encrypted {
		c.add("", Definition{Name: "(the whole file)", File: file, Line: 1}, nil, Warning, "encrypted by ansible-vault: what it sets was not looked at", "keep only the secret itself in it, and the rest in a file that can be read")
	}
	slices.SortStableFunc(c.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Verdict.rank(), b.Verdict.rank()), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return c.findings
}

// placed takes a warning "FILE: TEXT" or "FILE:LINE: TEXT" apart.
func placed(warning string) (d Definition, text string) {
	file, text, _ := strings.Cut(warning, ": ")
	d = Definition{Name: "(the inventory)", File: file, Line: 1}
	if i := strings.LastIndexByte(file, ':'); i >= 0 {
		if n, err := strconv.Atoi(file[i+1:]); err == nil {
			d.File, d.Line = file[:i], n
		}
	}
	return d, text
}

type checker struct {
	profile  Profile
	vars     *Variables
	findings []Finding
	// seen finds a finding that another node had too.
	seen map[string]int
}

// subject is one definition that is effective on one node.
type subject struct {
	*checker
	node string
	Definition
	// found counts what was said of it besides Works.
	found int
}

// node judges what is effective on one node, and what is shadowed there.
func (c *checker) node(node string) {
	byName := c.vars.Definitions[node]
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		defs := byName[name]
		last := defs[len(defs)-1]
		for _, d := range defs[:len(defs)-1] {
			if !slices.Contains(besides, name) {
				c.shadowed(node, d, last)
			}
		}
		s := &subject{checker: c, node: node, Definition: last}
		s.judge()
		if s.found == 0 && slices.Contains(real, name) {
			c.add(node, last, nil, Works, s.worksHow(), "")
		}
	}
}

func (c *checker) shadowed(node string, d, by Definition) {
	text := fmt.Sprintf("%s sets it too and wins", by.At())
	instead := ""
	if looksLikeBackup(by.File) {
		text += "; that file looks like a backup, and Ansible loads it"
		instead = "move the backup out of group_vars, or give it a name that Ansible passes over (.bak, .orig, ~)"
	}
	c.add(node, d, nil, Shadowed, text, instead)
}

// looksLikeBackup reports whether a file that Ansible loads has a name that
// people give to copies.
func looksLikeBackup(path string) bool {
	name := strings.ToLower(path[strings.LastIndexByte(path, '/')+1:])
	for _, word := range []string{"backup", "bak", "copy", "old", "orig", "save", "备份"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// say adds a finding about the subject, at a part of its value or at its name.
func (s *subject) say(at *yaml.Node, v Verdict, instead, format string, args ...any) {
	s.found++
	s.add(s.node, s.Definition, at, v, fmt.Sprintf(format, args...), instead)
}

// add notes a finding once, for all nodes that have it.
func (c *checker) add(node string, d Definition, at *yaml.Node, v Verdict, text, instead string) {
	line := d.Line
	if at != nil {
		line = at.Line
	}
	key := fmt.Sprintf("%s\x00%d\x00%s\x00%s\x00%s", d.File, line, d.Name, v, text)
	i, ok := c.seen[key]
	if !ok {
		i = len(c.findings)
		c.seen[key] = i
		c.findings = append(c.findings, Finding{Variable: d.Name, Verdict: v, File: d.File, Line: line, Text: text, Instead: instead})
	}
	if f := &c.findings[i]; node != "" && !slices.Contains(f.Nodes, node) {
		f.Nodes = append(f.Nodes, node)
	}
}

// judge says what becomes of the subject.
func (s *subject) judge() {
	if manager := s.scalar(VarManager, "containerd"); manager != "containerd" && slices.Contains(real, s.Name) {
		s.say(nil, Ignored, "", "%s is %q on this node, and this variable is containerd's", VarManager, manager)
		return
	}
	if slices.Contains(real, s.Name) && s.profile.reads(s.Name, s.major()) {
		s.templates(s.Value, 0)
	}
	switch s.Name {
	case VarInsecure:
		s.insecure()
	case VarRegistries:
		s.registries()
	case VarMirrors:
		s.mirrors()
	case VarAuth:
		s.auth()
	case VarUseConfigPath:
		s.useConfigPath()
	case VarVersion:
		s.pinned()
	case VarExtraArgs:
		s.extraArgs()
	case VarManager, VarRuncRuntime, VarConfigDir:
	default:
		s.unknown()
	}
}

// worksHow says in a line what the variable does here.
func (s *subject) worksHow() string {
	switch {
	case s.Value == nil && s.Text != "":
		return "read by this release (its value stands in an INI file and was not looked at)"
	case s.templated():
		return "read by this release (its value is a template and was not looked at)"
	case s.Name == VarUseConfigPath:
		return "decides between mirrors in config.toml and hosts.toml files"
	case s.Name == VarMirrors && !s.configPath():
		return "written to config.toml as mirrors, without capabilities, server and override_path (config_path is off); containerd restarts"
	case s.Name == VarMirrors:
		return "written to certs.d/PREFIX/hosts.toml"
	case s.Name == VarInsecure && s.configPath():
		return "written to certs.d/NAME/hosts.toml"
	}
	return "written to config.toml; containerd restarts"
}

// scalar is the plain value of another variable on this node, or a default. A
// template counts as unknown and gives the default.
func (s *subject) scalar(name, otherwise string) string {
	d := s.vars.Effective(s.node, name)
	switch {
	case d == nil:
		return otherwise
	case d.Value == nil:
		return strings.Trim(d.Text, `"'`)
	case d.Value.Kind != yaml.ScalarNode, isJinja(d.Value.Value), d.Value.Tag == "!vault", d.Value.Tag == "!!null":
		return otherwise
	}
	return d.Value.Value
}

// configPath reports whether config.toml names the hosts directory on this node.
func (s *subject) configPath() bool {
	switch s.profile.ConfigPath {
	case ConfigPathAlways:
		return true
	case ConfigPathSwitch:
		return isTrue(s.scalar(VarUseConfigPath, "false"))
	case ConfigPathInsecure:
		return s.vars.Effective(s.node, VarInsecure) != nil
	}
	return false
}

// major is containerd's first number on this node: 1, 2, or 0 when unknown.
func (s *subject) major() int {
	switch version := s.scalar(VarVersion, s.profile.Containerd); {
	case strings.HasPrefix(version, "1."):
		return 1
	case version == "" || isJinja(version):
		return 0
	}
	return 2
}

// templated reports whether the whole value is Jinja or vaulted, so that only
// Ansible knows it.
func (s *subject) templated() bool {
	return s.Value != nil && s.Value.Kind == yaml.ScalarNode && (isJinja(s.Value.Value) || s.Value.Tag == "!vault")
}

// isTrue is what Ansible's bool filter makes of a text.
func isTrue(text string) bool {
	return slices.Contains([]string{"true", "yes", "on", "1", "y", "t"}, strings.ToLower(strings.TrimSpace(text)))
}
