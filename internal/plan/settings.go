package plan

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/containerd/configtoml"
)

// lostSetting is one setting of ours that the configuration does not have any
// more, and the file that says otherwise; at is empty where nothing says anything.
type lostSetting struct{ text, at string }

// lostSettings compares the effective configuration with what the manifest says
// that we left: our hosts directory is the one that is read, no deprecated table
// stands beside it, and our credentials are there.
func (o *Observed) lostSettings(key []byte) (lost []lostSetting) {
	m := o.Manifest
	if len(m.Files)+len(m.CRIAuth) == 0 {
		return nil
	}
	for _, p := range o.Tree.Problems() {
		if p.Fatal && p.Severity == 1 {
			return []lostSetting{{p.Text + "; containerd cannot start with it", p.Pos.File}}
		}
	}
	r := o.Tree.Registry()
	if len(m.Files) > 0 && (len(r.HostsDirs) != 1 || filepath.Clean(r.HostsDirs[0]) != filepath.Clean(o.HostsDir)) {
		text := "config_path is now " + r.ConfigPath
		if r.ConfigPath == "" {
			text = "config_path is not set any more"
		}
		lost = append(lost, lostSetting{text, r.ConfigPathAt.File})
	}
	for _, t := range r.Mirrors {
		lost = append(lost, lostSetting{"registry.mirrors has " + t.Host, t.At.File})
	}
	for _, c := range r.Configs {
		if c.TLS != nil {
			lost = append(lost, lostSetting{"registry.configs has a tls table for " + c.Host, c.At.File})
		}
	}
	for _, host := range m.CRIAuth {
		i := slices.IndexFunc(r.Configs, func(c configtoml.HostConfig) bool { return c.Host == host && c.Auth != nil })
		switch sum := m.CRIAuthSums[host]; {
		case i < 0:
			lost = append(lost, lostSetting{"the credential for " + host + " is gone", ""})
		case sum != "" && sum != authSum(key, *r.Configs[i].Auth):
			lost = append(lost, lostSetting{"the credential for " + host + " is another one", r.Configs[i].At.File})
		}
		for _, a := range r.Auths {
			if configtoml.SameHost(a.Host, host) {
				lost = append(lost, lostSetting{"registry.auths has " + a.Host + ", which comes before the credential of registry.configs", a.At.File})
			}
		}
	}
	return lost
}

// authSum is the keyed hash of a credential of registry.configs.
func authSum(key []byte, a configtoml.Auth) string {
	return keyedSum(key, []byte(strings.Join([]string{a.Username, a.Password.Reveal(), a.Auth.Reveal(), a.IdentityToken.Reveal()}, "\x00")))
}

// configStates are the states of the configuration files that we changed, and of
// those that take our settings away.
func (o *Observed) configStates(key []byte) (all []FileState) {
	for _, f := range o.Manifest.Config {
		all = append(all, o.configState(f))
	}
	for _, l := range o.lostSettings(key) {
		i := slices.IndexFunc(all, func(s FileState) bool { return s.Path == l.at })
		if i < 0 && l.at == "" {
			// Nothing says it any more: blame the file of ours that was changed.
			i = slices.IndexFunc(all, func(s FileState) bool { return s.State != AsWritten })
		}
		if i < 0 {
			all = append(all, o.otherConfig(l.at))
			i = len(all) - 1
		}
		s := &all[i]
		if s.State != Gone {
			s.State = SettingsLost
			*s = s.by(o.configWriter(s.Path))
		}
		switch strings.Count(s.Detail, "; ") {
		case mostDetails - 1:
			s.Detail += "; and more"
		case mostDetails:
			// Said already that there is more.
		default:
			if s.Detail == "" || s.shallow {
				s.Detail, s.shallow = l.text, false
			} else {
				s.Detail += "; " + l.text
			}
		}
	}
	unread := o.unread()
	for i := range all {
		if slices.Contains(unread, all[i].Path) {
			all[i].NotInForce = o.notInForce(all[i].Path)
		}
	}
	return all
}

// mostDetails is how many lost settings are told of one file.
const mostDetails = 5

// configState is the state of one file that we changed, its settings aside.
func (o *Observed) configState(f OwnedConfig) FileState {
	s := FileState{Path: f.Path, State: AsWritten}
	i := slices.IndexFunc(o.Tree.Files, func(t configtoml.File) bool { return t.Path == f.Path })
	if i < 0 {
		return s.gone(Writer{})
	}
	mode, known := o.ConfigModes[f.Path]
	switch {
	case sha(o.Tree.Files[i].Data) != f.SHA256:
		s.State = SettingsIntact
		// Whoever wrote the file before us may not be who changed it since.
		if w := o.configWriter(f.Path); w.Name != f.Writer {
			s = s.by(w)
		}
	case known && mode != f.Mode:
		s.State, s.Detail, s.shallow = SettingsIntact, fmt.Sprintf("mode %04o, left as %04o", mode, f.Mode), true
	}
	return s
}

// otherConfig is a file that is not ours and has to do with our settings.
func (o *Observed) otherConfig(path string) FileState {
	if path == "" {
		path = o.ConfigFile
	}
	return FileState{Path: path, State: SettingsLost}
}

// configWriter is who wrote a file of the configuration; nobody known for one
// that is not there.
func (o *Observed) configWriter(path string) Writer {
	var data []byte
	var beside []string
	for _, f := range o.Tree.Files {
		if f.Path == path {
			data = f.Data
			continue
		}
		beside = append(beside, f.Path)
	}
	if data == nil {
		return Writer{}
	}
	return WhoWrote(path, data, beside)
}

// unread are the configuration files that were changed after the daemon started,
// sorted: it has not read them since. The kernel tells the time of the boot in
// whole seconds, so what changed within a second of the start is not told.
func (o *Observed) unread() (paths []string) {
	if !o.Running || o.Started.IsZero() {
		return nil
	}
	for _, path := range sortedKeys(o.ConfigTimes) {
		if o.ConfigTimes[path].After(o.Started.Add(time.Second)) {
			paths = append(paths, path)
		}
	}
	return paths
}

func (o *Observed) notInForce(path string) string {
	return fmt.Sprintf("changed at %s, and containerd has run since %s: not in force until a restart",
		o.ConfigTimes[path].UTC().Format(time.DateTime), o.Started.UTC().Format(time.DateTime))
}
