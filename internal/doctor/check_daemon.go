package doctor

import (
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// caBundles are where distributions keep the system's certificates.
var caBundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem"}

// daemon looks at the unit, and at what changed since containerd started.
func (l *look) daemon() {
	if l.unit != nil {
		l.proxied()
		l.anotherBinary()
	}
	mode, at := "", ""
	switch {
	case l.Live != nil:
		mode = l.Live.KillMode
	case l.unit != nil:
		mode, at = l.unit.killMode, l.unit.killModeAt
		if mode == "" {
			mode = "control-group" // systemd's own
		}
	}
	if mode != "" && mode != "process" {
		l.add(Finding{Rule: "RUN005", File: at, Text: "KillMode of containerd's unit is " + mode + ": a restart of containerd stops all containers", Hint: "set KillMode=process and Delegate=yes"})
	}
	if l.Live == nil || l.Live.Started.IsZero() {
		return
	}
	// The kernel tells the time of the boot in whole seconds.
	late := l.Live.Started.Add(time.Second)
	if l.tree != nil {
		for _, f := range l.tree.Files {
			if st, err := l.files.Stat(f.Path); err == nil && st.Modified.After(late) {
				l.add(Finding{Rule: "CFG017", File: f.Path, Text: fmt.Sprintf("was changed at %s; containerd runs since %s and has not read it", st.Modified.UTC().Format(clock), l.Live.Started.UTC().Format(clock)), Hint: "restart containerd"})
			}
		}
	}
	for _, bundle := range caBundles {
		if st, err := l.files.Stat(bundle); err == nil && st.Kind == 0 && st.Modified.After(late) {
			l.add(Finding{Rule: "RUN004", Severity: Advice, File: bundle, Text: fmt.Sprintf("was changed at %s; containerd runs since %s with the certificates of then", st.Modified.UTC().Format(clock), l.Live.Started.UTC().Format(clock)), Hint: "restart containerd, or name the CA in hosts.toml"})
			break
		}
	}
}

const clock = "2006-01-02 15:04:05 UTC"

// proxied finds private registries that are asked through a proxy.
func (l *look) proxied() {
	ask := l.unit.proxy.ProxyFunc()
	told := map[string]bool{}
	for _, d := range l.dirs {
		for i := range d.hosts {
			h := &d.hosts[i]
			if !h.has || h.kind != fs.ModeDir {
				continue
			}
			doc, _ := hoststoml.Parse(h.data, l.rel)
			for _, e := range entries(doc) {
				at, ok := hoststoml.EndpointOf(e.URL, e.OverridePath)
				if !ok || e.URL == "" || told[at.Host] || !private(at) {
					continue
				}
				if p, err := ask(&url.URL{Scheme: at.Scheme, Host: at.Host}); err == nil && p != nil {
					told[at.Host] = true
					l.add(Finding{Rule: "RUN003", File: l.unit.proxyAt, Text: fmt.Sprintf("containerd asks %s through the proxy: NO_PROXY does not name it", at.Host), Hint: "add " + hoststoml.WithoutPort(at.Host) + " to NO_PROXY, systemctl daemon-reload, restart containerd"})
				}
			}
		}
	}
}

// private reports whether a registry is likely in the own network.
func private(at hoststoml.Endpoint) bool {
	name := strings.ToLower(hoststoml.WithoutPort(at.Host))
	if addr, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return addr.IsPrivate() || addr.IsLinkLocalUnicast()
	}
	if !strings.Contains(name, ".") || at.Scheme == "http" {
		return true
	}
	for _, end := range []string{".local", ".lan", ".internal", ".corp", ".intra", ".home.arpa"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

const maxImageName = 512

var imageRE = regexp.MustCompile(`(?m)^\s*(?:- )?"?image"?:\s*["']?([A-Za-z0-9][^\s"',]{2,})`)

// staticImages are the images of the static pods.
func staticImages(files Files) (all []string) {
	names, _ := files.Glob("/etc/kubernetes/manifests/*.y*ml")
	for _, name := range names {
		if data, err := files.ReadFile(name); err == nil {
			for _, m := range imageRE.FindAllSubmatch(data, 100) {
				if len(m[1]) < maxImageName {
					all = append(all, string(m[1]))
				}
			}
		}
	}
	return all
}
