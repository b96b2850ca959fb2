package hoststoml

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
)

// Rendered is one file of a host directory.
type Rendered struct {
	// Name is one path element: hosts.toml, ca-1a2b3c4d.pem, client-1a2b3c4d.pem
	// or client-1a2b3c4d.key. All but hosts.toml are named by what they hold, so
	// that the file a hosts.toml names never changes under it.
	Name string
	Data []byte
	// Mode is 0600 for a file with a header or a key, else 0644.
	Mode uint32
	// Secret tells that Data must not be shown; see Mask for hosts.toml.
	Secret bool
}

// Options of Render.
type Options struct {
	// Release that shall read the files.
	Release containerd.Release
	// Dir is the absolute directory in which the files will live; hosts.toml
	// names the certificates with it.
	Dir string
	// HeaderAuth writes the registry's credential as an Authorization header of
	// every endpoint. An upstream that is no endpoint never gets it.
	HeaderAuth bool
	// OnlyEndpoints leaves the upstream out whatever the registry says: for a
	// pull that shall prove the endpoints.
	OnlyEndpoints bool
}

// Directory is one host directory before it is written: what comes of a
// registry of the spec, and what comes of a config.toml's mirrors.
type Directory struct {
	// Name under the hosts directory; see DirName.
	Name string
	// Document names certificates by absolute path.
	Document Document
	// Files beside hosts.toml. Certificates that stay where they are on the node
	// are not among them.
	Files []Rendered
}

// FromRegistry turns a registry of the desired state into its host directory.
//
// With fallback none the last endpoint becomes the server, because a server that
// is absent means the upstream; so does the last endpoint when one of them is
// the upstream already. Otherwise the upstream is the server, and absent for "*".
// What the release does not know is left out where that is harmless (a dial
// timeout), and is an *Error with a hint where it is not.
func FromRegistry(reg config.Registry, opt Options) (Directory, error) {
	d := Directory{Name: DirName(reg.Host)}
	switch {
	case d.Name == "":
		return Directory{}, &Error{Text: fmt.Sprintf("%q is not a registry host", reg.Host), Hint: "write host or host:port, without scheme and path"}
	case d.Name == DefaultName && !opt.Release.HasDefaultHost():
		return Directory{}, &Error{Text: fmt.Sprintf("registry \"*\" has no effect on containerd %s", opt.Release), Hint: "name every registry, or upgrade to 1.6.17"}
	case len(reg.Endpoints) == 0:
		return Directory{}, &Error{Text: fmt.Sprintf("registry %q has no endpoint", reg.Host)}
	case !path.IsAbs(opt.Dir):
		return Directory{}, &Error{Text: fmt.Sprintf("host directory %q is not an absolute path", opt.Dir)}
	}
	var auth *config.Auth
	if opt.HeaderAuth {
		auth = reg.Auth
	}
	var hosts []Host
	for _, e := range reg.Endpoints {
		h, err := d.endpoint(e, auth, opt)
		if err != nil {
			return Directory{}, err
		}
		if slices.ContainsFunc(hosts, func(o Host) bool { return sameTarget(o, h) }) {
			return Directory{}, &Error{Text: fmt.Sprintf("registry %q names endpoint %q twice", reg.Host, shown(e.URL)), Hint: "remove one of them"}
		}
		hosts = append(hosts, h)
	}
	if reg.Fallback == v1alpha1.FallbackUpstream && !opt.OnlyEndpoints {
		d.Document = withUpstream(reg.Host, hosts)
	} else {
		d.Document = lastAsServer(hosts)
	}
	return d, nil
}

// lastAsServer makes the document in which nothing but hosts is ever asked. The
// last one stands at the root: repeating it as a host would ask it twice.
func lastAsServer(hosts []Host) Document {
	last := hosts[len(hosts)-1]
	doc := Document{Server: last.URL, Root: last, Hosts: slices.Clone(hosts[:len(hosts)-1])}
	doc.Root.URL = ""
	return doc
}

// withUpstream makes the document in which the registry that the image names is
// asked last.
func withUpstream(host string, hosts []Host) Document {
	if host == "*" {
		return Document{Hosts: hosts}
	}
	up := Host{URL: upstreamURL(host), Capabilities: []string{"pull", "resolve"}}
	i := slices.IndexFunc(hosts, func(h Host) bool { return sameTarget(h, up) })
	if i >= 0 {
		if slices.Contains(hosts[i].Capabilities, "pull") && slices.Contains(hosts[i].Capabilities, "resolve") {
			return lastAsServer(hosts)
		}
		// It is listed for a part of the work; as server it does all of it, with the
		// same keys, since it is the same server.
		all := up.Capabilities
		up = hosts[i]
		up.Capabilities = all
	} else if i = slices.IndexFunc(hosts, func(h Host) bool { return sameServer(h, up) }); i >= 0 {
		// Another path of the same server: its certificate is the same too.
		up.CA, up.Client, up.SkipVerify = hosts[i].CA, hosts[i].Client, hosts[i].SkipVerify
	}
	doc := Document{Server: up.URL, Root: up, Hosts: hosts}
	doc.Root.URL = ""
	return doc
}

func sameTarget(a, b Host) bool {
	ta, okA := targetOf(a.URL, a.OverridePath)
	tb, okB := targetOf(b.URL, b.OverridePath)
	return okA && okB && ta.same(tb)
}

func sameServer(a, b Host) bool {
	ta, okA := targetOf(a.URL, a.OverridePath)
	tb, okB := targetOf(b.URL, b.OverridePath)
	return okA && okB && ta.scheme == tb.scheme && ta.dial() == tb.dial()
}

// endpoint turns one endpoint into an entry and adds its files to d.
func (d *Directory) endpoint(e config.Endpoint, auth *config.Auth, opt Options) (Host, error) {
	t, ok := targetOf(e.URL, e.OverridePath)
	switch {
	case !ok || !explicit(e.URL) || t.host == "" || strings.ContainsAny(e.URL, "@?#"):
		return Host{}, &Error{Text: fmt.Sprintf("endpoint %q is not an http:// or https:// URL of a host and a path", shown(e.URL))}
	case e.OverridePath && !opt.Release.HasOverridePath():
		return Host{}, &Error{Text: fmt.Sprintf("endpoint %q needs override_path, which containerd %s does not have", shown(e.URL), opt.Release), Hint: "upgrade to 1.6, or use an endpoint without path"}
	case e.DialTimeout < 0:
		return Host{}, &Error{Text: fmt.Sprintf("endpoint %q has a negative dial timeout", shown(e.URL))}
	}
	h := Host{URL: e.URL, OverridePath: e.OverridePath}
	for _, c := range []string{"pull", "resolve"} {
		if len(e.Capabilities) == 0 || slices.Contains(e.Capabilities, c) {
			h.Capabilities = append(h.Capabilities, c)
		}
	}
	if len(h.Capabilities) == 0 {
		return Host{}, &Error{Text: fmt.Sprintf("endpoint %q has neither pull nor resolve among its capabilities", shown(e.URL))}
	}
	if e.DialTimeout > 0 && opt.Release.HasDialTimeout() {
		h.DialTimeout = e.DialTimeout.String()
	}
	if t.scheme == "https" {
		if err := d.certificates(&h, e, opt.Dir); err != nil {
			return Host{}, err
		}
	}
	return h, h.addHeaders(e, auth)
}

// certificates copies the PEM files of an https endpoint into d.
func (d *Directory) certificates(h *Host, e config.Endpoint, dir string) error {
	if len(e.CA) > 0 {
		name := "ca-" + sha8(e.CA) + ".pem"
		d.add(Rendered{Name: name, Data: e.CA, Mode: 0o644})
		h.CA = []string{path.Join(dir, name)}
	}
	key := []byte(e.Key.Reveal())
	switch {
	case len(e.Cert) == 0 && len(key) > 0:
		return &Error{Text: fmt.Sprintf("endpoint %q has a client key without certificate", shown(e.URL))}
	case len(e.Cert) > 0 && len(key) == 0:
		// One PEM file with both; named like the key that it holds.
		name := "client-" + sha8(e.Cert) + ".key"
		d.add(Rendered{Name: name, Data: e.Cert, Mode: 0o600, Secret: true})
		h.Client = [][2]string{{path.Join(dir, name), ""}}
	case len(e.Cert) > 0:
		// Named by both, so that a pair is never half exchanged.
		stem := "client-" + sha8(e.Cert, key)
		d.add(Rendered{Name: stem + ".pem", Data: e.Cert, Mode: 0o644})
		d.add(Rendered{Name: stem + ".key", Data: key, Mode: 0o600, Secret: true})
		h.Client = [][2]string{{path.Join(dir, stem+".pem"), path.Join(dir, stem+".key")}}
	}
	if e.InsecureSkipVerify {
		yes := true
		h.SkipVerify = &yes
	}
	return nil
}

// add keeps one of each name: equal names hold equal bytes.
func (d *Directory) add(f Rendered) {
	if !slices.ContainsFunc(d.Files, func(o Rendered) bool { return o.Name == f.Name }) {
		d.Files = append(d.Files, f)
	}
}

// sha8 is the first eight hex digits of a hash over all parts and their bounds.
func sha8(parts ...[]byte) string {
	h := sha256.New()
	for i, p := range parts {
		if i > 0 {
			h.Write([]byte{0})
		}
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))[:8]
}
