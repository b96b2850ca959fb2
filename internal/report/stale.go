package report

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/plan"
)

// staleHint is what to do about stale host directories.
const staleHint = "pullway apply --kubespray DIR --adopt removes what is stale (a backup is kept)"

// stale writes a host directory that Kubespray left.
func (p *Printer) stale(s plan.Stale) {
	use := "not read now"
	if s.InUse {
		use = "pulls still use it"
	}
	p.line("  %s %s (Kubespray wrote it: %s)", p.paint(red, "stale:"), s.Path, s.Evidence)
	p.line("    its variables name %s no more; %s", filepath.Base(s.Path), use)
}

// variablesUnknown says why nothing is called stale.
func (p *Printer) variablesUnknown(why string) {
	if why != "" {
		p.line("  %s what is stale cannot be told: %s", p.paint(yellow, "note:"), why)
	}
}

// notLoaded says that containerd does not run on its files, or may not. times are
// those of this node alone.
func (p *Printer) notLoaded(n *plan.NotLoaded, times bool) {
	if n == nil {
		return
	}
	word, c := "may not be loaded:", yellow
	if n.Certain {
		word, c = "not loaded:", red
	}
	var late []string
	for _, f := range n.Files {
		text := f.Path
		if times {
			text += " written " + f.Changed.Format(time.DateTime)
		}
		late = append(late, text)
	}
	started := "containerd started earlier"
	if times {
		started = "containerd started " + n.Started.Format(time.DateTime)
	}
	if len(late) > 0 {
		p.line("  %s %s; %s", p.paint(c, word), strings.Join(late, ", "), started)
	} else {
		p.line("  %s no file is newer than containerd, and still:", p.paint(c, word))
	}
	switch {
	case n.RunsOn == nil:
		p.line("    this containerd does not tell which registry settings it runs on")
	case n.Certain:
		p.line("    CRI runs on config_path %q, and the files say %q", *n.RunsOn, n.Says)
	default:
		p.line("    CRI runs on the same config_path, %q", *n.RunsOn)
	}
}

// timelessLoading is n without the times, which differ between alike nodes.
func timelessLoading(n *plan.NotLoaded) *plan.NotLoaded {
	if n == nil {
		return nil
	}
	c := *n
	c.Started, c.Files = time.Time{}, nil
	for _, f := range n.Files {
		c.Files = append(c.Files, plan.LateFile{Path: f.Path})
	}
	return &c
}
