package doctor

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/pullway/pullway/internal/containerd/configtoml"
)

// config takes over what the configuration's own checks say, and adds what takes
// the host directories or two tables to see.
func (l *look) config() {
	told := map[string]bool{}
	for _, p := range l.tree.Problems() {
		told[p.ID] = true
		severity := Severity(fmt.Sprintf("S%d", p.Severity))
		if p.ID == "CFG015" && l.reg.ConfigPath == "" && !l.anyHosts() {
			severity = Advice // nobody meant that anything be read
		}
		l.add(Finding{Rule: p.ID, Severity: severity, File: p.Pos.File, Line: p.Pos.Line, Column: p.Pos.Column, Text: p.Text, Hint: p.Hint})
	}
	l.unset(told)
	l.deprecated()
	l.twoCredentials()
	if l.rel.HasTransferService() && l.reg.LocalPull && len(l.reg.HostsDirs) > 1 {
		l.at("RUN007", l.reg.ConfigPathAt, "hosts.toml is read only because "+l.reg.LocalPullReason+": config_path names several directories", "set config_path to one directory")
	}
}

// at adds a finding at a place of the configuration; its root where there is none.
func (l *look) at(rule string, pos configtoml.Pos, text, hint string) {
	if pos.File == "" {
		pos.File = l.ConfigFile
	}
	l.add(Finding{Rule: rule, File: pos.File, Line: pos.Line, Column: pos.Column, Text: text, Hint: hint})
}

// unset finds host directories that nobody reads because config_path is not set.
func (l *look) unset(told map[string]bool) {
	if l.reg.ConfigPath != "" || len(l.reg.HostsDirs) > 0 || told["CFG005"] || told["CFG007"] {
		return
	}
	n := l.hostsDir(defaultHostsDir).filled()
	const hint = "write config_path = \"" + defaultHostsDir + "\" in the registry table and restart containerd"
	switch {
	case l.reg.ConfigPathSet && (n > 0 || told["CFG013"]):
		l.at("CFG014", l.reg.ConfigPathAt, "config_path is empty, so no host directory is read", hint)
	case n > 0 && !told["CFG015"]:
		l.at("CFG016", configtoml.Pos{}, fmt.Sprintf("%s has %s, and config_path is not set: nobody reads them", defaultHostsDir, counted(n, "host directory", "host directories")), hint)
	}
}

// anyHosts reports whether there is a host directory where containerd looks for them by itself.
func (l *look) anyHosts() bool {
	return l.hostsDir(defaultHostsDir).filled()+l.hostsDir("/etc/docker/certs.d").filled() > 0
}

// filled counts the host directories with a hosts.toml or a certificate.
func (d *hostsDir) filled() (n int) {
	for i := range d.hosts {
		if h := &d.hosts[i]; h.kind == fs.ModeDir && (h.has || len(h.entry(".crt", ".cert")) > 0) {
			n++
		}
	}
	return n
}

func (l *look) deprecated() {
	const hint = "move it to hosts.toml; pullway apply does, and keeps what it does today"
	if len(l.reg.Mirrors) > 0 {
		l.at("CFG026", l.reg.Mirrors[0].At, "registry.mirrors is deprecated", hint)
	}
	for _, table := range []struct {
		name string
		all  []configtoml.HostConfig
	}{{"configs", l.reg.Configs}, {"auths", l.reg.Auths}} {
		if len(table.all) > 0 {
			l.at("CFG026", table.all[0].At, "registry."+table.name+" is deprecated", hint)
		}
	}
}

func (l *look) twoCredentials() {
	for _, a := range l.reg.Auths {
		for _, c := range l.reg.Configs {
			if c.Auth != nil && configtoml.SameHost(a.Host, c.Host) {
				l.at("AUT005", c.At, fmt.Sprintf("the credential of registry.configs for %q is never sent: registry.auths has one too", c.Host), "delete one of the two")
			}
		}
	}
}

// readOnly finds files of the configuration with passwords that others can read.
func (l *look) readOnly() {
	secret := map[string]bool{}
	for _, c := range append(slices.Clone(l.reg.Configs), l.reg.Auths...) {
		if c.Auth != nil && !(c.Auth.Password.IsZero() && c.Auth.Auth.IsZero() && c.Auth.IdentityToken.IsZero()) {
			secret[c.At.File] = true
		}
	}
	for _, f := range l.tree.Files {
		if !secret[f.Path] {
			continue
		}
		if st, err := l.files.Stat(f.Path); err == nil {
			l.readable(f.Path, st.Mode)
		}
	}
}

func (l *look) readable(file string, mode uint32) {
	if mode&0o044 != 0 {
		l.add(Finding{Rule: "AUT004", File: file, Text: fmt.Sprintf("holds a credential and has mode %04o: others than its owner can read it", mode), Hint: "chmod 0600 " + file})
	}
}

// counted says "1 host directory", "3 host directories".
func counted(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
