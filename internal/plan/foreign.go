package plan

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// foreign reports what others wrote below the hosts directory.
func (b *builder) foreign() {
	for _, d := range b.o.Hosts {
		path := filepath.Join(b.o.HostsDir, d.Name)
		ours := false
		for _, f := range d.Files {
			ours = ours || b.o.Manifest.file(filepath.Join(path, f.Name)) != nil
		}
		if ours {
			continue
		}
		b.node.Foreign = append(b.node.Foreign, Foreign{Path: path, Owner: owner(d), Conflict: b.wanted[d.Name]})
	}
	if before := b.o.Tree.Registry().HostsDirs; len(b.node.Foreign) > 0 && !slices.Contains(before, b.o.HostsDir) {
		var names []string
		for _, f := range b.node.Foreign {
			if !f.Conflict && !strings.HasPrefix(filepath.Base(f.Path), "_backup") {
				names = append(names, filepath.Base(f.Path))
			}
		}
		if len(names) > 0 {
			b.warn("wakes-host-directories", "read them before: they were not in use until now",
				"host directories of others take effect once %s is read: %s", b.o.HostsDir, strings.Join(names, ", "))
		}
	}
}

// owner guesses who wrote a host directory, by the marks that writers leave.
func owner(d HostDir) string {
	const nobodyKnown = "somebody else"
	if d.Name == "_backup" {
		return "spegel"
	}
	f := d.file(hoststoml.FileName)
	if f == nil {
		return nobodyKnown
	}
	switch data := bytes.ToLower(f.Data); {
	case hoststoml.Ours(f.Data):
		return "another pullway"
	case bytes.Contains(data, []byte("do not edit")) && bytes.Contains(data, []byte("k3s")):
		return "k3s"
	case bytes.Contains(data, []byte("spegel")):
		return "spegel"
	case bytes.Contains(data, []byte("ansible managed")), bytes.Contains(data, []byte("blockinfile")), bytes.Contains(data, []byte("# begin ansible")):
		return "ansible"
	case bytes.Contains(data, []byte("override_path = false")) && bytes.Contains(data, []byte("skip_verify =")):
		return "kubespray (by its shape)"
	}
	return nobodyKnown
}
