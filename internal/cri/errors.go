package cri

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
)

// Kind is why a pull failed, as far as a person can act on it.
type Kind string

// The kinds. The daemon's text is all there is to tell them by.
const (
	// Unauthorized: the registry wants a credential, or this one may not read.
	Unauthorized Kind = "unauthorized"
	// NotFound: the registry answered and has no such image.
	NotFound Kind = "not-found"
	// TLS: a certificate is not trusted, or a certificate file cannot be read.
	TLS Kind = "tls"
	// HTTPToHTTPS: plain HTTP was spoken to an HTTPS port.
	HTTPToHTTPS Kind = "http-to-https"
	// HTTPSToHTTP: HTTPS was spoken to a plain HTTP port.
	HTTPSToHTTP Kind = "https-to-http"
	// Unreachable: no connection to the registry.
	Unreachable Kind = "unreachable"
	// Timeout: it took too long.
	Timeout Kind = "timeout"
	// CRIMissing: it was not the registry; containerd's CRI did not answer.
	CRIMissing Kind = "cri-missing"
	// Other: none of these.
	Other Kind = "other"
)

// PullError is a pull that failed.
type PullError struct {
	// Ref is the image.
	Ref  string
	Kind Kind
	// Text is the daemon's reason in one line, without what it repeats, without
	// credentials.
	Text string
	// Hint says what to look at; it may be empty.
	Hint string
}

// Error returns one line.
func (e *PullError) Error() string { return fmt.Sprintf("pull %q: %s", e.Ref, e.Text) }

// prefixRE is what containerd writes before the reason; the image is known.
var prefixRE = regexp.MustCompile(`^(failed to pull and unpack image "[^"]*": |failed to resolve reference "[^"]*": |failed to resolve image: |failed to copy: |rpc error: code = \w+ desc = )+`)

func (c *Client) pullError(ref string, err error) error {
	e := &PullError{Ref: cleanRef(ref)}
	if ce, ok := errors.AsType[*CallError](err); ok {
		e.Kind, e.Hint = classify(ce.Code, ce.Text)
		e.Text = ce.Call + ": " + ce.Text
		if ce.Code == codes.Unavailable {
			e.Kind, e.Hint = CRIMissing, "containerd does not answer on "+c.address+"; see journalctl -u containerd"
		}
		return e
	}
	s := statusOf(err)
	e.Text = clean(strings.ReplaceAll(s.Message(), ref, e.Ref))
	if s.Code() == codes.Unavailable && strings.HasPrefix(e.Text, "connection error:") {
		e.Text = socketText(e.Text)
		e.Kind, e.Hint = CRIMissing, "containerd does not answer on "+c.address+"; see journalctl -u containerd"
		return e
	}
	if short := prefixRE.ReplaceAllString(e.Text, ""); short != "" {
		e.Text = short
	}
	e.Kind, e.Hint = classify(s.Code(), e.Text)
	return e
}

// sign is a text by which a cause is known.
type sign struct {
	re   *regexp.Regexp
	kind Kind
	hint string
}

// signs are tried in this order: a text may hold several, as when a 404 of the
// last endpoint stands beside the cause. The texts are those of containerd
// 1.6.20, 1.7.35 and 2.4.2 against Harbor, token registries and nginx.
var signs = []sign{
	{regexp.MustCompile(`server gave HTTP response to HTTPS client`), HTTPSToHTTP,
		"the endpoint speaks plain HTTP: write it as http://, or look for a hosts.toml that containerd discards"},
	{regexp.MustCompile(`(?i)client sent an HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port|malformed HTTP response "\\x15|http://[^ ]*: 400 Bad Request`), HTTPToHTTPS,
		"the endpoint speaks HTTPS: write it as https://"},
	{regexp.MustCompile(`x509: certificate signed by unknown authority|x509: certificate is not trusted`), TLS,
		"the node does not trust this certificate: give the registry's CA as tls.caFile"},
	{regexp.MustCompile(`x509: certificate is valid for|doesn't contain any IP SANs|is not valid for any names|x509: certificate relies on legacy`), TLS,
		"the certificate is for another name: use one of its names, or issue it with this address as a subject alternative name"},
	{regexp.MustCompile(`certificate has expired or is not yet valid`), TLS, "look at the certificate's dates and at the node's clock"},
	{regexp.MustCompile(`tls: certificate required|bad certificate`), TLS, "the registry wants a client certificate: give tls.certFile and tls.keyFile"},
	{regexp.MustCompile(`unable to (read|load) CA cert|failed to load X509 key pair`), TLS, "a certificate file that hosts.toml names is missing or broken"},
	{regexp.MustCompile(`TLS handshake timeout`), Timeout, "the connection is made but TLS is not: look for a proxy or a port that speaks something else"},
	{regexp.MustCompile(`x509: |tls: `), TLS, ""},
	{regexp.MustCompile(`insufficient_scope`), Unauthorized,
		"the credential is missing, wrong, disabled or may not read this project: registries with a token service answer all four alike"},
	{regexp.MustCompile(`no basic auth credentials|no bearer auth|pull access denied|authorization failed`), Unauthorized,
		"the credential is missing, wrong or disabled, or the image does not exist: containerd's text is the same for all of them"},
	{regexp.MustCompile(`failed to authorize|failed to fetch (oauth|anonymous) token|401 Unauthorized|authentication required`), Unauthorized,
		"the registry did not take the credential, or got none"},
	{regexp.MustCompile(`403 Forbidden|(?i)denied: `), Unauthorized, "the credential is known but may not read this image"},
	{regexp.MustCompile(`no such host|server misbehaving|Temporary failure in name resolution`), Unreachable, "the node cannot resolve this name: look at its DNS and /etc/hosts"},
	{regexp.MustCompile(`connection refused`), Unreachable, "nothing listens on this address and port"},
	{regexp.MustCompile(`no route to host|network is unreachable|dial tcp [^ ]*: (i/o timeout|connect: connection timed out)|proxyconnect`), Unreachable,
		"the node has no way to this address: look at routes, firewall and the daemon's proxy settings"},
	{regexp.MustCompile(`connection reset by peer|unexpected EOF|broken pipe`), Unreachable, "the connection was cut: look at proxies between the node and the registry"},
	{regexp.MustCompile(`context deadline exceeded|i/o timeout|timeout awaiting|Client\.Timeout|operation timed out`), Timeout, "the registry, or the way to it, is slow"},
	{regexp.MustCompile(`no (pull|resolve) hosts`), Other, "no endpoint of this registry has the capabilities pull and resolve"},
	{regexp.MustCompile(`unexpected media type text/html`), Other, "the endpoint is a web page and no registry: look at its path and at overridePath"},
	{regexp.MustCompile(`429 Too Many Requests|toomanyrequests`), Other, "the registry limits the rate of pulls"},
	{regexp.MustCompile(`no match for platform`), Other, "the image has no variant for this node's platform"},
	{regexp.MustCompile(`(?i)not found|manifest unknown|name unknown`), NotFound, "the registry answers but has no such image: look at the path, the project and the tag"},
}

// classify tells the kind of a failure from gRPC's code and the daemon's text.
func classify(code codes.Code, text string) (Kind, string) {
	switch {
	case isCRIMissing(code, text):
		return CRIMissing, "the CRI plugin did not load; see journalctl -u containerd"
	case strings.Contains(text, "server is not initialized yet"):
		return CRIMissing, "CRI still starts; try again in a moment"
	case code == codes.DeadlineExceeded:
		return Timeout, "the registry, or the way to it, is slow"
	}
	for _, s := range signs {
		if s.re.MatchString(text) {
			return s.kind, s.hint
		}
	}
	if code == codes.NotFound {
		return NotFound, ""
	}
	return Other, ""
}

// cleanRef takes what must not be shown out of a reference that somebody typed,
// who may have put a user and password before the host.
func cleanRef(ref string) string {
	// A digest follows the last slash, a user comes before it.
	if at := strings.LastIndexByte(ref[:strings.LastIndexByte(ref, '/')+1], '@'); at >= 0 && !strings.Contains(ref, "//") {
		ref = ref[at+1:]
	}
	return clean(ref)
}
