package plan

import (
	"path/filepath"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// hostRules holds the host directories against the rules of hosts.toml, as the node's
// release reads them: what this plan writes may not be thrown away by containerd, and
// what others wrote is told of where it is.
func (b *builder) hostRules(all []wantedDir) {
	for _, w := range all {
		for _, f := range w.files {
			if f.Name != hoststoml.FileName {
				continue
			}
			_, problems := hoststoml.Parse(f.Data, b.o.Release)
			b.hostProblems(filepath.Join(b.o.HostsDir, w.name, f.Name), problems, true)
		}
	}
	for _, d := range b.o.Hosts {
		f := d.file(hoststoml.FileName)
		if b.wanted[d.Name] || f == nil || f.Data == nil {
			continue
		}
		if path := filepath.Join(b.o.HostsDir, d.Name, f.Name); b.o.Manifest.file(path) == nil {
			_, problems := hoststoml.Parse(f.Data, b.o.Release)
			b.hostProblems(path, problems, false)
		}
	}
}

// hostProblems tells the problems of one file: of ours all of them, of another one
// that it is thrown away.
func (b *builder) hostProblems(path string, problems []hoststoml.Problem, ours bool) {
	for _, p := range problems {
		switch {
		case ours && p.Discards:
			b.problem(p.ID, false, p.Hint, "%s%s", at(path, p.Line, p.Column), p.Text)
		case ours && b.opt.Kubespray == nil: // Kubespray writes keys that change nothing
			b.warn(p.ID, p.Hint, "%s%s", at(path, p.Line, p.Column), p.Text)
		case !ours && p.Discards:
			b.warn(p.ID, p.Hint+"; it is somebody else's and stays as it is", "%s%s", at(path, p.Line, p.Column), p.Text)
		}
	}
}
