package hoststoml

import (
	"net/url"
	"path"
	"regexp"
	"strings"
)

// target is what containerd makes of the URL of an entry.
type target struct {
	scheme, host, path string
}

// dial returns host and port as they are connected to, in lower case.
func (t target) dial() string {
	u := url.URL{Host: t.host}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[t.scheme]
	}
	return strings.ToLower(u.Hostname()) + " " + port
}

// name returns the host without port, in lower case.
func (t target) name() string {
	u := url.URL{Host: t.host}
	return strings.ToLower(u.Hostname())
}

// same reports whether two entries ask the same server for the same path.
func (t target) same(o target) bool {
	return t.scheme == o.scheme && t.dial() == o.dial() && path.Join("/", t.path) == path.Join("/", o.path)
}

// targetOf follows parseHostConfig of containerd: https is put before a text
// that does not start with "http", and /v2 is added unless it is there already
// or override_path is set. ok is false where containerd discards the file.
func targetOf(text string, overridePath bool) (t target, ok bool) {
	if !strings.HasPrefix(text, "http") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return target{}, false
	}
	p := u.Path
	if p != "" {
		p = path.Clean(p)
	}
	if !overridePath && !strings.HasSuffix(p, "/v2") {
		p += "/v2"
	}
	return target{scheme: u.Scheme, host: u.Host, path: p}, true
}

// explicit reports whether the text starts with http:// or https://, the only
// two beginnings that every release reads as they are meant.
func explicit(text string) bool {
	return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")
}

var userinfoRE = regexp.MustCompile(`//[^/]*@`)

// shown returns a URL for messages: without user name and password, and short.
func shown(text string) string { return clip(userinfoRE.ReplaceAllString(text, "//***@")) }

// upstreamURL is the registry that an image host names.
func upstreamURL(host string) string {
	if host == "docker.io" {
		return "https://registry-1.docker.io"
	}
	return "https://" + host
}

// Endpoint is what containerd asks for the URL of an entry.
type Endpoint struct {
	Scheme string
	// Host is host[:port] as it is written, Path the one that requests begin with.
	Host, Path string
}

// EndpointOf tells what containerd asks for the URL of an entry; false for what is
// no URL. A URL without scheme is asked over https.
func EndpointOf(text string, overridePath bool) (Endpoint, bool) {
	t, ok := targetOf(text, overridePath)
	return Endpoint{Scheme: t.scheme, Host: t.host, Path: t.path}, ok && t.host != ""
}

// PublicRegistry reports whether everybody's images are at this host.
func PublicRegistry(host string) bool { return publicRegistry(host) }
