package hoststoml

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd"
)

// Entry is one host as a release asks it.
type Entry struct {
	// Host is what was written. Its URL is empty for a default of containerd.
	Host Host
	// Scheme, Address and Path are where requests go: Address is host[:port], below
	// Path are the repositories. A host that is none has no Address.
	Scheme, Address, Path string
	// HTTPSFirst asks https, and plain HTTP where TLS does not answer.
	HTTPSFirst bool
	// Capabilities in containerd's order; never empty.
	Capabilities []string
	// Upstream tells that it is the registry that the image names, and nothing that
	// was written.
	Upstream bool
}

// Can reports whether the entry has a capability.
func (e *Entry) Can(capability string) bool { return slices.Contains(e.Capabilities, capability) }

// Entries are the hosts that rel tries for images of host, in its order, of what
// Parse gave. discarded tells that it goes by nothing of the file, crashes that it
// panics over it and tries none.
func Entries(doc *Document, problems []Problem, host string, rel containerd.Release) (all []Entry, discarded, crashes bool) {
	for _, p := range problems {
		crashes = crashes || p.ID == "HST027"
		discarded = discarded || p.Discards
	}
	switch {
	case crashes:
		return nil, discarded, true
	case discarded:
		return []Entry{Default(host, Host{}, rel)}, true, false
	}
	for _, h := range doc.Hosts {
		var t target
		if h.URL != "" {
			t, _ = targetOf(h.URL, h.OverridePath)
		}
		all = append(all, resolved(h, t, rel))
	}
	root := doc.Root
	root.URL = doc.Server
	if t, _ := targetOf(root.URL, root.OverridePath); t.host != "" {
		return append(all, resolved(root, t, rel)), false, false
	}
	return append(all, Default(host, root, rel)), false, false
}

// Default is the registry that an image's host names, with the keys of root: what a
// release asks when nothing else is said (ConfigureHosts). Verification is skipped
// on this machine, and https tried before http, since 1.6.25 and 1.7.7.
func Default(host string, root Host, rel containerd.Release) Entry {
	root.URL, root.Capabilities, root.OverridePath = "", nil, false
	t, _ := targetOf(upstreamURL(host), false)
	if loopback(host) {
		port := (&url.URL{Host: host}).Port()
		if port != "" && port != "443" || !rel.KnowsTLSOfLoopback() {
			t.scheme = "http"
		}
		if port != "80" && (t.scheme == "https" || prefersTLS(rel, port)) {
			yes := true
			root.SkipVerify = &yes
		}
	}
	e := resolved(root, t, rel)
	e.Upstream = true
	return e
}

func resolved(h Host, t target, rel containerd.Release) Entry {
	e := Entry{Host: h, Scheme: t.scheme, Address: t.host, Path: t.path}
	for _, c := range []string{"pull", "resolve", "push", "referrers"} {
		if len(h.Capabilities) == 0 && (c != "referrers" || rel.HasReferrers()) || slices.Contains(h.Capabilities, c) {
			e.Capabilities = append(e.Capabilities, c)
		}
	}
	port := (&url.URL{Host: t.host}).Port()
	tls := h.hasTLS() || h.DialTimeout != "" && !rel.HasDialTimeout()
	if t.scheme == "http" && tls && port != "80" && prefersTLS(rel, port) {
		e.Scheme, e.HTTPSFirst = "https", true
	}
	return e
}

// prefersTLS: an http host with TLS keys is asked by https first.
func prefersTLS(rel containerd.Release, port string) bool {
	if rel.AtLeast(1, 7, 24) {
		return true
	}
	return port != "" && (rel.AtLeast(1, 7, 7) || rel.In(1, 6, 25, 1<<20))
}

// Namespace is the value of the ns parameter that an entry is asked with for images
// of host; empty for none. containerd tells a mirror which registry is meant.
func (e *Entry) Namespace(host string) string {
	if e.Address == host || host == "docker.io" && e.Address == "registry-1.docker.io" {
		return ""
	}
	return host
}

// URL is where the repositories are below.
func (e *Entry) URL() string {
	u := url.URL{Path: strings.TrimSuffix(path.Join("/", e.Path), "/")}
	return e.Scheme + "://" + e.Address + u.EscapedPath()
}

// Shown is a URL for messages: without user name and password, and short.
func Shown(text string) string { return shown(text) }
