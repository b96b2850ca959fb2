package plan

import (
	"path/filepath"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// Kubespray says how one line of Kubespray writes what a plan writes. A plan that
// is made with it gives the files the bytes and modes that the line's own tasks give
// for the variables of the same registries, so that its next run finds nothing to
// change and restarts nothing.
type Kubespray struct {
	Template hoststoml.Template `json:"template"`
	// HostsDir is the folder of that line's host directories, such as
	// /etc/containerd/certs.d.
	HostsDir string `json:"hostsDir"`
	// Named are the host directories that its variables name once the change is
	// made; nil where they cannot be told.
	Named []string `json:"named"`
	// Dropped are those that Pullway's own entries named and that the change takes
	// out of the variables.
	Dropped []string `json:"dropped,omitempty"`
}

// render writes the files of one registry, as Kubespray does when that is asked for.
func (b *builder) render(r config.Registry, dir string) ([]hoststoml.Rendered, error) {
	if k := b.opt.Kubespray; k != nil {
		return k.Template.Render(r, dir, b.header[r.Host])
	}
	return hoststoml.Render(r, hoststoml.Options{Release: b.o.Release, Dir: dir, HeaderAuth: b.header[r.Host]})
}

// asKubespray refuses a node on which Kubespray's next run would write elsewhere.
func (b *builder) asKubespray() {
	if k := b.opt.Kubespray; k != nil && filepath.Clean(k.HostsDir) != filepath.Clean(b.o.HostsDir) {
		b.problem("kubespray-elsewhere", false, "look at containerd_cfg_dir and at config_path of the node, or apply without --kubespray",
			"this Kubespray writes to %s, and containerd of this node reads %s", k.HostsDir, b.o.HostsDir)
	}
}

// keepsMode reports whether a file with credentials may keep its mode: Kubespray's
// template gives config.toml 0640 and its next run would give it back.
func (b *builder) keepsMode(mode uint32) bool { return b.opt.Kubespray != nil && mode&0o007 == 0 }
