package registry

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

// seen are the requests that a server got, as "METHOD path?query authorization".
type seen struct {
	mu  sync.Mutex
	all []string
}

func (s *seen) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization")))
}

// tokenRegistry gives images for a token only, and a good token to user a, password b.
func tokenRegistry(t *testing.T) (url string, s *seen) {
	t.Helper()
	s = &seen{}
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.note(r)
		switch {
		case r.URL.Path == "/token":
			token := "nobody"
			if user, password, ok := r.BasicAuth(); ok {
				if token = "good"; user != "a" || password != "b" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
			}
			_, _ = fmt.Fprintf(w, `{"token":%q}`, token)
		case r.Header.Get("Authorization") == "Bearer good":
			if r.URL.Path != "/v2/team/app/manifests/v1" {
				http.NotFound(w, r)
				return
			}
			manifest(w)
		default:
			w.Header().Set("Www-Authenticate", `Bearer realm="`+server.URL+`/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, s
}

// manifest answers as a registry does that has the image.
func manifest(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	w.Header().Set("Docker-Content-Digest", sum([]byte("{}")))
	w.Header().Set("Content-Length", "2")
	w.WriteHeader(http.StatusOK)
}

func TestWalkWithTokens(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("a:b"))
	good := &config.Auth{Username: "a", Password: secret.New("b")}
	bad := &config.Auth{Username: "a", Password: secret.New("x")}
	header := []config.Header{{Name: "Authorization", Value: secret.New(basic)}}
	for _, tc := range []struct {
		name    string
		walk    Walk
		auth    *config.Auth
		headers []config.Header
		tag     string
		kind    Kind
		steps   string
	}{
		{"a credential", Walk{}, good, nil, "v1", "", "connect manifest token manifest"},
		{"nobody", Walk{}, nil, nil, "v1", BadCredential, "connect manifest token manifest"},
		{"a wrong one", Walk{}, bad, nil, "v1", BadCredential, "connect manifest token"},
		{"a header before 2.1", Walk{}, nil, header, "v1", BadCredential, "connect manifest token manifest"},
		{"a header since 2.1", Walk{HeaderToToken: true}, nil, header, "v1", "", "connect manifest token manifest"},
		{"missing", Walk{}, good, nil, "v2", MissingImage, "connect manifest token manifest"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			url, s := tokenRegistry(t)
			tc.walk.Namespace = "docker.io"
			steps, stops, err := tc.walk.Ask(t.Context(), config.Endpoint{URL: url, Headers: tc.headers}, tc.auth, Image{"team/app", tc.tag}, Options{})
			kind := Kind("")
			if e, ok := err.(*Error); ok {
				kind = e.Kind
			}
			var names []string
			for _, st := range steps {
				names = append(names, st.Name)
			}
			if kind != tc.kind || stops || strings.Join(names, " ") != tc.steps {
				t.Errorf("%v, stops %v, steps %v", err, stops, steps)
			}
			if !strings.HasPrefix(s.all[0], "HEAD /v2/team/app/manifests/"+tc.tag+"?ns=docker.io") {
				t.Errorf("asked %q first", s.all[0])
			}
			wrong := 0
			for _, r := range s.all {
				if strings.Contains(r, "/token") && strings.Contains(r, "Basic") && tc.auth == bad {
					wrong++
				}
				if strings.Contains(r, "/token") && strings.Contains(r, "Basic") && tc.auth == nil && !tc.walk.HeaderToToken {
					t.Errorf("the token service got %q", r)
				}
			}
			if tc.auth == bad && wrong != 1 {
				t.Errorf("a wrong password was sent %d times", wrong)
			}
		})
	}
}

// TestWalkIsBounded: no answer makes it wait, remember or print without end.
func TestWalkIsBounded(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"redirects for ever": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) },
		"says nothing":       func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"control characters": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Www-Authenticate", "Bearer realm=\"http://127.0.0.1:1/\x1b[31m\"")
			w.WriteHeader(http.StatusUnauthorized)
		},
		"streams": func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			began := time.Now()
			steps, _, err := Walk{}.Ask(t.Context(), config.Endpoint{URL: server.URL}, nil, Image{"a", "b"}, Options{Timeout: time.Second})
			if err == nil || len(steps) > maxSteps || time.Since(began) > maxTimeouts*time.Second+20*time.Second {
				t.Errorf("%v after %s, %d steps", err, time.Since(began), len(steps))
			}
			if text := fmt.Sprint(err, steps); strings.ContainsAny(text, "\x1b\n") {
				t.Errorf("%q", text)
			}
		})
	}
}

// TestWalkShowsTheCertificate that was not taken.
func TestWalkShowsTheCertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	steps, _, err := Walk{}.Ask(t.Context(), config.Endpoint{URL: server.URL}, nil, Image{"a", "b"}, Options{})
	if e, ok := err.(*Error); !ok || e.Kind != UnknownCA {
		t.Fatal(err)
	}
	if last := steps[len(steps)-1]; last.Name != "tls" || !strings.Contains(last.Text, "certificate not taken: for example.com") || !strings.Contains(last.Text, "until ") {
		t.Errorf("%+v", last)
	}
}

// TestResolveStops: what is neither an error nor a manifest ends a pull.
func TestResolveStops(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		stops  bool
		asked  int
	}{
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>"))
		}, true, 2}, // without a digest it is read whole
		"304":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, true, 1},
		"a type unknown": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "image/png") }, true, 2},
		"404":            {http.NotFound, false, 1},
		"no digest": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		}, false, 2},
		"five redirects": {hops(5), false, 6},
		"twelve of them": {hops(12), false, 10},
		"a manifest":     {func(w http.ResponseWriter, _ *http.Request) { manifest(w) }, false, 1},
		"only by GET": {func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			manifest(w)
			_, _ = w.Write([]byte("{}"))
		}, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := &seen{}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.note(r)
				tc.answer(w, r)
			}))
			defer server.Close()
			_, stops, err := Walk{}.Ask(t.Context(), config.Endpoint{URL: server.URL}, nil, Image{"a", "b"}, Options{})
			if stops != tc.stops || len(s.all) != tc.asked {
				t.Errorf("stops %v, %v, asked %q", stops, err, s.all)
			}
		})
	}
}

// hops sends on n times.
func hops(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if got := len(r.URL.Query()["hop"]); got < n {
			q := r.URL.Query()
			q.Add("hop", "x")
			http.Redirect(w, r, r.URL.Path+"?"+q.Encode(), http.StatusFound)
			return
		}
		manifest(w)
	}
}

// TestFetchChecksWhatItGets and leaves a layer where it is but for its first byte.
func TestFetchChecksWhatItGets(t *testing.T) {
	sent := make(chan int, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") {
			_, _ = w.Write([]byte("{}"))
			return
		}
		n := 0
		for range 1 << 10 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				break
			}
			n++
		}
		sent <- n
	}))
	defer server.Close()
	v, err := Walk{}.Visit(config.Endpoint{URL: server.URL}, nil, Image{"a", "b"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if data, stops, err := v.Fetch(t.Context(), sum([]byte("{}")), "x"); string(data) != "{}" || stops || err != nil {
		t.Errorf("%q %v %v", data, stops, err)
	}
	if _, stops, err := v.Fetch(t.Context(), sum([]byte("other")), "x"); !stops || err == nil {
		t.Errorf("other bytes: %v %v", stops, err)
	}
	if err := v.Layer(t.Context(), sum(nil), "x"); err != nil {
		t.Error(err)
	}
	v.Close()
	if n := <-sent; n == 1<<10 {
		t.Error("a whole gigabyte was sent")
	}
}
