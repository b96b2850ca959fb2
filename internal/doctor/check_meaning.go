package doctor

import (
	"fmt"
	"path"
	"strings"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// upstream finds a file that leaves the upstream to containerd, and a _default
// that leads to one registry.
func (l *look) upstream(file string, h *hostDir, doc *hoststoml.Document) {
	if doc.Server == "" && len(doc.Hosts) > 0 && h.name != hoststoml.DefaultName && !hoststoml.Ours(h.data) && !l.isUpstream(h, doc) {
		l.add(Finding{Rule: "HST016", File: file, Text: fmt.Sprintf("names no server: after its hosts %s is asked all the same", hoststoml.HostOf(h.name)),
			Hint: "to forbid that, set server to the last host; to allow it, write it down"})
	}
	if h.name != hoststoml.DefaultName || !l.rel.HasDefaultHost() {
		return
	}
	for _, e := range entries(doc) {
		at, ok := hoststoml.EndpointOf(e.URL, e.OverridePath)
		switch {
		case e.URL == "" || !ok:
		case hoststoml.PublicRegistry(hoststoml.WithoutPort(at.Host)):
			l.add(Finding{Rule: "HST021", File: file, Line: e.Line, Text: fmt.Sprintf("%s answers for every registry without a directory of its own, and knows its own images only", at.Host), Hint: "give each registry a directory of its own"})
		case e.OverridePath && strings.Trim(strings.TrimPrefix(at.Path, "/v2"), "/") != "":
			l.add(Finding{Rule: "HST021", File: file, Line: e.Line, Text: fmt.Sprintf("%s%s answers for every registry without a directory of its own, and is one project: images of all registries are looked for in it", at.Host, at.Path), Hint: "give each registry a directory of its own"})
		}
	}
}

// isUpstream reports whether one of the hosts is the registry itself.
func (l *look) isUpstream(h *hostDir, doc *hoststoml.Document) bool {
	for _, e := range doc.Hosts {
		if at, ok := hoststoml.EndpointOf(e.URL, e.OverridePath); ok && sameHost(at.Host, hoststoml.HostOf(h.name)) {
			return true
		}
	}
	return false
}

// sameHost compares the host of a URL with that of an image.
func sameHost(url, image string) bool {
	return strings.EqualFold(hoststoml.WithoutPort(url), hoststoml.WithoutPort(image)) || image == "docker.io" && url == "registry-1.docker.io"
}

// mirrors tells to whom pull secrets are offered.
func (l *look) mirrors(file string, h *hostDir, doc *hoststoml.Document) {
	for _, e := range doc.Hosts {
		at, ok := hoststoml.EndpointOf(e.URL, e.OverridePath)
		if !ok || at.Host == "" || sameHost(at.Host, hoststoml.HostOf(h.name)) {
			continue
		}
		whose := hoststoml.HostOf(h.name)
		if h.name == hoststoml.DefaultName {
			whose = "any registry"
		}
		how := ""
		if at.Scheme == "http" {
			how = ", in the clear"
		}
		l.add(Finding{Rule: "AUT001", File: file, Line: e.Line, Text: fmt.Sprintf("a pod's pull secret for %s is offered to %s when it answers 401%s", whose, at.Host, how), Hint: "use a mirror that you trust with it, over https"})
		return
	}
}

// asked finds images whose host has a directory under another port only.
func (l *look) asked() {
	images := l.images
	if l.reg.SandboxImage != "" {
		images = append([]string{l.reg.SandboxImage}, images...)
	}
	seen := map[string]bool{}
	for _, image := range images {
		host, _, ok := strings.Cut(image, "/")
		if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" || seen[host] {
			continue
		}
		seen[host] = true
		for _, d := range l.dirs {
			if _, found := hoststoml.Lookup(d.has, host, l.rel); found {
				continue
			}
			for i := range d.hosts {
				name := hoststoml.HostOf(d.hosts[i].name)
				if name != host && strings.EqualFold(hoststoml.WithoutPort(name), hoststoml.WithoutPort(host)) {
					l.add(Finding{Rule: "DIR001", File: d.hosts[i].path, Text: fmt.Sprintf("is not read for the image %s: the directory has to be called %s", image, host), Hint: "make a directory " + path.Join(d.path, host)})
				}
			}
		}
	}
}
