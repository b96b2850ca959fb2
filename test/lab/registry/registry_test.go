package registry

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"
)

func TestReference(t *testing.T) {
	for _, tc := range []struct {
		name      string
		spec      Spec
		ref, base string
	}{
		{"http at its own port", Spec{Addr: "192.168.21.9:80"}, "192.168.21.9", "http://192.168.21.9"},
		{"http at another port", Spec{Addr: "192.168.21.7:5000"}, "192.168.21.7:5000", "http://192.168.21.7:5000"},
		{"https by name", Spec{Addr: "192.168.21.8:443", Host: "harbor.example.com", TLS: true}, "harbor.example.com", "https://harbor.example.com"},
		{"https at port 80 needs the port", Spec{Addr: "192.0.2.1:80", TLS: true}, "192.0.2.1:80", "https://192.0.2.1:80"},
	} {
		if got := tc.spec.Reference(); got != tc.ref {
			t.Errorf("%s: reference %q, want %q", tc.name, got, tc.ref)
		}
		if got := tc.spec.URL(); got != tc.base {
			t.Errorf("%s: URL %q, want %q", tc.name, got, tc.base)
		}
	}
}

func folder(t *testing.T, s Spec) Folder {
	t.Helper()
	f := Folder(t.TempDir())
	if err := f.Create(s); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSetPassword(t *testing.T) {
	spec := Spec{Name: "a", Addr: "127.0.0.1:80", Auth: AuthBasic, Users: map[string]string{"admin": "one", "robot$x": "r"}}
	f := folder(t, spec)
	if got, err := f.Spec(); err != nil || !cmp.Equal(got, spec) {
		t.Errorf("spec came back as %+v, %v", got, err)
	}
	if err := f.SetPassword("admin", "two"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		user, password string
		want           bool
	}{{"admin", "two", true}, {"admin", "one", false}, {"robot$x", "r", true}, {"nobody", "", false}} {
		if got := f.knows(tc.user, tc.password); got != tc.want {
			t.Errorf("%s/%s: %v", tc.user, tc.password, got)
		}
	}
	ht, err := os.ReadFile(f.htpasswdFile())
	if err != nil {
		t.Fatal(err)
	}
	user, hash, _ := strings.Cut(strings.SplitN(string(ht), "\n", 2)[0], ":")
	if user != "admin" || bcrypt.CompareHashAndPassword([]byte(hash), []byte("two")) != nil {
		t.Errorf("htpasswd holds %q", ht)
	}
	for _, p := range []string{f.htpasswdFile(), f.usersFile()} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
}

func TestAccessLog(t *testing.T) {
	var log bytes.Buffer
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Host", r.Host)
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("gone"))
	}))
	defer backend.Close()
	front := httptest.NewServer(logged(proxy(strings.TrimPrefix(backend.URL, "http://")), &log))
	defer front.Close()
	for _, auth := range []string{"", "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:secret-word")), "bearer secret-word", "Negotiate secret-word"} {
		req, err := http.NewRequest(http.MethodGet, front.URL+"/v2/a/manifests/b?ns=docker.io", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "harbor.example.com"
		req.Header.Set("User-Agent", "test/1")
		if auth != "" {
			req.Header.Set("Authorization", auth)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("X-Host"); got != "harbor.example.com" {
			t.Errorf("the registry was asked for host %q", got)
		}
	}
	front.Close() // waits for the handlers, and so for the last line
	if strings.Contains(log.String(), "secret-word") {
		t.Error("the log holds a credential")
	}
	entries, err := parseLog(log.Bytes())
	if err != nil || len(entries) != 4 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	kinds := []string{}
	for _, e := range entries {
		kinds = append(kinds, e.Auth)
		e.Time, e.Auth, e.User = time.Time{}, "", ""
		want := Entry{Remote: "127.0.0.1", Method: "GET", Host: "harbor.example.com", Path: "/v2/a/manifests/b", NS: "docker.io", Status: 404, Bytes: 4, UserAgent: "test/1"}
		if d := cmp.Diff(want, e); d != "" {
			t.Error(d)
		}
	}
	if d := cmp.Diff([]string{"none", "basic", "bearer", "other"}, kinds); d != "" || entries[1].User != "admin" {
		t.Error(d, entries[1].User)
	}
}

func TestClearLog(t *testing.T) {
	f := folder(t, Spec{Name: "a", Addr: "127.0.0.1:80", Auth: AuthNone})
	if got, err := f.Log(); err != nil || got != nil {
		t.Fatalf("before the first start: %v, %v", got, err)
	}
	if err := os.WriteFile(f.LogFile(), []byte("{\"method\":\"GET\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Log(); err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if err := f.ClearLog(); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Log(); err != nil || got != nil {
		t.Fatalf("after: %v, %v", got, err)
	}
}

func TestTokens(t *testing.T) {
	svc, err := newTokens(func(u, p string) bool { return u == "admin" && p == "right" })
	if err != nil {
		t.Fatal(err)
	}
	scope := "repository:team/app:pull,push"
	query := tokenPath + "?service=" + tokenService + "&scope=" + url.QueryEscape(scope)
	form := func(password string) *http.Request {
		v := url.Values{"grant_type": {"password"}, "username": {"admin"}, "password": {password}, "scope": {scope}}
		r := httptest.NewRequest(http.MethodPost, tokenPath, strings.NewReader(v.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	basic := func(password string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, query, nil)
		r.SetBasicAuth("admin", password)
		return r
	}
	team := []access{{Type: "repository", Name: "team/app", Actions: []string{"pull", "push"}}}
	for _, tc := range []struct {
		name   string
		req    *http.Request
		status int
		access []access
	}{
		{"anonymous gets a token for nothing", httptest.NewRequest(http.MethodGet, query, nil), 200, []access{}},
		{"basic", basic("right"), 200, team},
		{"wrong basic", basic("wrong"), 401, nil},
		{"form", form("right"), 200, team},
		{"wrong form", form("wrong"), 401, nil},
		{"other method", httptest.NewRequest(http.MethodPut, query, nil), 405, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			svc.ServeHTTP(w, tc.req)
			if w.Code != tc.status {
				t.Fatalf("status %d, want %d", w.Code, tc.status)
			}
			if tc.status != 200 {
				return
			}
			var answer struct{ Token string }
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
				t.Fatal(err)
			}
			if got := verified(t, &svc.key.PublicKey, answer.Token); !cmp.Equal(got, tc.access) {
				t.Errorf("access %v, want %v", got, tc.access)
			}
		})
	}
}

// verified checks the signature and gives what the token allows.
func verified(t *testing.T, key *rsa.PublicKey, token string) []access {
	t.Helper()
	i := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(token[:i]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig); err != nil {
		t.Fatal(err)
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Access []access }
	if err := json.Unmarshal(claims, &c); err != nil {
		t.Fatal(err)
	}
	return c.Access
}

func FuzzParse(f *testing.F) {
	f.Add("repository:127.0.0.1:5000/a:pull registry:catalog:*")
	f.Add("::")
	f.Add("{\"status\":200}\n{")
	f.Fuzz(func(t *testing.T, s string) {
		for _, a := range parseScopes([]string{s}) {
			if a.Name == "" || strings.ContainsAny(a.Type, ":") {
				t.Errorf("%q gives %+v", s, a)
			}
		}
		_, _ = parseLog([]byte(s))
	})
}

func TestBackendConfig(t *testing.T) {
	for auth, want := range map[Auth]string{AuthNone: "", AuthBasic: "htpasswd", AuthToken: `realm: "http://192.0.2.1:5000/service/token"`} {
		got := backendConfig(Spec{Name: "a", Addr: "192.0.2.1:5000", Auth: auth}, Folder("/x"), "127.0.0.1:1")
		if (auth == AuthNone) != !strings.Contains(got, "auth:") || !strings.Contains(got, want) {
			t.Errorf("%s: %s", auth, got)
		}
	}
}
