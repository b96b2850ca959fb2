package plan

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/configtoml"
)

// refuseDrift marks changes of files that somebody changed or removed since we
// wrote them, and refuses them unless we were told to overwrite. What only
// differs in mode or owner is put right without being asked: nothing is lost.
func (b *builder) refuseDrift(changes []Change) {
	for i := range changes {
		c := &changes[i]
		s := b.stateOf(c.Path)
		if s == nil || !s.Drifted() {
			continue
		}
		if c.Drift = s.Text(); s.shallow {
			continue
		}
		hint := "move the change into the spec, or have it written as the spec says by --overwrite (a backup is kept)"
		switch {
		case c.Action == Delete:
			hint = "it is to be removed: do it yourself, or let Pullway do it by --overwrite (a backup is kept)"
		case s.State == Gone:
			hint = "take the registry out of the spec, or have it written again by --overwrite"
		}
		b.drift(c.Path+" "+s.Text(), hint, s.writer)
	}
}

// refuseLostSettings refuses to give the configuration back what somebody took
// out of it, unless we were told to overwrite.
func (b *builder) refuseLostSettings(changes []configtoml.FileChange) {
	if len(changes) == 0 {
		return
	}
	for _, s := range b.states {
		if s.State != SettingsLost && (s.State != Gone || b.o.Manifest.file(s.Path) != nil) {
			continue
		}
		hint := "find out who needs it so, then have Pullway's settings written again by --overwrite (a backup is kept)"
		b.drift(s.Path+" "+s.Text(), hint, s.writer)
	}
}

// drift is a problem, or a warning where overwriting was asked for and the writer
// will be back.
func (b *builder) drift(text, hint string, w Writer) {
	switch {
	case !b.opt.Overwrite && !b.opt.Adopt:
		if w.Again != "" {
			hint += "; " + w.Again
		}
		b.problem("drift", false, hint, "%s", text)
	case w.Again != "":
		b.warn("drift-again", "take the files out of its hands, or it changes them again: "+w.Again, "%s", text)
	}
}

func (b *builder) stateOf(path string) *FileState {
	i := slices.IndexFunc(b.states, func(s FileState) bool { return s.Path == path })
	if i < 0 {
		return nil
	}
	return &b.states[i]
}

// driftOf says what somebody did to a file of the configuration that changes now.
func (b *builder) driftOf(path string) string {
	if s := b.stateOf(path); s != nil && s.State != AsWritten {
		return s.Text()
	}
	return ""
}

// rememberAuth keeps the keyed hash of a credential that goes into config.toml.
func (b *builder) rememberAuth(host string, a *config.Auth) {
	if b.manifest.CRIAuthSums == nil {
		b.manifest.CRIAuthSums = map[string]string{}
	}
	b.manifest.CRIAuthSums[host] = authSum(b.opt.Key, configtoml.Auth{Username: a.Username, Password: a.Password})
}

// rememberConfig lists the configuration files that we changed: those of before
// as they were left then, and those of now as they will be.
func (b *builder) rememberConfig() {
	for _, f := range b.o.Manifest.Config {
		if !slices.ContainsFunc(b.node.Changes, func(c Change) bool { return c.Path == f.Path }) {
			b.manifest.Config = append(b.manifest.Config, f)
		}
	}
	for _, c := range b.node.Changes {
		if c.Effect != "restart" {
			continue
		}
		b.manifest.Config = append(b.manifest.Config, OwnedConfig{Path: c.Path, SHA256: sha(c.Content), Mode: c.Mode, Writer: b.o.writerAfter(c)})
	}
	slices.SortFunc(b.manifest.Config, func(x, y OwnedConfig) int { return strings.Compare(x.Path, y.Path) })
}

// writerAfter is whose marks a file of the configuration has once it is changed.
func (o *Observed) writerAfter(c Change) string {
	var beside []string
	for _, f := range o.Tree.Files {
		if f.Path != c.Path {
			beside = append(beside, f.Path)
		}
	}
	return WhoWrote(filepath.Base(c.Path), c.Content, beside).Name
}
