package hoststoml

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd"
)

// LegacyMirror is one registry.mirrors."HOST" of a config.toml.
type LegacyMirror struct {
	// Host of image references, or "*".
	Host string
	// Endpoints as they are written; one without scheme means https, and http
	// for an address of this machine.
	Endpoints []string
}

// LegacyTLS is one registry.configs."HOST".tls of a config.toml. The files stay
// where they are on the node.
type LegacyTLS struct {
	// Host is host[:port] as it stands in the URL that is contacted.
	Host                      string
	CAFile, CertFile, KeyFile string
	InsecureSkipVerify        bool
}

// FromLegacy turns the deprecated mirrors and tls tables of a config.toml into
// host directories that send every pull where it goes today, in the same order
// with the same TLS settings. rel is the release that reads the config.toml
// today. Directories are sorted by name.
//
// Faithful in what surprises: containerd asks the upstream after the mirrors
// unless one of them has the very host of the image; "*" counts only for hosts
// without mirrors of their own; the path of an endpoint is taken as it is, so
// that "https://mirror.example.com/" has no /v2; TLS settings go by the host that
// is contacted; an http endpoint stays http whatever TLS settings it has. What
// cannot be carried over, or never worked, is told as a Problem, with the rule
// where there is one.
//
// Not covered: images of a registry on this machine that no table names. They
// go over http today, and by containerd's own rule once there is a hosts
// directory (RUN006).
func FromLegacy(mirrors []LegacyMirror, tls []LegacyTLS, rel containerd.Release) ([]Directory, []Problem) {
	l := &legacy{rel: rel, tls: map[string]LegacyTLS{}, mirrors: map[string][]string{}, told: map[string]bool{}}
	hosts := map[string]bool{}
	for _, m := range mirrors {
		if DirName(m.Host) == "" {
			l.tell("CFG021", "write host or host:port", "mirrors entry %q is not a registry host, so containerd never uses it", shown(m.Host))
			continue
		}
		l.mirrors[m.Host] = m.Endpoints
		hosts[m.Host] = true
	}
	for _, t := range tls {
		switch {
		case !rel.HasConfigsTLS():
			l.tell("CFG023", "list it in the spec if it is still wanted", "configs entry %q has TLS settings, which containerd %s ignores; they are left out", shown(t.Host), rel)
		case DirName(t.Host) == "" || t.Host == "*":
			l.tell("CFG021", "write host or host:port", "configs entry %q is not a host that is contacted, so containerd never uses it", shown(t.Host))
		default:
			l.tls[t.Host] = t
			hosts[t.Host] = true
			if t.Host == "registry-1.docker.io" {
				hosts["docker.io"] = true
			}
		}
	}
	// An endpoint of "*" that is asked for its own images has no upstream after it.
	for _, e := range l.mirrors["*"] {
		if u, err := url.Parse(withScheme(e)); err == nil && DirName(u.Host) != "" {
			hosts[u.Host] = true
		}
	}
	var all []Directory
	for host := range hosts {
		if d, ok := l.directory(host); ok {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b Directory) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(l.problems, func(a, b Problem) int { return strings.Compare(a.ID+a.Text, b.ID+b.Text) })
	return all, l.problems
}

type legacy struct {
	rel      containerd.Release
	mirrors  map[string][]string
	tls      map[string]LegacyTLS
	problems []Problem
	told     map[string]bool
}

// tell adds a problem once.
func (l *legacy) tell(id, hint, format string, args ...any) {
	p := Problem{ID: id, Text: fmt.Sprintf(format, args...), Hint: hint}
	if !l.told[p.Text] {
		l.told[p.Text] = true
		l.problems = append(l.problems, p)
	}
}

// directory makes the directory of one host. ok is false when there is nothing
// to write for it.
func (l *legacy) directory(host string) (d Directory, ok bool) {
	d = Directory{Name: DirName(host)}
	texts, exact := l.mirrors[host]
	if !exact {
		texts = l.mirrors["*"]
	}
	upstream := upstreamURL(host)
	if loopback(host) {
		upstream = "http://" + host
	}
	var hosts []Host
	self := false
	for _, e := range texts {
		h, contacted, good := l.endpoint(e)
		if !good {
			continue
		}
		self = self || contacted == host
		hosts = append(hosts, h)
	}
	if host == "*" {
		if !l.rel.HasDefaultHost() {
			l.tell("DIR004", "upgrade to 1.6.17, or name every registry", "mirrors of \"*\" cannot be carried over: containerd %s has no directory for registries that are not named", l.rel)
		}
		d.Document.Hosts = unique(hosts)
		return d, len(hosts) > 0
	}
	if !self {
		h, _, _ := l.endpoint(upstream)
		hosts = append(hosts, h)
	}
	if hosts = unique(hosts); len(hosts) == 0 {
		return d, false
	}
	d.Document = lastAsServer(hosts)
	return d, true
}

// endpoint reads one endpoint; contacted is the host[:port] in its URL.
func (l *legacy) endpoint(text string) (h Host, contacted string, ok bool) {
	u, err := url.Parse(withScheme(text))
	if err != nil || DirName(u.Host) == "" || u.Host == "*" {
		l.tell("HST030", "write http:// or https://, host and port", "endpoint %q is not a URL of a host; pulls fail there today, and it is left out", shown(text))
		return Host{}, "", false
	}
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" {
		l.tell("HST030", "write http:// or https://", "endpoint %q is neither http nor https; it fails today and is left out", shown(text))
		return Host{}, "", false
	}
	clean := url.URL{Scheme: scheme, Host: u.Host, Path: u.Path}
	h = Host{URL: clean.String(), Capabilities: []string{"pull", "resolve"}}
	if u.Path != "" && !strings.HasSuffix(path.Clean(u.Path), "/v2") {
		h.OverridePath = true
		if !l.rel.HasOverridePath() {
			l.tell("HST009", "upgrade to 1.6", "endpoint %q has a path, which containerd %s cannot take as it is in a hosts.toml", shown(text), l.rel)
		}
		if path.Clean(u.Path) == "/" {
			l.tell("HST008", "leave the slash at the end out", "endpoint %q ends in a slash, so containerd asks it without /v2; a registry does not answer there", shown(text))
		}
	}
	if t, has := l.tls[u.Host]; has && scheme == "https" {
		l.trust(&h, t)
	}
	return h, u.Host, true
}

// trust takes the TLS settings over by file name.
func (l *legacy) trust(h *Host, t LegacyTLS) {
	if t.CAFile != "" {
		h.CA = []string{l.absolute(t.CAFile)}
	}
	switch {
	case t.CertFile != "" && t.KeyFile != "":
		h.Client = [][2]string{{l.absolute(t.CertFile), l.absolute(t.KeyFile)}}
	case t.CertFile != "" || t.KeyFile != "":
		l.tell("HST014", "name both files", "configs entry %q has a client certificate or key without the other; pulls fail today, and it is left out", t.Host)
	}
	if t.InsecureSkipVerify {
		yes := true
		h.SkipVerify = &yes
	}
}

// absolute makes a file name mean the same in a hosts.toml: relative ones count
// from containerd's working directory today, which is /.
func (l *legacy) absolute(file string) string {
	if !path.IsAbs(file) {
		l.tell("HST014", "write absolute file names", "file %q is taken from the root directory, where a service of systemd runs", file)
	}
	return path.Join("/", file)
}

// withScheme follows addDefaultScheme of containerd's CRI plugin.
func withScheme(endpoint string) string {
	if strings.Contains(endpoint, "://") {
		return endpoint
	}
	u, err := url.Parse("dummy://" + endpoint)
	if err == nil && loopback(u.Host) {
		return "http://" + endpoint
	}
	return "https://" + endpoint
}

// loopback follows IsLocalhost of containerd, for a host with or without port.
func loopback(host string) bool {
	name := (&url.URL{Host: host}).Hostname()
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || (err == nil && addr.Unmap().IsLoopback())
}

// unique leaves out an endpoint that was asked before under the same name.
func unique(hosts []Host) []Host {
	var all []Host
	for _, h := range hosts {
		t, _ := targetOf(h.URL, h.OverridePath)
		if !slices.ContainsFunc(all, func(o Host) bool {
			u, _ := targetOf(o.URL, o.OverridePath)
			return t.scheme == u.scheme && t.host == u.host && path.Join("/", t.path) == path.Join("/", u.path)
		}) {
			all = append(all, h)
		}
	}
	return all
}
