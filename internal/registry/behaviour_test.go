package registry_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/registry"
	"github.com/pullway/pullway/internal/secret"
)

// fake is a registry that keeps count of who showed which Authorization header.
type fake struct {
	*httptest.Server
	mu    sync.Mutex
	lines []string
}

func serve(t *testing.T, h func(f *fake, w http.ResponseWriter, r *http.Request)) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		f.mu.Lock()
		f.lines = append(f.lines, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+scheme))
		f.mu.Unlock()
		h(f, w, r)
	}))
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.Start()
	t.Cleanup(f.Close)
	return f
}

func (f *fake) count(part string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, l := range f.lines {
		if strings.Contains(l, part) {
			n++
		}
	}
	return n
}

// harbor answers as Harbor 2.15: Basic is good on every read, the challenge says
// Bearer, a wrong password gives Basic realm="harbor", public projects ignore it.
func harbor(f *fake, w http.ResponseWriter, r *http.Request) {
	user, pass, basic := r.BasicAuth()
	good := basic && pass == "right" && (user == "robot$team+puller" || user == "robot$other")
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	challenge := func(scope string) {
		c := fmt.Sprintf(`Bearer realm="%s/service/token",service="harbor-registry"`, f.URL)
		if scope != "" {
			c += `,scope="` + scope + `"`
		}
		w.Header().Set("Www-Authenticate", c)
		w.WriteHeader(401)
	}
	wrong := func() {
		w.Header().Set("Www-Authenticate", `Basic realm="harbor"`)
		w.WriteHeader(401)
	}
	switch {
	case r.URL.Path == "/service/token":
		switch {
		case r.Method != http.MethodGet:
			w.WriteHeader(405)
		case r.URL.Query().Get("scope") == "" && !good:
			w.WriteHeader(401)
		default:
			name := "none"
			if strings.Contains(r.URL.Query().Get("scope"), "library/") || good {
				name = "pull"
			}
			fmt.Fprintf(w, `{"token":%q,"access_token":""}`, name)
		}
	case r.URL.Path == "/v2/":
		switch {
		case good:
			fmt.Fprint(w, "{}")
		case basic || bearer:
			wrong()
		default:
			challenge("")
		}
	case strings.HasPrefix(r.URL.Path, "/v2/library/"):
		if !basic && !(bearer && token == "pull") {
			challenge("repository:library/x:pull")
			return
		}
		manifest(w, r, "/v2/library/test-image/manifests/latest")
	case strings.HasPrefix(r.URL.Path, "/v2/nosuch/"):
		if !basic {
			challenge("repository:nosuch/x:pull")
			return
		}
		w.Header().Set("Www-Authenticate", "")
		w.WriteHeader(401)
	default:
		switch {
		case good && user == "robot$other":
			wrong()
		case good:
			manifest(w, r, "/v2/team/app/manifests/v1")
		case basic || bearer:
			wrong()
		default:
			challenge("repository:team/app:pull")
		}
	}
}

func manifest(w http.ResponseWriter, r *http.Request, path string) {
	if r.URL.Path != path {
		w.WriteHeader(404)
		fmt.Fprint(w, `{"errors":[{"code":"NOT_FOUND"}]}`)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	fmt.Fprint(w, `{"schemaVersion":2}`)
}

func login(user, pass string) *config.Auth {
	return &config.Auth{Username: user, Password: secret.New(pass)}
}

func kind(err error) registry.Kind {
	var e *registry.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if err != nil {
		return "untyped: " + registry.Kind(err.Error())
	}
	return ""
}

func oneLine(t *testing.T, err error) {
	t.Helper()
	var e *registry.Error
	if !errors.As(err, &e) {
		return
	}
	for _, s := range []string{e.Text, e.Hint, e.Error()} {
		if strings.ContainsAny(s, "\n\r\x1b\x00") || strings.Contains(s, "right") && strings.Contains(s, "cmlnaHQ") || strings.Contains(s, "hunter2") {
			t.Errorf("text %q", s)
		}
	}
}

func TestBehaviourHarbor(t *testing.T) {
	private := registry.Image{Path: "team/app", Reference: "v1"}
	for name, tc := range map[string]struct {
		auth       *config.Auth
		image      registry.Image
		kind       registry.Kind
		accepts    config.Accepts
		credential registry.Credential
		public     bool
		basics     int // requests with Basic
	}{
		"right":                {login("robot$team+puller", "right"), private, "", config.AcceptsBasic, registry.CredentialOK, false, 2},
		"wrong":                {login("robot$team+puller", "hunter2"), private, registry.BadCredential, "", registry.CredentialRefused, false, 1},
		"wrong, public":        {login("robot$team+puller", "hunter2"), registry.Image{Path: "library/test-image", Reference: "latest"}, registry.BadCredential, "", registry.CredentialRefused, true, 1},
		"right, public":        {login("robot$team+puller", "right"), registry.Image{Path: "library/test-image", Reference: "latest"}, "", config.AcceptsBasic, registry.CredentialOK, true, 2},
		"missing tag":          {login("robot$team+puller", "right"), registry.Image{Path: "team/app", Reference: "v9"}, registry.MissingImage, config.AcceptsBasic, registry.CredentialOK, false, 2},
		"missing project":      {login("robot$team+puller", "right"), registry.Image{Path: "nosuch/app", Reference: "v1"}, registry.MissingImage, config.AcceptsBasic, registry.CredentialOK, false, 2},
		"robot without rights": {login("robot$other", "right"), private, registry.NoRights, config.AcceptsBasic, registry.CredentialOK, false, 2},
		"anonymous, public":    {nil, registry.Image{Path: "library/test-image", Reference: "latest"}, "", "", registry.CredentialUnknown, true, 0},
		"anonymous, private":   {nil, private, registry.BadCredential, "", registry.CredentialUnknown, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, harbor)
			got, err := registry.Ask(context.Background(), config.Endpoint{URL: f.URL}, tc.auth, []registry.Image{tc.image}, registry.Options{})
			oneLine(t, err)
			if kind(err) != tc.kind || got.Accepts != tc.accepts || got.Credential != tc.credential || got.Public != tc.public || got.RealmHost != "" {
				t.Errorf("error %v (%s), answer %+v", err, kind(err), got)
			}
			if n := f.count(" Basic"); n != tc.basics || f.count("POST") > 0 || f.count("/v2/ Basic") > 1 {
				t.Errorf("%d requests with Basic, want %d: %q", n, tc.basics, f.lines)
			}
		})
	}
}

// tokenOnly is Docker Hub's shape; its token service may be another server.
func tokenOnly(service string) func(f *fake, w http.ResponseWriter, r *http.Request) {
	return func(f *fake, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			_, pass, basic := r.BasicAuth()
			switch {
			case r.Method != http.MethodGet:
				w.WriteHeader(405)
			case basic && pass != "right":
				w.WriteHeader(401)
			case basic:
				fmt.Fprint(w, `{"access_token":"good"}`)
			default:
				fmt.Fprint(w, `{"token":"nobody"}`)
			}
			return
		}
		if r.Header.Get("Authorization") != "Bearer good" {
			realm := service
			if realm == "" {
				realm = f.URL
			}
			w.Header().Set("Www-Authenticate", `Bearer realm="`+realm+`/token",service="s",scope="repository:team/app:pull"`)
			w.WriteHeader(401)
			return
		}
		manifest(w, r, "/v2/team/app/manifests/v1")
	}
}

func TestBehaviourTokenOnly(t *testing.T) {
	images := []registry.Image{{Path: "team/app", Reference: "v1"}}
	f := serve(t, tokenOnly(""))
	got, err := registry.Ask(context.Background(), config.Endpoint{URL: f.URL}, login("u", "right"), images, registry.Options{})
	if err != nil || got.Accepts != config.AcceptsToken || got.Credential != registry.CredentialOK {
		t.Errorf("right: %v %+v", err, got)
	}
	got, err = registry.Ask(context.Background(), config.Endpoint{URL: f.URL}, login("u", "hunter2"), images, registry.Options{})
	oneLine(t, err)
	if kind(err) != registry.BadCredential || got.Credential != registry.CredentialRefused || f.count("POST") > 0 {
		t.Errorf("wrong: %v %+v", err, got)
	}
	service := serve(t, tokenOnly(""))
	f = serve(t, tokenOnly(service.URL))
	got, err = registry.Ask(context.Background(), config.Endpoint{URL: f.URL}, login("u", "right"), images, registry.Options{})
	if err != nil || got.RealmHost != strings.TrimPrefix(service.URL, "http://") || len(got.Warnings) == 0 {
		t.Errorf("foreign token service: %v %+v", err, got)
	}
}

func TestBehaviourHtpasswd(t *testing.T) {
	h := func(_ *fake, w http.ResponseWriter, r *http.Request) {
		if _, pass, _ := r.BasicAuth(); pass != "right" {
			w.Header().Set("Www-Authenticate", `Basic realm="Registry"`)
			w.WriteHeader(401)
			return
		}
		if r.URL.Path == "/v2/" {
			fmt.Fprint(w, "{}")
			return
		}
		manifest(w, r, "/v2/team/app/manifests/v1")
	}
	f := serve(t, h)
	images := []registry.Image{{Path: "team/app", Reference: "v1"}}
	got, err := registry.Ask(context.Background(), config.Endpoint{URL: f.URL}, login("u", "right"), images, registry.Options{})
	if err != nil || got.Accepts != config.AcceptsBasic || got.Credential != registry.CredentialOK {
		t.Errorf("right: %v %+v", err, got)
	}
	got, err = registry.Ask(context.Background(), config.Endpoint{URL: f.URL}, login("u", "hunter2"), images, registry.Options{})
	if kind(err) != registry.BadCredential || f.count(" Basic") != 3 {
		t.Errorf("wrong: %v %+v %q", err, got, f.lines)
	}
}

func TestBehaviourOverridePath(t *testing.T) {
	f := serve(t, func(f *fake, w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/hubcache/") {
			r.URL.Path = "/v2/" + strings.TrimPrefix(r.URL.Path, "/v2/hubcache/")
		} else if r.URL.Path != "/v2/" && r.URL.Path != "/service/token" {
			w.WriteHeader(404)
			return
		}
		harbor(f, w, r)
	})
	got, err := registry.Ask(context.Background(), config.Endpoint{URL: f.URL + "/v2/hubcache", OverridePath: true}, login("robot$team+puller", "right"),
		[]registry.Image{{Path: "team/app", Reference: "v1"}}, registry.Options{})
	if err != nil || got.Accepts != config.AcceptsBasic {
		t.Errorf("%v %+v %q", err, got, f.lines)
	}
}

func TestBehaviourBroken(t *testing.T) {
	endless := func(_ *fake, w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}
	for name, tc := range map[string]struct {
		h    func(*fake, http.ResponseWriter, *http.Request)
		kind registry.Kind
	}{
		"page": {func(_ *fake, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>welcome</html>")
		}, registry.NotARegistry},
		"page without type": {func(_ *fake, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "  <!doctype html>") }, registry.NotARegistry},
		"nothing":           {func(_ *fake, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, registry.NotARegistry},
		"endless":           {endless, registry.NotARegistry},
		"hangs":             {func(_ *fake, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, registry.Timeout},
		"drips":             {func(_ *fake, w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); <-r.Context().Done() }, registry.Timeout},
		"loop": {func(_ *fake, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, registry.NotARegistry},
		"controls": {func(_ *fake, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			fmt.Fprint(w, "\x1b[2J\x00\r\nboom")
		}, registry.Other},
		"cuts off": {func(_ *fake, w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, registry.Unreachable},
		"broken challenge": {func(_ *fake, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Www-Authenticate", `Bearer realm="unclosed`)
			w.WriteHeader(401)
		}, "*"},
		"realm of another scheme": {func(_ *fake, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Www-Authenticate", `Bearer realm="file:///etc/passwd"`)
			w.WriteHeader(401)
		}, "*"},
		"bad token": {func(f *fake, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				fmt.Fprint(w, `{"token":"a\r\nX: y"}`)
				return
			}
			w.Header().Set("Www-Authenticate", `Bearer realm="`+f.URL+`/token",service="\x1b[2J"`)
			w.WriteHeader(401)
		}, registry.NotARegistry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, tc.h)
			start := time.Now()
			_, err := registry.Ask(context.Background(), config.Endpoint{URL: f.URL}, login("u", "hunter2"),
				[]registry.Image{{Path: "team/app", Reference: "v1"}}, registry.Options{Timeout: 400 * time.Millisecond})
			oneLine(t, err)
			if err == nil || (tc.kind != "*" && kind(err) != tc.kind) {
				t.Errorf("error %v, kind %q", err, kind(err))
			}
			t.Log(err)
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestBehaviourRedirectKeepsCredential(t *testing.T) {
	other := serve(t, func(_ *fake, w http.ResponseWriter, r *http.Request) { manifest(w, r, "/elsewhere") })
	f := serve(t, func(f *fake, w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") {
			http.Redirect(w, r, other.URL+"/elsewhere", http.StatusTemporaryRedirect)
			return
		}
		harbor(f, w, r)
	})
	ep := config.Endpoint{URL: f.URL, Headers: []config.Header{{Name: "X-Key", Value: secret.New("k")}}}
	_, err := registry.Ask(context.Background(), ep, login("robot$team+puller", "right"), []registry.Image{{Path: "team/app", Reference: "v1"}}, registry.Options{})
	t.Log(err)
	if other.count("") == 0 || other.count("Basic") > 0 {
		t.Errorf("other server saw %q", other.lines)
	}
}

func TestBehaviourNetwork(t *testing.T) {
	plain := serve(t, harbor)
	ask := func(ep config.Endpoint) (registry.Answer, error) {
		return registry.Ask(context.Background(), ep, nil, nil, registry.Options{Timeout: 2 * time.Second})
	}
	check := func(name string, ep config.Endpoint, want registry.Kind) {
		t.Helper()
		_, err := ask(ep)
		oneLine(t, err)
		if kind(err) != want {
			t.Errorf("%s: error %v, kind %q, want %q", name, err, kind(err), want)
		}
		t.Logf("%s: %v", name, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	check("refused", config.Endpoint{URL: "http://" + closed}, registry.Unreachable)
	check("https to http", config.Endpoint{URL: strings.Replace(plain.URL, "http:", "https:", 1)}, registry.HTTPSOnHTTP)

	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	start := func(c *tls.Config) (*httptest.Server, []byte) {
		s := httptest.NewUnstartedServer(ok)
		s.TLS = c
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		leaf := s.TLS.Certificates[0].Certificate[0]
		return s, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf})
	}
	s, ca := start(nil)
	check("http to https", config.Endpoint{URL: strings.Replace(s.URL, "https:", "http:", 1)}, registry.HTTPOnHTTPS)
	check("unknown CA", config.Endpoint{URL: s.URL}, registry.UnknownCA)
	check("right CA", config.Endpoint{URL: s.URL, CA: ca}, "")
	check("skip verify", config.Endpoint{URL: s.URL, InsecureSkipVerify: true}, "")
	check("bad CA file", config.Endpoint{URL: s.URL, CA: []byte("none")}, registry.Other)

	s, ca = start(&tls.Config{Certificates: []tls.Certificate{self(t, time.Hour, "harbor.example.com")}})
	check("other name", config.Endpoint{URL: s.URL, CA: ca}, registry.SAN)
	s, ca = start(&tls.Config{Certificates: []tls.Certificate{self(t, -time.Hour, "127.0.0.1")}})
	check("expired", config.Endpoint{URL: s.URL, CA: ca}, registry.Expired)
	s, ca = start(&tls.Config{ClientAuth: tls.RequireAnyClientCert})
	check("client certificate", config.Endpoint{URL: s.URL, CA: ca}, registry.ClientCert)

	// A server that answers plain HTTP with a TLS alert, as nginx's stream and
	// many load balancers do.
	l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 1024)
			_, _ = c.Read(buf)
			_, _ = c.Write([]byte{0x15, 3, 1, 0, 2, 2, 22})
			_ = c.Close()
		}
	}()
	check("TLS alert", config.Endpoint{URL: "http://" + l.Addr().String()}, registry.HTTPOnHTTPS)
}

// self makes a self-signed certificate for one name or address that ends in life.
func self(t *testing.T, life time.Duration, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(life),
	}
	if ip := net.ParseIP(name); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
