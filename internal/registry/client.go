package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

// Bounds of one request.
const (
	defaultTimeout = 10 * time.Second
	maxRedirects   = 3
	// walkRedirects is how many containerd follows: Go's usual ten, the first request included.
	walkRedirects = 9
	maxBody       = 4 << 20
	maxHead       = 64 << 10
	// maxTimeouts bounds all requests of one Ask together, in time-outs: a server
	// that answers each just in time would hold it up without end.
	maxTimeouts = 6
)

// manifestTypes are what containerd asks for.
const manifestTypes = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, " +
	"application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, */*"

// transport is made as containerd makes it of a host entry: the system's
// authorities and the endpoint's, its client certificate, HTTP/1.1 or as the
// server likes.
//
// asked is set once a server asks for a client certificate.
func transport(ep config.Endpoint, opt Options, asked *atomic.Bool) (*http.Transport, error) {
	t := &tls.Config{InsecureSkipVerify: ep.InsecureSkipVerify} //nolint:gosec // the spec asks for it, and Validate warns
	if len(ep.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(ep.CA) {
			return nil, errors.New("the CA file holds no certificate")
		}
		t.RootCAs = pool
	}
	var pair tls.Certificate
	if len(ep.Cert) > 0 {
		var err error
		pair, err = tls.X509KeyPair(ep.Cert, []byte(ep.Key.Reveal()))
		if err != nil {
			// The parser's own text could say something of the key.
			return nil, errors.New("the client certificate and its key do not make a pair")
		}
	}
	t.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked.Store(true)
		if len(pair.Certificate) > 0 && r.SupportsCertificate(&pair) == nil {
			return &pair, nil
		}
		return &tls.Certificate{}, nil
	}
	dial := opt.Timeout
	if ep.DialTimeout > 0 {
		dial = min(dial, ep.DialTimeout)
	}
	if opt.Waits != nil {
		dial = opt.Waits.connect(ep)
	}
	tr := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: dial}).DialContext,
		TLSClientConfig:        t,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: maxHead,
	}
	if opt.Proxy {
		tr.Proxy = http.ProxyFromEnvironment
	}
	if opt.ProxyOf != nil {
		tr.Proxy = func(r *http.Request) (*url.URL, error) { return opt.ProxyOf(r.URL) }
	}
	if opt.Waits != nil {
		tr.TLSHandshakeTimeout, tr.ResponseHeaderTimeout = opt.Waits.TLS, opt.Waits.Answer
	}
	return tr, nil
}

// reply is what is kept of an answer.
type reply struct {
	status     int
	header     http.Header
	challenges []challenge
	body       []byte
	// length is what the answer says of its body; -1 for nothing.
	length int64
	// left is the address of the last redirect that led to another scheme, host
	// or port; nil when there was none. No credential was sent there.
	left *url.URL
}

// html reports whether the answer is a page for people.
func (r *reply) html() bool {
	return strings.HasPrefix(strings.ToLower(r.header.Get("Content-Type")), "text/html") ||
		bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("<"))
}

// ask makes one request and follows its redirects, within one time-out. The
// endpoint's headers go to the endpoint's own scheme, host and port only, the
// authorization to those of u only.
func (a *asker) ask(ctx context.Context, method string, u *url.URL, authorization secret.Value) (*reply, error) {
	return a.askFor(ctx, question{method: method, accept: manifestTypes, most: maxBody}, u, authorization)
}

// question is how to ask.
type question struct {
	method, accept string
	// most is how much of the body counts. first reads one byte and leaves the rest
	// where it is.
	most  int64
	first bool
}

func (a *asker) askFor(ctx context.Context, q question, u *url.URL, authorization secret.Value) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var left *url.URL
	for hop, at := 0, u; ; hop++ {
		resp, err := a.send(ctx, q, at, authorization)
		if err != nil {
			return nil, a.failed(err, at)
		}
		next, err := resp.Location()
		if !isRedirect(resp.StatusCode) || errors.Is(err, http.ErrNoLocation) {
			return a.read(resp, left, q)
		}
		_ = resp.Body.Close()
		switch {
		case err != nil || next.Host == "" || (next.Scheme != "http" && next.Scheme != "https"):
			return nil, a.fail(NotARegistry, hintURL, "redirects to an address that cannot be read")
		case hop == a.redirects:
			return nil, a.fail(NotARegistry, hintURL, "redirects more than %d times", a.redirects)
		}
		if !sameOrigin(next, u) {
			left, authorization = next, secret.Value{}
		}
		at = next
	}
}

func (a *asker) send(ctx context.Context, q question, u *url.URL, authorization secret.Value) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, q.method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", q.accept)
	req.Header.Set("User-Agent", "pullway")
	if sameOrigin(u, a.root) {
		for _, h := range a.headers {
			req.Header.Add(h.Name, h.Value.Reveal())
		}
	}
	if !authorization.IsZero() {
		req.Header.Set("Authorization", authorization.Reveal())
	}
	return a.transport.RoundTrip(req)
}

func (a *asker) read(resp *http.Response, left *url.URL, q question) (*reply, error) {
	defer func() { _ = resp.Body.Close() }()
	limit := q.most
	if q.first && resp.StatusCode < 300 {
		limit = 0
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, a.failed(err, resp.Request.URL)
	case int64(len(body)) > limit && limit > 0:
		return nil, a.fail(NotARegistry, hintURL, "answers with more than %d MiB where a registry says little", limit>>20)
	}
	return &reply{
		status: resp.StatusCode, header: resp.Header, length: resp.ContentLength, body: body, left: left,
		challenges: parseChallenges(resp.Header.Values("Www-Authenticate")),
	}, nil
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && sameServer(a, b) }

// sameServer compares host and port.
func sameServer(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
