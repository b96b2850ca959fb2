package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
)

// urlPath is what a path of an endpoint may hold. It becomes a TOML key and is
// sent as it is, so there is no escaping.
var urlPath = regexp.MustCompile(`^(/[A-Za-z0-9._~+-]+)*$`)

// parseEndpoint reads the URL of an endpoint. The result has a scheme, a host
// and perhaps a path without a slash at its end; nothing else.
func parseEndpoint(s string) (*url.URL, *fault) {
	if s == "" {
		return nil, faultf("is missing").hinted("write http://HOST for plain HTTP or https://HOST")
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return nil, faultf("%s has no scheme", show(s)).hinted("write http:// for plain HTTP or https://")
	}
	scheme = strings.ToLower(scheme)
	if scheme != "http" && scheme != "https" {
		return nil, faultf("%s is neither http:// nor https://", show(s))
	}
	if strings.Contains(rest, "@") {
		return nil, faultf("%s has a user name in it", show(s)).hinted("user names and passwords belong into auth")
	}
	if strings.ContainsAny(rest, "?#") {
		return nil, faultf("%s has a query or a fragment", show(s)).hinted("containerd would drop it")
	}
	host, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, path = rest[:i], strings.TrimRight(rest[i:], "/")
	}
	if f := checkHostPort(host); f != nil {
		return nil, f
	}
	if !urlPath.MatchString(path) || strings.Contains(path+"/", "/../") || strings.Contains(path+"/", "/./") {
		return nil, faultf("%s has a path that cannot be sent as it is", show(s)).hinted("use letters, digits and . _ ~ + - between single slashes")
	}
	return &url.URL{Scheme: scheme, Host: host, Path: path}, nil
}

func (c *checker) endpoint(at string, e v1alpha1.Endpoint) {
	u, f := parseEndpoint(e.URL)
	c.fault(at+".url", f)
	if u != nil {
		c.path(at, u, e.OverridePath)
		if u.Host == DockerHub {
			c.problem(at+".url", show(e.URL)+" is a web site, no registry", "write https://"+dockerHubServer)
		}
		if e.TLS != nil {
			c.tls(at+".tls", *e.TLS, u.Scheme)
		}
	}
	c.capabilities(at+".capabilities", e.Capabilities)
	c.duration(at+".dialTimeout", e.DialTimeout, MinDial, MaxDial)
	c.headers(at+".headers", e.Headers)
}

func (c *checker) path(at string, u *url.URL, override bool) {
	hasV2 := strings.HasPrefix(u.Path+"/", "/v2/") || strings.Contains(u.Path+"/", "/v2/")
	switch {
	case override && u.Path == "":
		c.problem(at+".overridePath", "is true, but the url has no path", "write the path that the mirror has, such as https://harbor.example.com/v2/hubcache")
	case override && !hasV2:
		c.warn(at+".url", show(u.String())+" has no /v2 in its path, and overridePath adds none", "registries answer below /v2")
	case !override && hasV2:
		c.warn(at+".url", fmt.Sprintf("%s is asked for %s/v2/…, with /v2 twice", show(u.String()), u.Path), "set overridePath: true")
	}
}

func (c *checker) tls(at string, t v1alpha1.TLS, scheme string) {
	if scheme == "http" && t != (v1alpha1.TLS{}) {
		c.problem(at, "does not fit an http:// url", "with TLS keys some releases of containerd try https first; write https:// or drop tls")
		return
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		given, lacks := "certFile", "keyFile"
		if t.CertFile == "" {
			given, lacks = lacks, given
		}
		c.problem(at+"."+given, "is given without "+lacks, "a client certificate needs both")
	}
	for _, f := range []struct{ key, name string }{{"caFile", t.CAFile}, {"certFile", t.CertFile}, {"keyFile", t.KeyFile}} {
		c.fault(at+"."+f.key, checkFileName(f.name))
	}
	if t.InsecureSkipVerify {
		hint := "give caFile instead"
		if t.CAFile != "" {
			hint = "caFile is of no use beside it"
		}
		c.warn(at+".insecureSkipVerify", "accepts any certificate, so anybody between can serve images", hint)
	}
}

func (c *checker) capabilities(at string, all []v1alpha1.Capability) {
	for i, one := range all {
		path := fmt.Sprintf("%s[%d]", at, i)
		if one == "push" {
			c.problem(path, `"push" is not known`, "nodes only pull; use pull or resolve")
			continue
		}
		c.fault(path, oneOf(one, v1alpha1.CapabilityPull, v1alpha1.CapabilityResolve))
		if slices.Contains(all[:i], one) {
			c.problem(path, show(string(one))+" stands there twice", "")
		}
	}
	if len(all) == 1 && all[0] == v1alpha1.CapabilityResolve {
		c.problem(at, "resolve without pull is of no use", "containerd resolves tags only where it may pull")
	}
}

// duration checks an optional duration of the spec.
func (c *checker) duration(at, s string, least, most time.Duration) {
	if s == "" {
		return
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		c.problem(at, show(s)+" is not a duration", "write a number with its unit, such as 2s or 500ms")
		return
	}
	if d < least || d > most {
		c.problem(at, fmt.Sprintf("%s is not from %s to %s", show(s), shortDuration(least), shortDuration(most)), "")
	}
}

// shortDuration is 10m where Go prints 10m0s.
func shortDuration(d time.Duration) string {
	if s, ok := strings.CutSuffix(d.String(), "m0s"); ok {
		return s + "m"
	}
	return d.String()
}

// headerName is a token of RFC 9110, section 5.6.2.
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$")

// maxHeader is the longest header value, in bytes; servers refuse longer ones.
const maxHeader = 8 << 10

func (c *checker) headers(at string, headers map[string]string) {
	if c.tooMany(at, len(headers), maxHeaders) {
		return
	}
	var lower []string
	for _, name := range sortedKeys(headers) {
		path := join(at, printable(name))
		value := headers[name]
		switch {
		case !headerName.MatchString(name):
			c.problem(path, show(name)+" is not the name of a header", "letters, digits and - make a name")
		case strings.EqualFold(name, "Authorization"):
			c.problem(path, "credentials belong into auth", "")
		case strings.EqualFold(name, "Host"):
			c.problem(path, "the header Host is made from the url", "")
		case slices.Contains(lower, strings.ToLower(name)):
			c.problem(path, "stands there twice; capitals make no difference in headers", "")
		case value == "":
			c.problem(path, "is empty", "")
		case len(value) > maxHeader:
			c.problem(path, fmt.Sprintf("is longer than %d bytes", maxHeader), "")
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			c.problem(path, "has a control character in its value", "a header is one line")
		}
		lower = append(lower, strings.ToLower(name))
	}
	if len(headers) > 0 {
		c.warn(at, "are also sent to every server that a download is redirected to", "put no key into them when blobs are stored elsewhere")
	}
}
