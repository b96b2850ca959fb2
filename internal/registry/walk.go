package registry

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

// Walk is how one host is asked for one image, step by step.
type Walk struct {
	// Namespace is sent as the ns parameter; empty for none.
	Namespace string
	// HeaderToToken sends an Authorization header of the endpoint to the token
	// service, as containerd does since 2.1.
	HeaderToToken bool
}

// Ask asks ep once for the manifest of an image: see Visit.Resolve.
func (w Walk) Ask(ctx context.Context, ep config.Endpoint, auth *config.Auth, image Image, opt Options) (steps []Step, stops bool, err error) {
	v, err := w.Visit(ep, auth, image, opt)
	if err != nil {
		return nil, false, err
	}
	defer v.Close()
	_, stops, err = v.Resolve(ctx)
	return v.Steps(), stops, err
}

// Visit is one host that is asked for the parts of one image as containerd asks: without
// a credential first, with a token when the registry wants one, and with auth when it
// asks for it. It keeps its connections, and what opened the door. A wrong password is
// sent once. All requests of one question take at most six time-outs.
type Visit struct {
	walk  Walk
	a     *asker
	s     *walked
	image Image
	ahead *ahead
	// opens is the Authorization that was good, or that was refused.
	opens secret.Value
}

// Visit prepares to ask ep; auth is nil for none. It has to be closed.
func (w Walk) Visit(ep config.Endpoint, auth *config.Auth, image Image, opt Options) (*Visit, error) {
	a, err := newAsker(ep, auth, opt)
	if err != nil {
		return nil, err
	}
	a.namespace, a.redirects = w.Namespace, walkRedirects
	v := &Visit{walk: w, a: a, s: &walked{}, image: image}
	v.ahead = aheadOf(a, opt)
	return v, nil
}

// Close ends the connections.
func (v *Visit) Close() {
	v.ahead.close()
	v.a.transport.CloseIdleConnections()
}

// Steps are those since it was called last.
func (v *Visit) Steps() []Step { return v.s.take() }

// Named is what the name of an image stands for.
type Named struct {
	Digest, MediaType string
}

// manifests are the media types that a manifest or an index may have.
var manifests = map[string]bool{
	"application/vnd.oci.image.index.v1+json": true, "application/vnd.docker.distribution.manifest.list.v2+json": true,
	"application/vnd.oci.image.manifest.v1+json": true, "application/vnd.docker.distribution.manifest.v2+json": true,
	"application/vnd.docker.distribution.manifest.v1+prettyjws": true,
}

// Resolve asks which manifest the image is. stops tells that the answer ends a pull, where
// containerd tries the next host after any other error: what is neither an error nor a
// manifest (Resolve in core/remotes/docker/resolver.go).
func (v *Visit) Resolve(ctx context.Context) (named Named, stops bool, err error) {
	ctx, cancel := context.WithTimeout(v.s.watch(ctx), maxTimeouts*v.a.timeout)
	defer cancel()
	r, err := v.enter(ctx, "manifest", func(authorization secret.Value) (*reply, error) {
		return v.a.manifest(ctx, v.image, authorization)
	})
	if err != nil {
		return named, false, err
	}
	if r.status != http.StatusOK {
		return named, r.status < http.StatusBadRequest, v.a.verdict(r, v.image)
	}
	named.Digest = r.header.Get("Docker-Content-Digest")
	if strings.Contains(v.image.Reference, ":") {
		named.Digest = v.image.Reference
	}
	if named.Digest == "" || r.length < 0 {
		// It is read whole to tell which one it is.
		r, err = v.timed("manifest", func() (*reply, error) {
			return v.a.ask(ctx, http.MethodGet, v.at("manifests", v.image.Reference), v.opens)
		})
		if err != nil {
			return named, true, err
		}
		if named.Digest == "" {
			named.Digest = sum(r.body)
		}
	}
	if err := v.a.verdict(r, v.image); err != nil {
		return named, true, err
	}
	named.MediaType, _, _ = strings.Cut(r.header.Get("Content-Type"), ";")
	if named.MediaType == "text/plain" {
		named.MediaType = "application/vnd.docker.distribution.manifest.v1+prettyjws"
	}
	if !manifests[named.MediaType] {
		return named, true, v.a.fail(NotARegistry, hintURL, "answers with %q where a manifest should be, and containerd takes it for one", named.MediaType)
	}
	return named, false, nil
}

// Fetch reads a manifest or an index by its digest. stops tells that the host gave
// something else, which ends a pull.
func (v *Visit) Fetch(ctx context.Context, digest, mediaType string) (data []byte, stops bool, err error) {
	r, err := v.content(ctx, "fetch", "manifests", digest, question{method: http.MethodGet, accept: mediaType + ", */*", most: maxBody})
	if err != nil {
		return nil, false, err
	}
	if strings.HasPrefix(digest, "sha256:") && sum(r.body) != digest {
		return nil, true, v.a.fail(NotARegistry, "look at that registry and at what stands in front of it", "gives other bytes for %s", short(digest))
	}
	return r.body, false, nil
}

func sum(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// Layer asks for a blob and reads its first byte.
func (v *Visit) Layer(ctx context.Context, digest, mediaType string) error {
	_, err := v.content(ctx, "layer", "blobs", digest, question{method: http.MethodGet, accept: mediaType + ", */*", most: maxBody, first: true})
	return err
}

func (v *Visit) content(ctx context.Context, step, kind, digest string, q question) (*reply, error) {
	ctx, cancel := context.WithTimeout(v.s.watch(ctx), maxTimeouts*v.a.timeout)
	defer cancel()
	r, err := v.enter(ctx, step, func(authorization secret.Value) (*reply, error) {
		return v.a.askFor(ctx, q, v.at(kind, digest), authorization)
	})
	if err != nil {
		return nil, err
	}
	return r, v.a.given(r, step, digest)
}

// given says what an answer to a request for content means.
func (a *asker) given(r *reply, step, digest string) error {
	what := map[string]string{"fetch": "the manifest", "layer": "the layer"}[step]
	switch {
	case r.status < 300:
		return nil
	case r.status == http.StatusNotFound:
		return a.fail(MissingImage, "push the image there again, or look at that registry's storage", "has not %s %s", what, short(digest))
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		return a.fail(BadCredential, hintLogin, "does not give %s %s: %d %s", what, short(digest), r.status, http.StatusText(r.status))
	}
	return a.unexpected(r, "asked for "+what+" the server")
}

// short is the beginning of a digest.
func short(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }

func (v *Visit) at(kind, reference string) *url.URL {
	u := &url.URL{Scheme: v.a.root.Scheme, Host: v.a.root.Host, Path: v.a.root.Path + "/" + v.image.Path + "/" + kind + "/" + reference}
	if v.a.namespace != "" {
		u.RawQuery = url.Values{"ns": {v.a.namespace}}.Encode()
	}
	return u
}

// enter asks, and asks again with what a 401 wants.
func (v *Visit) enter(ctx context.Context, step string, ask func(authorization secret.Value) (*reply, error)) (*reply, error) {
	r, err := v.timed(step, func() (*reply, error) { return ask(v.opens) })
	if err != nil || r.status != http.StatusUnauthorized || !v.opens.IsZero() {
		return r, err
	}
	if e := v.a.explainPage(r); e != nil {
		return nil, e
	}
	credential := v.a.basic
	if _, _, ok := v.a.bearer(r); ok {
		if v.opens, err = v.token(ctx, r, credential); err != nil {
			return nil, err
		}
		return v.timed(step, func() (*reply, error) { return ask(v.opens) })
	}
	if credential.IsZero() && !authorization(v.a.headers).IsZero() {
		return nil, v.a.fail(BadCredential, "check the user name and password in the header, or whether it expired", "refuses the Authorization header")
	}
	if _, ok := find(r.challenges, "basic"); !ok || credential.IsZero() {
		return r, nil
	}
	v.opens = credential
	r, err = v.timed(step, func() (*reply, error) { return ask(v.opens) })
	if err == nil && r.status == http.StatusUnauthorized {
		return nil, v.a.refused()
	}
	return r, err
}

func (v *Visit) token(ctx context.Context, r *reply, credential secret.Value) (secret.Value, error) {
	if credential.IsZero() && v.walk.HeaderToToken {
		credential = authorization(v.a.headers)
	}
	began := time.Now()
	headers := v.a.headers
	if !v.walk.HeaderToToken {
		v.a.headers = nil // a token service at the same address gets none either
	}
	token, err := v.a.token(ctx, r, scope(v.image), credential)
	v.a.headers = headers
	text := "from " + v.a.realm.Host + ", for nobody"
	if !credential.IsZero() {
		text = "from " + v.a.realm.Host + ", with the credential"
	}
	if err != nil {
		text = "refused by " + v.a.realm.Host
	}
	v.s.add("token", text, time.Since(began))
	return token, err
}

// timed notes a request: its status, or that there was none.
func (v *Visit) timed(step string, do func() (*reply, error)) (*reply, error) {
	v.s.begin()
	r, err := do()
	if err == nil {
		text := fmt.Sprintf("%d %s", r.status, http.StatusText(r.status))
		if step == "layer" && r.status < 300 {
			text += ", first byte"
			if r.length > 0 {
				text += fmt.Sprintf(" of %d", r.length)
			}
		}
		v.s.add(step, text, v.s.took())
	}
	return r, err
}

// authorization is what the headers say for the token service.
func authorization(all []config.Header) secret.Value {
	for _, h := range all {
		if strings.EqualFold(h.Name, "Authorization") {
			return h.Value
		}
	}
	return secret.Value{}
}
