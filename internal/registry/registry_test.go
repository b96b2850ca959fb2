package registry

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/config"
)

func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if err != nil {
		return "untyped: " + Kind(err.Error())
	}
	return ""
}

func TestAsk(t *testing.T) {
	for _, tc := range []struct {
		name   string
		server http.Handler
		auth   *config.Auth
		images []Image
		want   Answer
		kind   Kind
		// basicPings is how often the password may go to /v2/.
		basicPings int
	}{
		{"harbor, private image", harbor("http"), good, []Image{private}, Answer{Accepts: config.AcceptsBasic, Credential: CredentialOK}, "", 1},
		{"harbor, no image", harbor("http"), good, nil, Answer{Accepts: config.AcceptsBasic, Credential: CredentialOK}, "", 1},
		{"harbor, wrong password", harbor("http"), bad, []Image{private}, Answer{Credential: CredentialRefused}, BadCredential, 1},
		{"harbor, wrong password is not hidden by a public image", harbor("http"), bad, []Image{public}, Answer{Credential: CredentialRefused, Public: true}, BadCredential, 1},
		{"harbor, public image", harbor("http"), good, []Image{public}, Answer{Accepts: config.AcceptsBasic, Credential: CredentialOK, Public: true}, "", 1},
		{"harbor, repository missing", harbor("http"), good, []Image{absent}, Answer{Accepts: config.AcceptsBasic, Credential: CredentialOK}, MissingImage, 1},
		{"harbor, project missing", harbor("http"), good, []Image{lost}, Answer{Accepts: config.AcceptsBasic, Credential: CredentialOK}, MissingImage, 1},
		{"harbor, robot without rights", harbor("http"), good, []Image{private, foreign}, Answer{Accepts: config.AcceptsBasic, Credential: CredentialOK}, NoRights, 1},
		{"harbor, anonymous and public", harbor("http"), nil, []Image{public}, Answer{Credential: CredentialUnknown, Public: true}, "", 0},
		{"harbor, anonymous and private", harbor("http"), nil, []Image{private}, Answer{Credential: CredentialUnknown}, BadCredential, 0},
		{"token-only, private image", tokenOnly(""), good, []Image{private}, Answer{Accepts: config.AcceptsToken, Credential: CredentialOK}, "", 1},
		{"token-only, no image", tokenOnly(""), good, nil, Answer{Accepts: config.AcceptsToken, Credential: CredentialUnknown}, "", 1},
		{"token-only, wrong password", tokenOnly(""), bad, []Image{private}, Answer{Credential: CredentialRefused}, BadCredential, 1},
		{"token-only, no rights", tokenOnly(""), good, []Image{foreign}, Answer{Credential: CredentialUnknown}, NoRights, 1},
		{"token-only, image missing", tokenOnly(""), good, []Image{absent}, Answer{Credential: CredentialUnknown}, MissingImage, 1},
		{"token-only, anonymous", tokenOnly(""), nil, []Image{public}, Answer{Credential: CredentialUnknown, Public: true}, "", 0},
		{"htpasswd", htpasswd(false), good, []Image{private}, Answer{BasicOnly: true, Accepts: config.AcceptsBasic, Credential: CredentialOK}, "", 1},
		{"htpasswd without HEAD", htpasswd(true), good, []Image{private}, Answer{BasicOnly: true, Accepts: config.AcceptsBasic, Credential: CredentialOK}, "", 1},
		{"htpasswd, wrong password", htpasswd(false), bad, []Image{private}, Answer{BasicOnly: true, Credential: CredentialRefused}, BadCredential, 1},
		{"htpasswd, image missing", htpasswd(false), good, []Image{absent}, Answer{BasicOnly: true, Accepts: config.AcceptsBasic, Credential: CredentialOK}, MissingImage, 1},
		{"open, no credential", open, nil, []Image{public}, Answer{Credential: CredentialUnknown, Public: true}, "", 0},
		{"open, no credential, image missing", open, nil, []Image{private}, Answer{Credential: CredentialUnknown}, MissingImage, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ep, j := serve(t, tc.server)
			got, err := Ask(context.Background(), ep, tc.auth, tc.images, Options{})
			if kindOf(err) != tc.kind {
				t.Errorf("error is %q %v, want kind %q", kindOf(err), err, tc.kind)
			}
			tc.want.Endpoint = ep.URL
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if n := j.count("GET /v2/ basic"); n != tc.basicPings {
				t.Errorf("the password went to /v2/ %d times, want %d: %q", n, tc.basicPings, j.lines)
			}
			if got.Credential == CredentialRefused && tc.server != nil && strings.HasPrefix(tc.name, "h") && j.with("basic") != 1 {
				t.Errorf("a refused password was sent again: %q", j.lines)
			}
			checkLine(t, err)
		})
	}
}

// checkLine checks what every error promises.
func checkLine(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		return
	}
	for _, s := range []string{e.Error(), e.Hint} {
		if s != clean(s) || strings.Contains(s, password) {
			t.Errorf("not one clean line: %q", s)
		}
	}
	if e.Kind != Other && e.Hint == "" {
		t.Errorf("no hint beside %q", e.Error())
	}
}

func TestAskOpenRegistryProvesNothing(t *testing.T) {
	ep, _ := serve(t, open)
	got, err := Ask(context.Background(), ep, bad, []Image{public}, Options{})
	if err != nil || got.Credential != CredentialUnknown || !got.Public || len(got.Warnings) != 1 || got.Warnings[0].ID != "public-image" {
		t.Errorf("answer %+v, %v", got, err)
	}
}

func TestAskRealm(t *testing.T) {
	tokens, tj := serve(t, tokenOnly(""))
	ep, _ := serve(t, tokenOnly(tokens.URL))
	ep.Headers = []config.Header{{Name: "X-Api-Key", Value: good.Password}}
	got, err := Ask(context.Background(), ep, good, []Image{private}, Options{})
	if err != nil || got.Accepts != config.AcceptsToken || "http://"+got.RealmHost != tokens.URL {
		t.Errorf("answer %+v, %v", got, err)
	}
	if len(got.Warnings) != 1 || got.Warnings[0].ID != "realm-host" {
		t.Errorf("warnings %+v", got.Warnings)
	}
	for _, h := range tj.headers {
		if h.Get("X-Api-Key") != "" {
			t.Error("the endpoint's own header went to the token service's host")
		}
	}
}

// Harbor with an https external URL, reached by http: Basic works all the same.
func TestAskRealmOfOtherScheme(t *testing.T) {
	ep, _ := serve(t, harbor("https"))
	got, err := Ask(context.Background(), ep, good, []Image{private}, Options{})
	if err != nil || got.Accepts != config.AcceptsBasic || got.RealmHost != "" {
		t.Errorf("answer %+v, %v", got, err)
	}
	if len(got.Warnings) != 1 || got.Warnings[0].ID != "realm-scheme" {
		t.Errorf("warnings %+v", got.Warnings)
	}
}

func TestAPIRoot(t *testing.T) {
	for _, tc := range []struct {
		path       string
		override   bool
		root, ping string
	}{
		{"", false, "/v2", "/v2/"},
		{"/", false, "/v2", "/v2/"},
		{"/sub", false, "/sub/v2", "/sub/v2/"},
		{"/v2/hubcache", true, "/v2/hubcache", "/v2/"},
		{"/api/docker/repo/v2", true, "/api/docker/repo/v2", "/api/docker/repo/v2/"},
		{"/mirror", true, "/mirror", "/mirror/"},
	} {
		ep := config.Endpoint{URL: "https://harbor.example.com" + tc.path, OverridePath: tc.override}
		a, err := newAsker(ep, nil, Options{})
		if err != nil || a.root.Path != tc.root || a.ping.Path != tc.ping {
			t.Errorf("%q, overridePath %v: %v %v, %v", tc.path, tc.override, a.root, a.ping, err)
		}
	}
}

func TestAskOverridePath(t *testing.T) {
	ep, j := serve(t, htpasswd(false))
	ep.URL, ep.OverridePath = ep.URL+"/v2/team", true
	got, err := Ask(context.Background(), ep, good, []Image{{"app", "v1"}}, Options{})
	if err != nil || got.Accepts != config.AcceptsBasic || j.count("HEAD /v2/team/app/manifests/v1 basic") != 1 {
		t.Errorf("answer %+v, %v; %q", got, err, j.lines)
	}
}

func TestAccepts(t *testing.T) {
	ctx := context.Background()
	dead := config.Endpoint{URL: "http://127.0.0.1:1"}
	h, hj := serve(t, harbor("http"))
	tok, tj := serve(t, tokenOnly(""))
	of := func(auth *config.Auth, eps ...config.Endpoint) config.Registry {
		return config.Registry{Host: "harbor.example.com", Auth: auth, Endpoints: eps}
	}
	images := []string{"docker.io/library/nginx:1", "harbor.example.com/team/app:v1"}
	for _, tc := range []struct {
		name string
		r    config.Registry
		want config.Accepts
	}{
		{"the first that answers", of(good, dead, tok, h), config.AcceptsToken},
		{"harbor", of(good, h), config.AcceptsBasic},
		{"nobody answers", of(good, dead), config.AcceptsUnknown},
		{"no credential", of(nil, h), config.AcceptsUnknown},
	} {
		if got := Accepts(ctx, tc.r, images); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	before := tj.with("basic") + hj.with("basic")
	if got := Accepts(ctx, of(bad, h, tok), images); got != config.AcceptsUnknown {
		t.Errorf("wrong password: %q", got)
	}
	if n := tj.with("basic") + hj.with("basic") - before; n != 1 {
		t.Errorf("a wrong password was sent %d times", n)
	}
}
