package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/config"
)

// Options of Make.
type Options struct {
	// Overwrite lets the plan write anew what somebody changed or removed since we
	// wrote it.
	Overwrite bool
	// Adopt lets the plan change what others wrote, and does what Overwrite does.
	Adopt bool
	// Force drops the problems that are forceable.
	Force bool
	// Kubespray is set when the files shall be as Kubespray writes them.
	Kubespray *Kubespray
	// Key is the node's own secret for fingerprints and hashes.
	Key []byte
}

// Made is a plan with what the engine needs besides to carry it out.
type Made struct {
	Node Node
	// Manifest as it will be once the plan is carried out.
	Manifest Manifest
	// Header tells for each registry host with a credential whether it goes into a header.
	Header map[string]bool
}

// Make compares what was observed with what is desired. It is pure and
// deterministic: the same input gives the same plan, to the byte.
func Make(o Observed, d config.Desired, opt Options) Made {
	b := &builder{o: o, d: d, opt: opt, header: map[string]bool{}, states: FileStates(o, opt.Key)}
	b.manifest.Name = d.Name
	b.node.Facts = FactsOf(o)
	if b.usable() {
		b.asKubespray()
		b.deliveries()
		b.hostDirectories()
		b.removals()
		b.leftByKubespray()
		b.foreign()
		b.configFiles()
		b.restart()
		b.judge()
		b.exposed()
	} else {
		b.node.Restart.Reasons = []string{"nothing is planned for this node"}
	}
	b.node.Fingerprint = fingerprint(o, d, opt)
	b.rememberConfig()
	slices.SortFunc(b.manifest.Files, func(x, y Owned) int { return strings.Compare(x.Path, y.Path) })
	if opt.Force {
		b.node.Problems = b.forced(b.node.Problems)
	}
	return Made{Node: b.node, Manifest: b.manifest, Header: b.header}
}

type builder struct {
	o        Observed
	d        config.Desired
	opt      Options
	node     Node
	manifest Manifest
	header   map[string]bool
	// wanted are the names of host directories of this plan.
	wanted map[string]bool
	// states of what the manifest names.
	states []FileState
	// late are changes that come after all others: what is no longer named.
	late []Change
	// configChanged tells that a file changes which is read only at start.
	configChanged bool
}

// FactsOf are the facts a person wants beside a plan or a status.
func FactsOf(o Observed) Facts {
	r := o.Tree.Registry()
	f := Facts{Hostname: o.Hostname, ConfigFile: o.ConfigFile, ConfigPath: r.ConfigPath, Unit: o.Unit, KillMode: o.KillMode}
	if o.Release.Major > 0 {
		f.Release = o.Release.String()
	}
	f.ConfigPathNote = r.HostsNote
	return f
}

// usable reports whether this node can be planned for at all.
func (b *builder) usable() bool {
	o := &b.o
	if !o.Distribution.Editable {
		b.problem("distribution", false, o.Distribution.Hint,
			"containerd of this node belongs to %s, which writes %s from its own files", o.Distribution.Name, o.ConfigFile)
		return false
	}
	for _, path := range sortedKeys(o.ConfigLinks) {
		b.problem("symlinked-config", false, "make it a regular file, or change the file that the link names by the means that own it",
			"%s is a symbolic link to %s", path, o.ConfigLinks[path])
	}
	for _, p := range o.Tree.Problems() {
		if p.Fatal && p.Severity == 1 {
			b.problem(p.ID, false, p.Hint, "%s%s", at(p.Pos.File, p.Pos.Line, p.Pos.Column), p.Text)
		}
	}
	return len(b.node.Problems) == 0
}

func at(file string, line, column int) string {
	switch {
	case file == "":
		return ""
	case line == 0:
		return file + ": "
	case column == 0:
		return fmt.Sprintf("%s:%d: ", file, line)
	}
	return fmt.Sprintf("%s:%d:%d: ", file, line, column)
}

func (b *builder) problem(id string, forceable bool, hint, format string, args ...any) {
	b.node.Problems = append(b.node.Problems, Notice{ID: id, Text: fmt.Sprintf(format, args...), Hint: hint, Forceable: forceable})
}

func (b *builder) warn(id, hint, format string, args ...any) {
	b.node.Warnings = append(b.node.Warnings, Notice{ID: id, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// forced turns forceable problems into warnings.
func (b *builder) forced(problems []Notice) (left []Notice) {
	for _, p := range problems {
		if p.Forceable {
			p.Text += " (passed over by --force)"
			b.node.Warnings = append(b.node.Warnings, p)
			continue
		}
		left = append(left, p)
	}
	return left
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
