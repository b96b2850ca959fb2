package doctor

import (
	"bytes"
	"path"
	"slices"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/plan"
)

// meantFor is the release whose reading of mirrors and tls tables is what their
// author meant: 2.x does not know the latter any more.
var meantFor = containerd.Release{Major: 1, Minor: 7, Patch: 35}

// mendLegacy moves mirrors and tls tables to host directories, as pullway apply
// does, and takes them out of the configuration. Credentials stay where they are:
// they count beside config_path, too. It is left to a person where a setting would
// be lost, where a host directory says something already, and where somebody would
// have to say that certificates are not to be checked any more.
func mendLegacy(s *sight, tree *configtoml.Tree) ([]edit, bool) {
	reg := tree.Registry()
	dirs, problems := plan.LegacyDirectories(reg, meantFor)
	into, ok := s.home(reg)
	if len(problems) > 0 || !ok {
		return nil, false
	}
	unchecked := func(c configtoml.HostConfig) bool { return c.TLS != nil && c.TLS.InsecureSkipVerify }
	if !s.Release.HasConfigsTLS() && slices.ContainsFunc(reg.Configs, unchecked) {
		return nil, false
	}
	var edits []edit
	for _, d := range dirs {
		if d.Name == hoststoml.DefaultName && !s.Release.HasDefaultHost() {
			return nil, false
		}
		if there, same := s.there(into, d); same {
			continue
		} else if there {
			return nil, false
		}
		files, err := d.Render(s.Release)
		if err != nil {
			return nil, false
		}
		for _, f := range files {
			edits = append(edits, edit{file: path.Join(into, d.Name, f.Name), after: moved(f.Data, s.ConfigFile)})
		}
	}
	config, ok := changed(configtoml.Change(tree, configtoml.Wanted{ConfigPath: into, DropMirrors: true, DropTLS: true}))
	return append(edits, config...), ok
}

// home is the one hosts directory that settings can move to: the one that
// config_path names. Host directories that nobody reads today must not wake up.
func (s *sight) home(reg configtoml.Registry) (string, bool) {
	dirs := configDirs(reg)
	if len(dirs) > 1 {
		if used := s.used(reg); len(used) > 0 {
			dirs = used
		} else {
			dirs = dirs[:1]
		}
	}
	if len(dirs) != 1 {
		return "", false
	}
	set := reg.ConfigPath != ""
	return dirs[0], set || s.hostsDir(dirs[0]).filled() == 0
}

// there reports whether a hosts directory has something for the host of d already,
// and whether that says the same of pulls.
func (s *sight) there(into string, d hoststoml.Directory) (there, same bool) {
	dir := s.hostsDir(into)
	name, there := hoststoml.Lookup(func(name string) bool {
		return (name != hoststoml.DefaultName || name == d.Name) && dir.has(name)
	}, hoststoml.HostOf(d.Name), s.Release)
	i := slices.IndexFunc(dir.hosts, func(h hostDir) bool { return h.name == name })
	if !there || i < 0 || !dir.hosts[i].has {
		return there, false
	}
	doc, problems := hoststoml.Parse(dir.hosts[i].data, s.Release)
	if doc == nil || len(problems) > 0 {
		return true, false
	}
	return true, slices.EqualFunc(entries(doc), entries(&d.Document), sameForPulls)
}

// sameForPulls compares what one entry of a hosts.toml does for pulls.
func sameForPulls(have, want hoststoml.Host) bool {
	pulls := func(h hoststoml.Host) bool {
		return h.Capabilities == nil || slices.Contains(h.Capabilities, "pull") && slices.Contains(h.Capabilities, "resolve")
	}
	skips := func(h hoststoml.Host) bool { return h.SkipVerify != nil && *h.SkipVerify }
	return have.URL == want.URL && have.OverridePath == want.OverridePath && pulls(have) && pulls(want) && skips(have) == skips(want) &&
		slices.Equal(have.CA, want.CA) && slices.Equal(have.Client, want.Client)
}

// moved is a rendered hosts.toml with a first line that says where it is from.
func moved(data []byte, from string) []byte {
	_, rest, _ := bytes.Cut(data, []byte("\n"))
	return append([]byte("# Moved here from "+from+" by pullway doctor --fix.\n"), rest...)
}
