package plan

import (
	"github.com/pullway/pullway/internal/containerd/configtoml"
)

// exposed refuses a node on which somebody else than root can put things in the
// place of what root is about to write: he could have it written elsewhere, and
// decide where pods pull from.
func (b *builder) exposed() {
	for _, path := range sortedKeys(b.o.Exposed) {
		b.problem("exposed-path", true, "give it to root and take the right to write from group and others; --force passes over this",
			"others than root can change what stands at %s: %s", path, b.o.Exposed[path])
	}
}

// readable warns of files that hold a password after the change and can be read
// by others. A file that gets a password by this plan is 0600 after it.
func (b *builder) readable(after *configtoml.Tree) {
	if after == nil {
		return
	}
	modes := map[string]uint32{}
	for path, mode := range b.o.ConfigModes {
		modes[path] = mode
	}
	for _, c := range b.node.Changes {
		modes[c.Path] = c.Mode
	}
	r := after.Registry()
	told := map[string]bool{}
	for _, h := range append(r.Configs, r.Auths...) {
		mode, file := modes[h.At.File], h.At.File
		if h.Auth == nil || h.Auth.Password.IsZero() && h.Auth.Auth.IsZero() && h.Auth.IdentityToken.IsZero() || mode&0o077 == 0 || b.keepsMode(mode) || told[file] {
			continue
		}
		told[file] = true
		b.warn("readable-password", "chmod 0600 "+file, "%s holds the password for %s, and its mode %04o lets others read it", file, h.Host, mode)
	}
}
