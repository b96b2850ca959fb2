package registry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/pullway/pullway/internal/secret"
)

// bearer finds the Bearer challenge of a refusal and remembers its realm.
func (a *asker) bearer(r *reply) (challenge, *url.URL, bool) {
	c, ok := find(r.challenges, "bearer")
	if !ok {
		return c, nil, false
	}
	u, ok := realmURL(c.params["realm"])
	if ok && a.realm == nil {
		a.realm = u
		if !sameHost(u, a.root) {
			a.answer.RealmHost = clean(u.Host)
		}
	}
	return c, u, ok
}

// sameHost is sameServer, but the usual ports of http and https count as one:
// that is a matter of the scheme.
func sameHost(a, b *url.URL) bool {
	usual := func(u *url.URL) bool { return port(u) == port(&url.URL{Scheme: u.Scheme}) }
	return sameServer(a, b) || strings.EqualFold(a.Hostname(), b.Hostname()) && usual(a) && usual(b)
}

// realmURL reads the address of a token service. Its host is ASCII: one that only
// looks like the registry's must not be shown, nor get a password.
func realmURL(s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	if err == nil && strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, false
	}
	if err != nil || len(s) > 2048 || u.Hostname() == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, false
	}
	u.Fragment = ""
	return u, true
}

// maxToken is the longest token that is sent on, in bytes.
const maxToken = 32 << 10

// token asks the token service that r names, by GET, with the credential or
// without (containerd, core/remotes/docker/auth). scope is what to ask for when
// the challenge does not say; "" asks for none. It returns the Authorization
// header to send.
func (a *asker) token(ctx context.Context, r *reply, scope string, authorization secret.Value) (secret.Value, error) {
	c, realm, ok := a.bearer(r)
	if !ok {
		return secret.Value{}, a.fail(NotARegistry, "look at the registry's external URL", "names no token service that can be asked")
	}
	if !authorization.IsZero() && a.root.Scheme == "https" && realm.Scheme == "http" {
		return secret.Value{}, a.fail(Other, "make the registry's external URL https", "names a token service without TLS, which gets no password from here")
	}
	q := realm.Query()
	if s := c.params["service"]; s != "" {
		q.Set("service", s)
	}
	if s := c.params["scope"]; s != "" && scope != "" {
		scope = s
	}
	if scope != "" {
		q.Del("scope")
		for _, one := range strings.Fields(scope) {
			q.Add("scope", one)
		}
	}
	at := *realm
	at.RawQuery = q.Encode()
	got, err := a.ask(ctx, http.MethodGet, &at, authorization)
	if err != nil {
		return secret.Value{}, err
	}
	if got.left != nil && !authorization.IsZero() {
		return secret.Value{}, a.fail(Other, "look at the registry's external URL", "the token service redirects to %s, which gets no password from here", got.left.Host)
	}
	switch got.status {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		if authorization.IsZero() {
			return secret.Value{}, a.fail(BadCredential, hintLogin, "the token service gives nothing without a user name and password")
		}
		a.answer.Credential = CredentialRefused
		return secret.Value{}, a.fail(BadCredential, hintPassword, "the token service refuses the user name or password")
	default:
		return secret.Value{}, a.unexpected(got, "the token service")
	}
	var body struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	// The error would repeat a part of the answer.
	bad := json.Unmarshal(got.body, &body) != nil
	if body.Token == "" {
		body.Token = body.AccessToken
	}
	if bad || !sendable(body.Token) {
		return secret.Value{}, a.fail(NotARegistry, "look at the registry's external URL", "the token service gives no token")
	}
	return secret.New("Bearer " + body.Token), nil
}

// sendable reports whether s can be the end of an Authorization header.
func sendable(s string) bool {
	return s != "" && len(s) <= maxToken && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
