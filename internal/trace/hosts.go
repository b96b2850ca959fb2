package trace

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/secret"
)

// maxHosts bounds how many hosts of one file are looked at.
const maxHosts = 64

// entries makes hosts of what was read. Files count from dir; file is the hosts.toml
// that names them, if one does.
func (o *orderer) entries(all []hoststoml.Entry, dir, file string) {
	if len(all) > maxHosts {
		o.note("too-many", "", "%d hosts are tried; only the first %d are shown", len(all), maxHosts)
		all = all[:maxHosts]
	}
	for i := range all {
		o.entry(&all[i], dir, file)
	}
}

func (o *orderer) entry(e *hoststoml.Entry, dir, file string) {
	h := Host{URL: hoststoml.Shown(e.URL()), Upstream: e.Upstream, Capabilities: e.Capabilities, HTTPSFirst: e.HTTPSFirst,
		Namespace: e.Namespace(o.image.Host), DialTimeout: e.Host.DialTimeout}
	if file != "" && !e.Upstream {
		h.At = file
		if e.Host.Line > 0 {
			h.At = fmt.Sprintf("%s:%d", file, e.Host.Line)
		}
	}
	w := Way{HeaderToToken: o.rel.SendsHeaderToTokenService(), Namespace: h.Namespace}
	w.Endpoint = config.Endpoint{URL: e.URL(), OverridePath: true, Headers: e.Host.Headers}
	if e.HTTPSFirst {
		w.HTTP = "http" + strings.TrimPrefix(e.URL(), "https")
	}
	if e.Host.SkipVerify != nil && *e.Host.SkipVerify {
		h.SkipVerify, w.Endpoint.InsecureSkipVerify = true, true
	}
	w.Endpoint.DialTimeout, _ = time.ParseDuration(e.Host.DialTimeout)
	h.Headers = headerNames(e.Host.Headers)
	// The files are read even where plain HTTP has no use for them.
	for _, ca := range e.Host.CA {
		h.CA = append(h.CA, absolute(dir, ca))
		o.authority(&w, absolute(dir, ca))
	}
	for _, pair := range e.Host.Client {
		h.ClientCert = append(h.ClientCert, absolute(dir, pair[0]))
		o.client(&w, dir, pair)
	}
	h.Login = o.login(&w, e.Address)
	switch {
	case !e.Can("pull"):
		h.Skipped = "it has not the capability pull; content is asked of it all the same"
	case o.image.Digest == "" && !e.Can("resolve"):
		h.Skipped = "it has not the capability resolve, which a tag needs; content is fetched from it"
	}
	o.out.Hosts, o.ways = append(o.out.Hosts, h), append(o.ways, w)
}

func headerNames(all []config.Header) (names []string) {
	for _, h := range all {
		if len(names) == 0 || names[len(names)-1] != h.Name {
			names = append(names, h.Name)
		}
	}
	return names
}

func absolute(dir, file string) string {
	if path.IsAbs(file) {
		return path.Clean(file)
	}
	return path.Join(dir, file)
}

// authority reads a CA file as containerd does: one that cannot be read or holds no
// certificate fails the pull before any host is asked.
func (o *orderer) authority(w *Way, file string) {
	data, err := o.files.ReadFile(file)
	switch {
	case err != nil:
		o.broken("HST014", "put the authority's certificate there, readable for containerd", "the CA file %s cannot be read", file)
	case !x509.NewCertPool().AppendCertsFromPEM(data):
		o.broken("HST014", "put a PEM certificate there", "the CA file %s holds no certificate", file)
	default:
		w.Endpoint.CA = append(append(w.Endpoint.CA, data...), '\n')
	}
}

// client reads a pair. The first one is what we show to a server.
func (o *orderer) client(w *Way, dir string, pair [2]string) {
	cert := absolute(dir, pair[0])
	key := cert
	if pair[1] != "" {
		key = absolute(dir, pair[1])
	}
	c, err := o.files.ReadFile(cert)
	if err != nil {
		o.broken("HST014", "put the client certificate there, readable for containerd", "the client certificate %s cannot be read", cert)
		return
	}
	k, err := o.files.ReadFile(key)
	if err != nil {
		o.broken("HST014", "put the key there, readable for containerd", "the client key %s cannot be read", key)
		return
	}
	if _, err := tls.X509KeyPair(c, k); err != nil {
		o.broken("HST014", "write client = [[\"cert.pem\", \"key.pem\"]]", "%s and %s do not make a pair of certificate and key", cert, key)
		return
	}
	if len(w.Endpoint.Cert) == 0 {
		w.Endpoint.Cert, w.Endpoint.Key = c, secret.New(string(k))
	}
}

// login finds the user name and password that config.toml has for the host that is
// contacted. An auths entry wins over a configs entry. 2.0.0 forgot both when it
// read a hosts directory.
func (o *orderer) login(w *Way, address string) string {
	if o.rel.In(2, 0, 0, 0) && len(o.registry.HostsDirs) > 0 {
		return ""
	}
	find := func(all []configtoml.HostConfig, table string) string {
		for _, c := range all {
			host := c.Host
			if table == "auths" {
				if u, err := url.Parse(host); err == nil && u.Host != "" {
					host = u.Host
				}
			}
			if c.Auth == nil || host != address {
				continue
			}
			at := fmt.Sprintf("%s:%d", c.At.File, c.At.Line)
			switch user, password, ok := basic(c.Auth); {
			case !c.Auth.IdentityToken.IsZero() && c.Auth.Username == "":
				w.unaskable = "containerd has an identity token for it, which a trace does not send"
				return "identity token of " + at
			case ok:
				w.Auth = &config.Auth{Username: user, Password: password}
				return "user " + user + " of " + at
			}
		}
		return ""
	}
	if said := find(o.registry.Auths, "auths"); said != "" {
		return said
	}
	return find(o.registry.Configs, "configs")
}

// basic follows ParseAuth of containerd's CRI plugin.
func basic(a *configtoml.Auth) (user string, password secret.Value, ok bool) {
	if a.Username != "" {
		return a.Username, a.Password, true
	}
	pair, err := base64.StdEncoding.DecodeString(a.Auth.Reveal())
	user, rest, found := strings.Cut(string(pair), ":")
	return user, secret.New(strings.Trim(rest, "\x00")), err == nil && found
}
