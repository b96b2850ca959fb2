package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

// manifest asks for an image's manifest. HEAD keeps Docker Hub from counting a
// pull; a registry that has no HEAD is asked by GET.
func (a *asker) manifest(ctx context.Context, i Image, authorization secret.Value) (*reply, error) {
	at := &url.URL{Scheme: a.root.Scheme, Host: a.root.Host, Path: a.root.Path + "/" + i.Path + "/manifests/" + i.Reference}
	if a.namespace != "" {
		at.RawQuery = url.Values{"ns": {a.namespace}}.Encode()
	}
	r, err := a.ask(ctx, http.MethodHead, at, authorization)
	if err != nil || r.status != http.StatusMethodNotAllowed {
		return r, err
	}
	return a.ask(ctx, http.MethodGet, at, authorization)
}

func scope(i Image) string { return "repository:" + i.Path + ":pull" }

// anonymous asks for a manifest as a client without a credential does, with a
// token for nobody if need be.
func (a *asker) anonymous(ctx context.Context, i Image) (*reply, error) {
	r, err := a.manifest(ctx, i, secret.Value{})
	if err != nil {
		return nil, err
	}
	if _, _, ok := a.bearer(r); !ok || r.status != http.StatusUnauthorized {
		return r, nil
	}
	token, err := a.token(ctx, r, scope(i), secret.Value{})
	if err != nil {
		return nil, err
	}
	return a.manifest(ctx, i, token)
}

// tryAnonymously finds out whether a credential is needed for an image. Silence
// of the token service leaves it open: containerd may do without.
func (a *asker) tryAnonymously(ctx context.Context, i Image) error {
	r, err := a.anonymous(ctx, i)
	var e *Error
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil:
		a.needed = errors.As(err, &e) && e.Kind == BadCredential
	case r.status == http.StatusOK:
		a.answer.Public = !r.html()
	default:
		a.needed = r.status < http.StatusInternalServerError && r.status != http.StatusTooManyRequests
	}
	return nil
}

func (a *asker) readAnonymously(ctx context.Context, i Image, first bool) error {
	r, err := a.anonymous(ctx, i)
	if err != nil {
		return err
	}
	if err := a.verdict(r, i); err != nil {
		return err
	}
	a.answer.Public = a.answer.Public || first
	return nil
}

// readAuthorized asks for a manifest with Basic and, where that is not enough,
// with a token.
func (a *asker) readAuthorized(ctx context.Context, i Image, first bool) error {
	r, err := a.manifest(ctx, i, a.basic)
	if err != nil {
		return err
	}
	by := config.AcceptsBasic
	if _, ok := find(r.challenges, "bearer"); ok && r.status == http.StatusUnauthorized {
		by = config.AcceptsToken
		token, err := a.token(ctx, r, scope(i), a.basic)
		if err != nil {
			return err
		}
		if r, err = a.manifest(ctx, i, token); err != nil {
			return err
		}
	}
	if err := a.verdict(r, i); err != nil {
		return err
	}
	if a.answer.Accepts != config.AcceptsToken {
		a.answer.Accepts = by
	}
	if first && a.needed && a.answer.Credential == CredentialUnknown {
		a.answer.Credential = CredentialOK // what anonymous clients do not get
	}
	return nil
}

// verdict says what the last answer to a manifest request means.
func (a *asker) verdict(r *reply, i Image) error {
	name := i.Path + ":" + i.Reference
	if len(i.Reference) > 7 && i.Reference[6] == ':' { // sha256:…, sha512:…
		name = i.Path + "@" + i.Reference
	}
	if e := a.explainPage(r); e != nil {
		return e
	}
	_, bearer := find(r.challenges, "bearer")
	const hintMissing = "check the image's path and tag in verifyImages, and push it if it is not there"
	switch r.status {
	case http.StatusOK:
		if r.html() {
			return a.fail(NotARegistry, hintURL, "answers a web page where the manifest of %q should be", name)
		}
		// containerd checks what it is given; a server that says so itself is told of now.
		if d := r.header.Get("Docker-Content-Digest"); strings.Contains(name, "@") && d != "" && d != i.Reference {
			return a.fail(NotARegistry, "look at that registry and at what stands in front of it", "answers %q with another image: %s", name, d)
		}
		return nil
	case http.StatusNotFound:
		return a.fail(MissingImage, hintMissing, "has no image %q", name)
	case http.StatusForbidden:
		if a.basic.IsZero() {
			return a.fail(BadCredential, hintLogin, "does not give %q without a user name and password", name)
		}
		return a.fail(NoRights, "give the account the right to pull it", "does not let this account read %q", name)
	case http.StatusUnauthorized:
	default:
		return a.unexpected(r, "the server")
	}
	switch {
	case a.basic.IsZero() && len(r.challenges) > 0:
		return a.fail(BadCredential, hintLogin, "does not give %q without a user name and password, or does not have it", name)
	case len(r.challenges) == 0:
		// Harbor: 401 with an empty WWW-Authenticate when there is no such project.
		return a.fail(MissingImage, "check the first part of the image's path: the project", "has no project for the image %q, or hides it", name)
	case a.answer.Credential == CredentialOK:
		return a.fail(NoRights, "give the account the right to pull from that project or repository", "takes the password, but does not let this account read %q", name)
	case bearer:
		return a.fail(NoRights, "check the account's rights, the image's name and the password; this registry does not tell them apart",
			"gives no right to read %q with this user name and password", name)
	}
	return a.refused()
}

// unexpected is for a status that means neither yes nor no.
func (a *asker) unexpected(r *reply, who string) *Error {
	text := http.StatusText(r.status)
	switch {
	case r.status == http.StatusTooManyRequests:
		return a.fail(Other, "wait, or use an account with a higher limit", "%s answers 429 Too Many Requests", who)
	case r.status == http.StatusProxyAuthRequired:
		return a.fail(Unreachable, "check the proxy in the environment, or add the registry to NO_PROXY", "a proxy wants a login of its own (407)")
	case r.status >= 500:
		return a.fail(Other, "look at the registry's log; a proxy in front of it says so when the registry is down", "%s answers %d %s", who, r.status, text)
	case r.html():
		return a.fail(NotARegistry, hintURL, "%s answers %d %s and a web page", who, r.status, text)
	}
	return a.fail(Other, hintURL, "%s answers %d %s", who, r.status, text)
}
