package report

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pullway/pullway/internal/kubespray"
)

// KubesprayCheckSchema is the present version of KubesprayCheck.
const KubesprayCheckSchema = "pullway.dev/kubespray-check/v1"

// KubesprayCheck is the result of `pullway kubespray check`.
type KubesprayCheck struct {
	Schema string `json:"schema"`
	// Inventory as given; Checkout is the folder that was probed, empty when a
	// release was named.
	Inventory string              `json:"inventory"`
	Checkout  string              `json:"checkout,omitempty"`
	Profile   kubespray.Profile   `json:"profile"`
	Nodes     int                 `json:"nodes"`
	Findings  []kubespray.Finding `json:"findings"`
	// Live is what the nodes have, in the order of the inventory; only with --live.
	Live []KubesprayNode `json:"live,omitempty"`
	// Bad counts findings that fail, break or are ignored, and what is stale or not
	// loaded on a node.
	Bad int `json:"bad"`
}

// NewKubesprayCheck makes the result.
func NewKubesprayCheck(inventory, checkout string, p kubespray.Profile, nodes int, findings []kubespray.Finding) KubesprayCheck {
	k := KubesprayCheck{Schema: KubesprayCheckSchema, Inventory: inventory, Checkout: checkout, Profile: p, Nodes: nodes, Findings: findings}
	if k.Findings == nil {
		k.Findings = []kubespray.Finding{}
	}
	for _, f := range findings {
		if f.Verdict.Bad() {
			k.Bad++
		}
	}
	return k
}

// Human writes a block for each finding, worst first, and what it comes to.
func (k KubesprayCheck) Human(out *Printer) {
	from := k.Profile.String()
	if k.Checkout != "" {
		from += ", probed in " + k.Checkout
	}
	out.line("%s", from)
	for _, f := range k.Findings {
		out.line("")
		out.line("%s %s", out.paint(verdictColour(f.Verdict), string(f.Verdict)+":"), out.paint(bold, f.Variable))
		out.line("  %s:%d%s", k.short(f.File), f.Line, k.whose(f))
		out.line("  %s", f.Text)
		out.instead(f.Instead)
	}
	k.nodes(out)
	out.line("")
	switch {
	case k.Live != nil:
		k.sum(out)
	case len(k.Findings) == 0:
		out.line("No registry variable is set for the %s of this inventory.", count(k.Nodes, "node"))
	case k.Bad == 0:
		out.line("%s", out.paint(green, fmt.Sprintf("No problem among %s.", count(len(k.Findings), "finding"))))
	default:
		out.line("%s", out.paint(red, fmt.Sprintf("%s among %s: this inventory does not do what it says.", count(k.Bad, "problem"), count(len(k.Findings), "finding"))))
	}
}

func verdictColour(v kubespray.Verdict) colour {
	switch {
	case v.Bad():
		return red
	case v == kubespray.Works:
		return green
	}
	return yellow
}

// whose names the nodes, when it is not all of them.
func (k KubesprayCheck) whose(f kubespray.Finding) string {
	if len(f.Nodes) == 0 || len(f.Nodes) == k.Nodes {
		return ""
	}
	return " (for " + names(f.Nodes, 4) + ")"
}

// short is a path relative to the inventory's folder where it is below it.
func (k KubesprayCheck) short(path string) string {
	if rel, err := filepath.Rel(filepath.Dir(k.Inventory), path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}

// instead writes what to write in the place of something, line by line.
func (p *Printer) instead(text string) {
	if text == "" {
		return
	}
	lines := strings.Split(text, "\n")
	if len(lines) == 1 {
		p.line("  %s %s", p.paint(cyan, "instead:"), text)
		return
	}
	p.line("  %s", p.paint(cyan, "instead:"))
	for _, l := range lines {
		p.line("    %s", l)
	}
}

// KubesprayWriteSchema is the present version of KubesprayWrite.
const KubesprayWriteSchema = "pullway.dev/kubespray-write/v1"

// KubesprayWrite is the result of `pullway kubespray render` and the first part
// of `pullway kubespray apply`.
type KubesprayWrite struct {
	Schema   string              `json:"schema"`
	Profile  kubespray.Profile   `json:"profile"`
	Files    []KubesprayFile     `json:"files"`
	Problems []kubespray.Problem `json:"problems,omitempty"`
	Notes    []string            `json:"notes,omitempty"`
}

// KubesprayFile is one file of variables that changes.
type KubesprayFile struct {
	Path string `json:"path"`
	New  bool   `json:"new,omitempty"`
	// Diff is unified and holds no credential.
	Diff string `json:"diff"`
	// Backup is where the former content is, once it was written.
	Backup string `json:"backup,omitempty"`
}

// NewKubesprayWrite makes the result.
func NewKubesprayWrite(p kubespray.Profile, changes []kubespray.FileChange, r kubespray.Rendering) KubesprayWrite {
	k := KubesprayWrite{Schema: KubesprayWriteSchema, Profile: p, Files: []KubesprayFile{}, Problems: r.Problems, Notes: r.Notes}
	for _, c := range changes {
		k.Files = append(k.Files, KubesprayFile{Path: c.Path, New: c.Before == nil, Diff: c.Diff()})
	}
	return k
}

// Human writes the diff of each file, then what is to be known of it.
func (k KubesprayWrite) Human(out *Printer) {
	out.line("%s", k.Profile.String())
	for _, f := range k.Files {
		out.line("")
		word := out.paint(yellow, "update")
		if f.New {
			word = out.paint(green, "create")
		}
		out.line("%s %s", word, f.Path)
		out.diff(f.Diff)
	}
	out.line("")
	for _, n := range k.Notes {
		out.line("%s %s", out.paint(yellow, "note:"), n)
	}
	for _, p := range k.Problems {
		where := ""
		if p.Host != "" {
			where = p.Host + ": "
		}
		out.line("%s %s%s", out.paint(red, "refused:"), where, p.Text)
		out.hint("", p.Hint)
	}
	switch {
	case len(k.Problems) > 0:
		out.line("%s", out.paint(red, "Nothing is written: see what is refused."))
	case len(k.Files) == 0:
		out.line("%s", out.paint(green, "The variables are as the specification wants them."))
	}
}

// Written says where the files and their backups are.
func (k KubesprayWrite) Written(out *Printer) {
	for _, f := range k.Files {
		out.line("%s %s", out.paint(green, "written"), f.Path)
		if f.Backup != "" {
			out.line("  as it was: %s", f.Backup)
		}
	}
	out.line("Kubespray's next run with --tags=containerd brings it to the nodes.")
}

// KubesprayPlay is what `pullway kubespray apply --run` says of the play beforehand.
type KubesprayPlay struct {
	Checkout string
	// Does is what the tag does besides, a line each.
	Does    []string
	Rollout *Rollout
}

// Human writes it below the change of the variables.
func (k KubesprayPlay) Human(out *Printer) {
	out.line("%s", out.paint(bold, "The play: cluster.yml --tags=containerd of "+k.Checkout))
	for _, d := range k.Does {
		out.line("  - %s", d)
	}
	k.Rollout.human(out)
}
