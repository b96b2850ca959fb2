// Package registry asks registries over HTTP what a plan has to know of them:
// whether an endpoint is one, whether a credential is good there, and whether it
// is taken as it is (Basic) or for a token only. It changes nothing anywhere.
//
// It asks as containerd does (containerd 1.6 to 2.4, core/remotes/docker): the
// same addresses, the endpoint's own authorities, client certificate and headers.
// What Harbor answers is from Harbor 2.15.
package registry

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/secret"
)

// Options of Ask. The zero Options use no proxy.
type Options struct {
	// Proxy makes it use HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
	Proxy bool
	// Timeout of each request; 0 means 10 seconds. All together take at most six times that.
	Timeout time.Duration
	// ProxyOf is the proxy for an address, in place of the environment's; nil for none.
	ProxyOf func(*url.URL) (*url.URL, error)
	// Waits are the time-outs within one request; nil for none but Timeout.
	Waits *Waits
}

// Waits are time-outs of the parts of one request.
type Waits struct {
	// Connect is for the connection, where the endpoint has no dial time-out of its own.
	Connect, TLS, Answer time.Duration
}

func (w *Waits) connect(ep config.Endpoint) time.Duration {
	if ep.DialTimeout > 0 {
		return ep.DialTimeout
	}
	return w.Connect
}

// Image is what to ask for: a repository path without host, and a tag or digest.
type Image struct{ Path, Reference string }

// ImageOf is the part of a reference that a registry is asked for.
func ImageOf(i config.Image) Image {
	if i.Digest != "" {
		return Image{i.Path, i.Digest}
	}
	return Image{i.Path, i.Tag}
}

// Credential says what is known of a user name and password.
type Credential string

// The values of Credential.
const (
	CredentialOK      Credential = "ok"
	CredentialRefused Credential = "refused"
	// CredentialUnknown: none was given, or nothing that was asked depends on it.
	CredentialUnknown Credential = "unknown"
)

// Answer is what one endpoint told.
type Answer struct {
	// Endpoint is the URL of the endpoint as in the spec.
	Endpoint   string         `json:"endpoint"`
	Accepts    config.Accepts `json:"accepts,omitempty"`
	Credential Credential     `json:"credential"`
	// Public: the first image was readable without a credential, so reading it
	// proves nothing of the password.
	Public bool `json:"public,omitempty"`
	// BasicOnly: it lets nobody in without a password, whatever the image.
	BasicOnly bool `json:"-"`
	// RealmHost is the host[:port] of the token service when it is another than
	// the endpoint's, else empty.
	RealmHost string        `json:"realmHost,omitempty"`
	Warnings  []plan.Notice `json:"warnings,omitempty"`
}

// Ask asks one endpoint: whether it is a registry, then once whether auth (nil
// for none) is good, then for each image. It stops at the first failure, which
// is an *Error; the Answer holds what was learned before.
//
// A wrong password is sent once: each failure locks a user of Harbor for 1.5 s
// for everybody. It is sent neither to what is no registry, nor over a redirect
// to another server, nor from an https endpoint to a token service without TLS.
func Ask(ctx context.Context, ep config.Endpoint, auth *config.Auth, images []Image, opt Options) (Answer, error) {
	a, err := newAsker(ep, auth, opt)
	if err != nil {
		return a.answer, err
	}
	defer a.transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, maxTimeouts*a.timeout)
	defer cancel()
	err = a.all(ctx, images)
	a.warn(images)
	return a.answer, err
}

type asker struct {
	answer    Answer
	root      *url.URL // images are below it
	namespace string   // the ns parameter of requests for images; empty for none
	ping      *url.URL
	headers   []config.Header
	transport *http.Transport
	asked     atomic.Bool // a server asked for a client certificate
	timeout   time.Duration
	redirects int          // that are followed
	basic     secret.Value // the Authorization header; empty for none
	open      bool         // the API's root needs no credential, so it proves none
	needed    bool         // the first image is not to be had without a credential
	realm     *url.URL     // the token service the registry named first
}

func newAsker(ep config.Endpoint, auth *config.Auth, opt Options) (*asker, error) {
	if opt.Timeout <= 0 {
		opt.Timeout = defaultTimeout
	}
	a := &asker{headers: ep.Headers, timeout: opt.Timeout, redirects: maxRedirects, answer: Answer{Endpoint: clean(ep.URL), Credential: CredentialUnknown}}
	u, err := url.Parse(ep.URL)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
		a.answer.Endpoint = "endpoint" // the text may hold a password
		return a, a.fail(Other, "write http://HOST or https://HOST", "the url cannot be used")
	}
	a.root, a.ping = apiRoot(u, ep.OverridePath)
	if a.transport, err = transport(ep, opt, &a.asked); err != nil {
		return a, a.fail(Other, "check the files under tls", "%s", err)
	}
	if auth != nil {
		pair := auth.Username + ":" + auth.Password.Reveal()
		a.basic = secret.New("Basic " + base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	return a, nil
}

// apiRoot gives the URL below which images are, and the one that tells whether a
// credential is good. With an own path (https://HOST/v2/PROJECT) the latter is
// further up, at the /v2/ that every registry has.
func apiRoot(u *url.URL, override bool) (root, ping *url.URL) {
	root = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	if !override {
		root.Path += "/v2"
	}
	p := *root
	p.Path += "/"
	if i := strings.Index(p.Path, "/v2/"); i >= 0 {
		p.Path = p.Path[:i+len("/v2/")]
	}
	return root, &p
}

func (a *asker) all(ctx context.Context, images []Image) error {
	if err := a.greet(ctx); err != nil {
		return err
	}
	if len(images) > 0 && !a.basic.IsZero() {
		if err := a.tryAnonymously(ctx, images[0]); err != nil {
			return err
		}
	}
	if !a.basic.IsZero() {
		if err := a.check(ctx, len(images) > 0); err != nil {
			return err
		}
	}
	for i, image := range images {
		var err error
		if a.basic.IsZero() {
			err = a.readAnonymously(ctx, image, i == 0)
		} else {
			err = a.readAuthorized(ctx, image, i == 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *asker) warn(images []Image) {
	note := func(id, hint, format string, args ...any) {
		a.answer.Warnings = append(a.answer.Warnings, plan.Notice{ID: id, Text: clean(fmt.Sprintf(format, args...)), Hint: hint})
	}
	if a.realm != nil && !a.basic.IsZero() && a.answer.RealmHost != "" {
		note("realm-host", "make sure that host is meant to get the password",
			"%s names the token service of another host, %s; containerd 2.1 and later send the credential there", a.answer.Endpoint, a.answer.RealmHost)
	}
	if a.realm != nil && a.realm.Scheme != a.root.Scheme {
		note("realm-scheme", "make the registry's external URL and the endpoint's url use the same scheme",
			"%s names a token service by %s; pull secrets and anonymous pulls use it and may fail", a.answer.Endpoint, a.realm.Scheme)
	}
	if a.answer.Public && !a.basic.IsZero() && a.answer.Credential == CredentialUnknown {
		note("public-image", "name a private image in verifyImages",
			"%s serves %s without a password, so the password was not proved", a.answer.Endpoint, images[0].Path)
	}
}
