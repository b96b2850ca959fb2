package doctor

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/plan"
)

// layout looks at the names in a hosts directory.
func (l *look) layout(d *hostsDir) {
	switch {
	case d.kind == fs.ModeDir:
	case d.kind != fs.ModeIrregular:
		l.add(Finding{Rule: "DIR006", File: d.path, Text: "is no directory: every pull of this node fails", Hint: "make it a directory, or correct config_path"})
		return
	case d.dangling:
		l.add(Finding{Rule: "DIR006", Severity: S3, File: d.path, Text: "is a link that leads nowhere, so no hosts.toml is read", Hint: "correct the link or config_path"})
		return
	default:
		return
	}
	for i := range d.hosts {
		l.name(d, &d.hosts[i])
	}
	l.writers(d)
}

// name looks at one name.
func (l *look) name(d *hostsDir, h *hostDir) {
	host := hoststoml.HostOf(h.name)
	switch {
	case h.name == hoststoml.FileName:
		l.add(Finding{Rule: "DIR002", File: h.path, Text: "is not read: it has to stand in the directory of a registry", Hint: "make a directory named like the registry, with its port, and move it there"})
	case h.name == hoststoml.DefaultName && h.kind == fs.ModeDir:
		if !l.rel.HasDefaultHost() {
			l.add(Finding{Rule: "DIR004", File: h.path, Text: "is not looked for by containerd " + l.rel.String(), Hint: "upgrade to 1.6.17, or name every registry"})
		}
	case strings.HasPrefix(h.name, "http:") || strings.HasPrefix(h.name, "https:") || strings.HasPrefix(h.name, "http_") || strings.HasPrefix(h.name, "https_"):
		l.add(Finding{Rule: "DIR002", File: h.path, Text: "is never looked for: names have no scheme", Hint: "name it host or host:port, as in the images' names"})
	case h.kind != fs.ModeDir && hoststoml.DirName(host) != "" && looksLikeHost(h.name):
		l.add(Finding{Rule: "DIR002", Severity: S4, File: h.path, Text: "is no directory: every pull of " + host + " fails", Hint: "make it a directory with a " + hoststoml.FileName})
	}
	if h.kind != fs.ModeDir || h.name == "_backup" {
		return
	}
	for _, e := range h.entries {
		if e.Kind != fs.ModeDir {
			continue
		}
		if _, err := l.files.Stat(path.Join(h.path, e.Name, hoststoml.FileName)); err == nil {
			l.add(Finding{Rule: "DIR002", File: path.Join(h.path, e.Name), Text: "is never read: there are no directories for a path or a project of a registry", Hint: "one directory for each registry; a project of a mirror goes into the URL, with override_path"})
		}
	}
	if i := strings.LastIndex(h.name, ":"); i > 0 && d.has(h.name[:i]+"_"+h.name[i+1:]+"_") {
		l.add(Finding{Rule: "DIR003", File: h.path, Text: "is never read: " + h.name[:i] + "_" + h.name[i+1:] + "_ stands beside it and comes first", Hint: "keep one of the two"})
	}
	if (h.name == "registry-1.docker.io" || h.name == "index.docker.io") && !d.has("docker.io") {
		l.add(Finding{Rule: "DIR008", File: h.path, Text: "is not read for images of Docker Hub, which are looked up as docker.io", Hint: "rename it to docker.io"})
	}
}

// looksLikeHost tells a file that stands in for a host directory from notes and copies.
func looksLikeHost(name string) bool {
	if !strings.ContainsAny(name, ".:") {
		return false
	}
	return !slices.Contains([]string{".md", ".txt", ".toml", ".bak", ".old", ".orig", ".sh", ".yaml", ".yml", ".gz", ".crt", ".pem"}, path.Ext(name))
}

// writers tells who else writes here, each once.
func (l *look) writers(d *hostsDir) {
	var beside []string
	for _, h := range d.hosts {
		beside = append(beside, h.name)
	}
	told := map[string]bool{}
	for i := range d.hosts {
		h := &d.hosts[i]
		if !h.has {
			continue
		}
		file := path.Join(h.path, hoststoml.FileName)
		w := plan.WhoWrote(file, h.data, beside)
		if w.Again == "" || told[w.Name] {
			continue
		}
		told[w.Name] = true
		l.add(Finding{Rule: "DIR007", File: file, Text: "was written by " + w.String() + " (" + w.Evidence + "): " + w.Again, Hint: "change the settings of " + w.String()})
	}
}
