package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

const (
	hintPassword = "check the user name and password of auth; a robot's name has its prefix, such as robot$team+name, and robots expire"
	hintLogin    = "give the registry an auth with a user name and password, and check the image's name"
)

// greet asks without a credential whether this is a registry at all, so that no
// password goes to what is none.
func (a *asker) greet(ctx context.Context) error {
	r, err := a.ask(ctx, http.MethodGet, a.ping, secret.Value{})
	if err != nil {
		return err
	}
	if e := a.explainPage(r); e != nil {
		return e
	}
	if r.left != nil && !a.basic.IsZero() {
		return a.elsewhere(r.left)
	}
	a.bearer(r)
	switch {
	case r.status == http.StatusOK && isRegistry(r):
		a.open = true
	case r.status == http.StatusOK:
		return a.fail(NotARegistry, hintURL, "answers %s, but not as a registry does", a.ping.Path)
	case r.status == http.StatusUnauthorized:
		_, basic := find(r.challenges, "basic")
		_, bearer := find(r.challenges, "bearer")
		a.answer.BasicOnly = basic && !bearer
	case r.status == http.StatusForbidden && (len(r.challenges) > 0 || !r.html()):
	case r.status == http.StatusNotFound && (apiVersion(r) || !strings.HasSuffix(a.ping.Path, "/v2/")):
		// A mirror may serve images only.
		a.open = true
	case r.status == http.StatusNotFound:
		return a.fail(NotARegistry, hintURL, "has nothing at %s", a.ping.Path)
	default:
		return a.unexpected(r, "the server")
	}
	return nil
}

// elsewhere is the error of an endpoint that redirects to another server, which
// gets no password, so that its answer proves nothing of it.
func (a *asker) elsewhere(to *url.URL) *Error {
	kind, hint := Other, "write that address as the endpoint's url, if it is the registry"
	if to.Scheme == "https" && a.root.Scheme == "http" && strings.EqualFold(to.Hostname(), a.root.Hostname()) {
		kind, hint = HTTPOnHTTPS, hintHTTPS
	}
	return a.fail(kind, hint, "redirects to %s://%s, which gets no password from here", to.Scheme, to.Host)
}

func apiVersion(r *reply) bool {
	return strings.HasPrefix(strings.ToLower(r.header.Get("Docker-Distribution-Api-Version")), "registry/2")
}

// isRegistry tells a registry's 200 from a web page's. The specification asks
// for no body; all known ones send {} or nothing.
func isRegistry(r *reply) bool {
	if r.html() {
		return false
	}
	body := bytes.TrimSpace(r.body)
	return apiVersion(r) || len(body) == 0 || json.Valid(body)
}

// check sends the credential for the first time: to the API's root, with Basic,
// once. Without images to ask for it also tries the token service.
func (a *asker) check(ctx context.Context, images bool) error {
	r, err := a.ask(ctx, http.MethodGet, a.ping, a.basic)
	if err != nil {
		return err
	}
	if r.left != nil {
		return a.elsewhere(r.left)
	}
	_, offersBearer := find(r.challenges, "bearer")
	_, offersBasic := find(r.challenges, "basic")
	switch {
	case r.status == http.StatusOK && a.open:
		return nil
	case r.status == http.StatusOK:
		a.answer.Accepts, a.answer.Credential = config.AcceptsBasic, CredentialOK
		return nil
	case r.status == http.StatusUnauthorized && offersBearer && !offersBasic:
		if images {
			return nil
		}
		return a.checkToken(ctx, r)
	case r.status == http.StatusUnauthorized:
		return a.refused()
	case r.status == http.StatusForbidden:
		return a.fail(NoRights, "ask who runs the registry; some let in only known addresses", "answers 403 Forbidden to the user name and password")
	case r.status == http.StatusNotFound && a.open:
		return nil
	}
	return a.unexpected(r, "the server")
}

func (a *asker) refused() *Error {
	a.answer.Credential = CredentialRefused
	return a.fail(BadCredential, hintPassword, "refuses the user name or password")
}

// checkToken finds out whether a token for nothing in particular opens the API's
// root. It leaves Credential unknown: such tokens are given to anybody.
func (a *asker) checkToken(ctx context.Context, r *reply) error {
	token, err := a.token(ctx, r, "", a.basic)
	if err != nil {
		return err
	}
	r, err = a.ask(ctx, http.MethodGet, a.ping, token)
	if err != nil {
		return err
	}
	if r.status == http.StatusOK {
		a.answer.Accepts = config.AcceptsToken
	}
	return nil
}
