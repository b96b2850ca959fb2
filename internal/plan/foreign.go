package plan

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// foreign reports what others wrote below the hosts directory.
func (b *builder) foreign() {
	b.node.Foreign = slices.DeleteFunc(Kept(b.o, b.wantedNames()), func(f Foreign) bool {
		return slices.ContainsFunc(b.late, func(c Change) bool { return filepath.Dir(c.Path) == f.Path })
	})
	for i, f := range b.node.Foreign {
		b.node.Foreign[i].Conflict = filepath.Dir(f.Path) == filepath.Clean(b.o.HostsDir) && b.wanted[filepath.Base(f.Path)]
	}
	if len(b.node.Foreign) > 0 && !b.o.readsHostsDir() {
		var names []string
		for _, f := range b.node.Foreign {
			if !f.Conflict && filepath.Dir(f.Path) == filepath.Clean(b.o.HostsDir) && !strings.HasPrefix(filepath.Base(f.Path), backupName) {
				names = append(names, filepath.Base(f.Path))
			}
		}
		if len(names) > 0 {
			b.warn("wakes-host-directories", "read them before: they were not in use until now",
				"host directories of others take effect once %s is read: %s", b.o.HostsDir, strings.Join(names, ", "))
		}
	}
}

func (b *builder) wantedNames() []string {
	var names []string
	for _, r := range b.d.Registries {
		names = append(names, b.dirName(r.Host))
	}
	return names
}

// Kept is what others wrote in the hosts directory and what stays as it is: their
// host directories, and files of theirs in ours. ours are the names of our host
// directories, to say what a foreign one does to them.
func Kept(o Observed, ours []string) (all []Foreign) {
	names := beside(o.Hosts)
	for _, d := range o.Hosts {
		path := filepath.Join(o.HostsDir, d.Name)
		var theirs []string
		mine := false
		for _, f := range d.Files {
			if o.Manifest.file(filepath.Join(path, f.Name)) != nil {
				mine = true
				continue
			}
			theirs = append(theirs, f.Name)
		}
		if !mine {
			w := whoOwns(d, path, names)
			f := Foreign{Path: path, Directory: true, Owner: w.String(), Evidence: w.Evidence}
			f.Effect, f.Shadows = o.effect(d.Name, ours)
			f.InUse = o.inUse(d)
			all = append(all, f)
			continue
		}
		for _, name := range theirs {
			all = append(all, Foreign{Path: filepath.Join(path, name), Owner: anybody})
		}
		for _, name := range d.Folders {
			all = append(all, Foreign{Path: filepath.Join(path, name), Owner: anybody})
		}
	}
	return all
}

// KeptConfig are the files of the configuration that others wrote beside its root
// and we did not change, and those that containerd has not read since they changed.
func KeptConfig(o Observed) (all []Foreign) {
	unread := o.unread()
	for _, f := range o.Tree.Files {
		late := slices.Contains(unread, f.Path)
		if slices.ContainsFunc(o.Manifest.Config, func(c OwnedConfig) bool { return c.Path == f.Path }) || f.Path == o.ConfigFile && !late {
			continue
		}
		w := o.configWriter(f.Path)
		k := Foreign{Path: f.Path, Owner: w.String(), Evidence: w.Evidence}
		if late {
			k.NotInForce = o.notInForce(f.Path)
		}
		all = append(all, k)
	}
	return all
}

// OurNames are the names of the host directories of ours, sorted.
func OurNames(m Manifest) (names []string) {
	for _, f := range m.Files {
		if name := filepath.Base(filepath.Dir(f.Path)); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// whoOwns says who wrote a host directory.
func whoOwns(d HostDir, path string, beside []string) Writer {
	if d.Name == backupName && d.Kind == "dir" {
		return Writer{"spegel", "its name: Spegel moves there what it finds", spegelAgain}
	}
	if f := d.file(hoststoml.FileName); f != nil {
		return WhoWrote(filepath.Join(path, f.Name), f.Data, beside)
	}
	return Writer{}
}

// effect says what a host directory of others does to ours, and whether containerd
// reads it in place of one: it takes the first of the names of
// hoststoml.LookupNames that exists, even an empty one.
func (o *Observed) effect(name string, ours []string) (text string, shadows bool) {
	if name == backupName || slices.Contains(ours, name) {
		return "", false
	}
	if name == hoststoml.DefaultName {
		if !o.Release.HasDefaultHost() {
			return "", false
		}
		return "answers for every registry that has no host directory of its own", false
	}
	host := hoststoml.HostOf(name)
	for _, our := range ours {
		switch theirs := hoststoml.HostOf(our); {
		case our == hoststoml.DefaultName:
			return "containerd reads it in place of our " + our + " for " + host, true
		case comesBefore(name, our):
			return "containerd reads it in place of our " + our, true
		case host == theirs:
			return "not read: containerd finds our " + our + " first", false
		case strings.EqualFold(host, theirs):
			return "not read for our " + our + ": upper and lower case count", false
		case sameName(host, theirs):
			return "the same name as our " + our + " with another port: another registry", false
		}
	}
	return "", false
}

// inUse reports whether pulls go by a host directory at this moment.
func (o *Observed) inUse(d HostDir) bool {
	f := d.file(hoststoml.FileName)
	if d.Kind != "dir" || d.Name == backupName || f == nil || f.Data == nil || !o.readsHostsDir() {
		return false
	}
	has := func(name string) bool { return find(o.Hosts, name) != nil }
	name, found := hoststoml.Lookup(has, hoststoml.HostOf(d.Name), o.Release)
	return found && name == d.Name
}

// comesBefore reports whether containerd looks for name before our, for our host.
func comesBefore(name, our string) bool {
	names := hoststoml.LookupNames(hoststoml.HostOf(our))
	i, j := slices.Index(names, name), slices.Index(names, our)
	return i >= 0 && j >= 0 && i < j
}

// sameName compares hosts without their ports.
func sameName(a, b string) bool {
	return strings.EqualFold(hoststoml.WithoutPort(a), hoststoml.WithoutPort(b))
}
