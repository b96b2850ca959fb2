package registry

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/config"
)

func TestAskBroken(t *testing.T) {
	html := func(status int, page string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			fmt.Fprint(w, page)
		})
	}
	status := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) })
	}
	for _, tc := range []struct {
		name   string
		server http.Handler
		kind   Kind
		text   string
	}{
		{"a web page", html(200, "<!doctype html>"), NotARegistry, "not as a registry"},
		{"text", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "It works!") }), NotARegistry, "not as a registry"},
		{"nothing at /v2/", status(404), NotARegistry, "/v2/"},
		{"a proxy's page", html(502, "<html>Bad Gateway"), Other, "502 Bad Gateway"},
		{"a rate limit", status(429), Other, "429"},
		{"a status of no meaning", status(799), Other, "799"},
		{"nginx, TLS missing", html(400, "<html><center>The plain HTTP request was sent to HTTPS port</center>"), HTTPOnHTTPS, "HTTPS"},
		{"nginx, client certificate missing", html(400, "<html><center>No required SSL certificate was sent</center>"), ClientCert, "client certificate"},
		{"redirects for ever", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}), NotARegistry, "redirects more than 3 times"},
		{"redirects to a file", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "file:///etc/shadow")
			w.WriteHeader(http.StatusFound)
		}), NotARegistry, "cannot be read"},
		{"a body without end", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_, _ = io.Copy(w, endless{})
		}), NotARegistry, "4 MiB"},
		{"a header too long", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}), NotARegistry, "HTTP"},
		{"a realm that is none", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			refuse(w, `Bearer realm="javascript:alert(1)"`)
		}), NotARegistry, "token service"},
		{"a token with control characters", tokens("{\"token\":\"a\\r\\nX-Evil: 1\"}"), NotARegistry, "no token"},
		{"a token that is no JSON", tokens("\x1b[31m"), NotARegistry, "no token"},
		{"an empty token", tokens(`{}`), NotARegistry, "no token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ep, j := serve(t, tc.server)
			_, err := Ask(context.Background(), ep, good, []Image{private}, Options{Timeout: 5 * time.Second})
			if kindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%q %v, want %q with %q", kindOf(err), err, tc.kind, tc.text)
			}
			checkLine(t, err)
			if tc.kind == NotARegistry && !strings.Contains(tc.name, "token") && !strings.Contains(tc.name, "realm") && j.with("basic") > 0 {
				t.Errorf("the password went to what is no registry: %q", j.lines)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// tokens is a token-only registry whose token service answers body.
func tokens(body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			fmt.Fprint(w, body)
			return
		}
		refuse(w, fmt.Sprintf(`Bearer realm="http://%s/token"`, r.Host))
	})
}

// raw serves bytes, not HTTP.
func raw(t *testing.T, answer string, hold bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { close(done); _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = c.Read(make([]byte, 4096))
				_, _ = io.WriteString(c, answer)
				if hold {
					<-done
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestAskRawServers(t *testing.T) {
	for _, tc := range []struct {
		name, answer string
		hold, https  bool
		kind         Kind
	}{
		{name: "a TLS alert", answer: "\x15\x03\x01\x00\x02\x02\x46\n", kind: HTTPOnHTTPS},
		{name: "SSH", answer: "SSH-2.0-OpenSSH_9.2\r\n", kind: NotARegistry},
		{name: "control characters", answer: "\x1b[2J\x1b[31mhello\r\n\r\n", kind: NotARegistry},
		{name: "a status line of control characters", answer: "HTTP/1.1 500 \x1b[2J\x07\r\nContent-Length: 0\r\n\r\n", kind: Other},
		{name: "nothing", kind: Unreachable},
		{name: "silence", hold: true, kind: Timeout},
		{name: "a body that stalls", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", hold: true, kind: Timeout},
		{name: "a body cut off", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", kind: Unreachable},
		{name: "https to SSH", answer: "SSH-2.0-OpenSSH_9.2\r\n", https: true, kind: HTTPSOnHTTP},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ep := config.Endpoint{URL: raw(t, tc.answer, tc.hold)}
			if tc.https {
				ep.URL = strings.Replace(ep.URL, "http:", "https:", 1)
			}
			_, err := Ask(context.Background(), ep, good, nil, Options{Timeout: 300 * time.Millisecond})
			if kindOf(err) != tc.kind {
				t.Errorf("%q %v, want %q", kindOf(err), err, tc.kind)
			}
			checkLine(t, err)
		})
	}
}

func TestAskUnreachable(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tc := range []struct {
		name, url string
		ctx       context.Context
		kind      Kind
	}{
		{"nobody listens", "http://127.0.0.1:1", context.Background(), Unreachable},
		{"no such name", "https://nosuch.invalid", context.Background(), DNS},
		{"interrupted", "http://127.0.0.1:1", canceled, Other},
		{"no scheme", "harbor.example.com", context.Background(), Other},
		{"a password in the url", "http://me:" + password + "@127.0.0.1:1", context.Background(), Other},
		{"not a url", "http://\x7f" + password, context.Background(), Other},
	} {
		_, err := Ask(tc.ctx, config.Endpoint{URL: tc.url}, good, nil, Options{Timeout: 2 * time.Second})
		if kindOf(err) != tc.kind {
			t.Errorf("%s: %q %v, want %q", tc.name, kindOf(err), err, tc.kind)
		}
		checkLine(t, err)
	}
}

// Neither the credential nor the endpoint's headers follow a redirect to
// another port of the same host; Go's own client would send both.
func TestAskRedirectKeepsSecrets(t *testing.T) {
	var seen journal
	other := httptest.NewServer(seen.wrap(open))
	defer other.Close()
	inner := htpasswd(false)
	ep, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") && r.Header.Get("Authorization") != "" {
			http.Redirect(w, r, other.URL+"/v2/open/app/manifests/v1", http.StatusTemporaryRedirect)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	ep.Headers = []config.Header{{Name: "X-Api-Key", Value: good.Password}}
	if _, err := Ask(context.Background(), ep, good, []Image{private}, Options{}); err != nil {
		t.Error(err)
	}
	if len(seen.headers) == 0 {
		t.Fatal("the redirect was not followed")
	}
	for _, h := range seen.headers {
		if h.Get("Authorization") != "" || h.Get("X-Api-Key") != "" {
			t.Error("a secret went to another port")
		}
	}
}

func TestAskRedirectsAway(t *testing.T) {
	other, j := serve(t, htpasswd(false))
	ep, _ := serve(t, http.RedirectHandler(other.URL+"/v2/", http.StatusMovedPermanently))
	_, err := Ask(context.Background(), ep, good, nil, Options{})
	if kindOf(err) != Other || j.with("basic") > 0 {
		t.Errorf("%v; %q", err, j.lines)
	}
	checkLine(t, err)
}

func TestAskTokenServiceWithoutTLS(t *testing.T) {
	a := &asker{root: mustURL("https://harbor.example.com/v2"), timeout: time.Second}
	r := &reply{challenges: parseChallenges([]string{`Bearer realm="http://harbor.example.com/token"`})}
	_, err := a.token(context.Background(), r, "repository:a:pull", good.Password)
	if kindOf(err) != Other || !strings.Contains(err.Error(), "without TLS") {
		t.Errorf("%v", err)
	}
}
