package plan

import (
	"path/filepath"
	"slices"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// writerKubespray is Kubespray's word in writerMarks.
const writerKubespray = "kubespray"

// Stale is a host directory that Kubespray wrote and that its variables name no
// more: its tasks never remove one, and containerd goes by it at each pull.
type Stale struct {
	Path     string `json:"path"`
	Evidence string `json:"evidence"`
	// InUse is true when pulls go by it at this moment.
	InUse bool `json:"inUse"`
}

// StaleOf picks what is stale out of what others wrote on a node. named are the
// host directories that the variables name. What bears no mark of Kubespray's is
// somebody else's, whatever the variables say.
func StaleOf(kept []Foreign, named []string) (all []Stale) {
	for _, k := range kept {
		if k.Directory && k.Owner == writerKubespray && !slices.Contains(named, filepath.Base(k.Path)) {
			all = append(all, Stale{Path: k.Path, Evidence: k.Evidence, InUse: k.InUse})
		}
	}
	return all
}

// leftByKubespray removes the host directories that Kubespray wrote for entries of
// ours, which this change takes out of its variables, and with --adopt those that
// nothing in its variables names; others stay, and are told of.
func (b *builder) leftByKubespray() {
	k := b.opt.Kubespray
	if k == nil || filepath.Clean(k.HostsDir) != filepath.Clean(b.o.HostsDir) {
		return
	}
	for _, s := range StaleOf(Kept(b.o, b.wantedNames()), k.Named) {
		name := filepath.Base(s.Path)
		ours := slices.Contains(k.Dropped, name)
		if b.wanted[name] || k.Named == nil && !ours {
			continue
		}
		d := b.dir(name)
		switch {
		case len(d.Files) != 1 || len(d.Folders) > 0:
			b.warn("stale-host-directory", "look at what else is in it, and remove it by hand",
				"%s was written by Kubespray, its variables name it no more, and it holds more than its %s", s.Path, hoststoml.FileName)
		case ours:
			b.removeStale(s.Path, d, "Pullway takes "+name+" out of Kubespray's variables, and Kubespray removes no host directory")
		case b.opt.Adopt:
			b.removeStale(s.Path, d, "Kubespray wrote it, and its variables name "+name+" no more")
		default:
			b.warn("stale-host-directory", "have it removed by --adopt (a backup is kept), or name it in the variables",
				"%s was written by Kubespray, and its variables name it no more%s", s.Path, stillUsed(s.InUse))
		}
	}
}

func stillUsed(inUse bool) string {
	if inUse {
		return "; pulls still use it"
	}
	return ""
}

func (b *builder) removeStale(path string, d *HostDir, reason string) {
	f := d.Files[0]
	target := filepath.Join(path, f.Name)
	b.late = append(b.late, Change{Path: target, Action: Delete, Reason: reason, Effect: "next pull",
		Before: b.keyed(f.Data), Diff: hostFileDiff(target, f.Data, nil, false)})
}
