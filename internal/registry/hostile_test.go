package registry

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

// drip is a raw server that sends lead, then piece again and again, every pause.
func drip(t *testing.T, lead, piece string, pause time.Duration) config.Endpoint {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	t.Cleanup(func() { close(done); _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close() //nolint:errcheck // a test's end
				_, _ = c.Read(make([]byte, 4096))
				for _, err := io.WriteString(c, lead); err == nil; _, err = io.WriteString(c, piece) {
					select {
					case <-done:
						return
					case <-time.After(pause):
					}
				}
			})
		}
	})
	return config.Endpoint{URL: "http://" + l.Addr().String()}
}

// A server that never comes to an end costs one time-out and little memory.
func TestAskEndlessServers(t *testing.T) {
	zeros := func(n int) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.CopyN(w, endless{}, int64(n))
		_ = w.Close()
		return b.Bytes()
	}(512 << 20)
	bomb, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		_, _ = w.Write(zeros)
	}))
	gigabyte, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/":
			fmt.Fprint(w, "{}")
		case r.Method == http.MethodHead:
			w.WriteHeader(http.StatusMethodNotAllowed)
		default:
			w.Header().Set("Content-Length", fmt.Sprint(1<<30))
			_, _ = io.CopyN(w, endless{}, 1<<30)
		}
	}))
	for _, tc := range []struct {
		name string
		ep   config.Endpoint
		kind Kind
	}{
		{"a body that drips", drip(t, "HTTP/1.1 200 OK\r\n\r\n", " ", 20*time.Millisecond), Timeout},
		{"chunks that drip", drip(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", 20*time.Millisecond), Timeout},
		{"a header that drips", drip(t, "HTTP/1.1 200 OK\r\nX: ", "x", 20*time.Millisecond), Timeout},
		{"a status line that drips", drip(t, "H", "T", 20*time.Millisecond), Timeout},
		{"headers without end", drip(t, "HTTP/1.1 200 OK\r\n", strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 100), 0), NotARegistry},
		{"a status line without end", drip(t, "HTTP/1.1 200 ", strings.Repeat("x", 64<<10), 0), NotARegistry},
		{"100 Continue for ever", drip(t, "", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100), 0), ""},
		{"103 Early Hints for ever", drip(t, "", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("x", 1000)+"\r\n\r\n", 100), 0), ""},
		{"chunks of megabytes of extension", drip(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("x", 64<<10), 0), ""},
		{"a gzip bomb: half a gigabyte of blanks", bomb, ""},
		{"a manifest of a gigabyte", gigabyte, NotARegistry},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, err := Ask(context.Background(), tc.ep, nil, []Image{public}, Options{Timeout: 700 * time.Millisecond})
			runtime.ReadMemStats(&after)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %s", took)
			}
			if tc.kind != "" && kindOf(err) != tc.kind {
				t.Errorf("%q %v, want %q", kindOf(err), err, tc.kind)
			}
			checkLine(t, err)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
				t.Errorf("holds %d MB", grown>>20)
			}
			t.Log(err)
		})
	}
}

// A server that answers each request just in time has an end too.
func TestAskEndsThoughEachRequestIsInTime(t *testing.T) {
	var asked int
	ep, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		select {
		case <-r.Context().Done():
		case <-time.After(80 * time.Millisecond):
		}
		fmt.Fprint(w, "{}")
	}))
	var images []Image
	for i := range 200 {
		images = append(images, Image{fmt.Sprintf("team/app%d", i), "v1"})
	}
	began := time.Now()
	_, err := Ask(context.Background(), ep, good, images, Options{Timeout: 100 * time.Millisecond})
	if took := time.Since(began); kindOf(err) != Timeout || took > 10*time.Second {
		t.Errorf("%v after %s and %d requests", err, took, asked)
	}
	checkLine(t, err)
}

func TestAskAnotherDigest(t *testing.T) {
	const want = "sha256:" + "aa" + "bb" + "00112233445566778899aabbccddeeff00112233445566778899aabbccddee"
	for name, tc := range map[string]struct {
		says string
		kind Kind
	}{"the one": {want, ""}, "none": {"", ""}, "another": {"sha256:123", NotARegistry}, "nonsense": {"sha256:\u009b2J", NotARegistry}} {
		ep, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tc.says != "" {
				w.Header().Set("Docker-Content-Digest", tc.says)
			}
			fmt.Fprint(w, "{}")
		}))
		_, err := Ask(context.Background(), ep, nil, []Image{{"team/app", want}}, Options{})
		if kindOf(err) != tc.kind {
			t.Errorf("%s: %v", name, err)
		}
		checkLine(t, err)
	}

}

// withTLS is serve over TLS, with its authority in the endpoint.
func withTLS(t *testing.T, h http.Handler) (config.Endpoint, *journal) {
	t.Helper()
	j := &journal{}
	s := httptest.NewUnstartedServer(j.wrap(h))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return config.Endpoint{URL: s.URL, CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})}, j
}

// secrets reports whether anything secret was in a request.
func (j *journal) secrets() bool {
	j.Lock()
	defer j.Unlock()
	for _, h := range j.headers {
		if h.Get("Authorization") != "" || h.Get("X-Api-Key") != "" || h.Get("Cookie") != "" {
			return true
		}
	}
	return false
}

// A password that was given for an https endpoint is never sent without TLS, nor
// to a server that the endpoint only redirects to, whatever way it tries.
func TestAskKeepsSecretsOnTLS(t *testing.T) {
	for _, tc := range []struct {
		name string
		// answer of the https registry; plain is the address of an http server, far of another https one.
		answer func(w http.ResponseWriter, r *http.Request, plain, far string)
		// farToo: the other https server gets nothing either.
		farToo bool
	}{
		{"the root redirects to http", func(w http.ResponseWriter, r *http.Request, plain, _ string) {
			http.Redirect(w, r, plain+"/v2/", http.StatusMovedPermanently)
		}, true},
		{"the root redirects to another https server", func(w http.ResponseWriter, r *http.Request, _, far string) {
			http.Redirect(w, r, far+"/v2/", http.StatusTemporaryRedirect)
		}, true},
		{"only with the password it redirects to http", func(w http.ResponseWriter, r *http.Request, plain, _ string) {
			if r.Header.Get("Authorization") != "" {
				http.Redirect(w, r, plain+"/v2/", http.StatusPermanentRedirect)
				return
			}
			refuse(w, `Basic realm="r"`)
		}, true},
		{"the token service is on http", func(w http.ResponseWriter, r *http.Request, plain, _ string) {
			refuse(w, `Bearer realm="`+plain+`/token",service="r"`)
		}, true},
		{"the token service redirects to http", func(w http.ResponseWriter, r *http.Request, plain, _ string) {
			if r.URL.Path == "/token" {
				http.Redirect(w, r, plain+"/token", http.StatusTemporaryRedirect)
				return
			}
			refuse(w, `Bearer realm="https://`+r.Host+`/token",service="r"`)
		}, true},
		{"the token service redirects to another https server", func(w http.ResponseWriter, r *http.Request, _, far string) {
			if r.URL.Path == "/token" {
				http.Redirect(w, r, far+"/token", http.StatusTemporaryRedirect)
				return
			}
			refuse(w, `Bearer realm="https://`+r.Host+`/token",service="r"`)
		}, true},
		{"two token services, the second on http", func(w http.ResponseWriter, r *http.Request, plain, _ string) {
			w.Header().Add("Www-Authenticate", `Bearer realm="https://`+r.Host+`/none"`)
			refuse2(w, `Bearer realm="`+plain+`/token"`)
		}, true},
		{"a realm with a user of its own", func(w http.ResponseWriter, r *http.Request, plain, _ string) {
			refuse(w, `Bearer realm="`+strings.Replace(plain, "http://", "http://u:p@", 1)+`/token"`)
		}, true},
		{"a realm on the file system", func(w http.ResponseWriter, r *http.Request, _, _ string) {
			refuse(w, `Bearer realm="file:///etc/shadow"`)
		}, true},
		{"a realm without a scheme", func(w http.ResponseWriter, r *http.Request, plain, _ string) {
			refuse(w, `Bearer realm="`+strings.TrimPrefix(plain, "http:")+`/token"`)
		}, true},
		{"the manifest redirects away and back", func(w http.ResponseWriter, r *http.Request, plain, _ string) {
			if strings.Contains(r.URL.Path, "/manifests/") && r.Header.Get("Authorization") != "" {
				http.Redirect(w, r, plain+"/back", http.StatusTemporaryRedirect)
				return
			}
			refuse(w, `Basic realm="r"`)
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			give := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"token":"t"}`) })
			plain, heard := serve(t, give)
			far, heardFar := withTLS(t, give)
			ep, _ := withTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tc.answer(w, r, plain.URL, far.URL) }))
			ep.CA = append(ep.CA, far.CA...)
			ep.Headers = []config.Header{{Name: "X-Api-Key", Value: good.Password}}
			answer, err := Ask(context.Background(), ep, good, []Image{private}, Options{Timeout: 2 * time.Second})
			checkLine(t, err)
			t.Log(err)
			if heard.secrets() {
				t.Errorf("a secret went out without TLS: %q", heard.lines)
			}
			if tc.farToo && heardFar.secrets() {
				t.Errorf("a secret went to another server: %q", heardFar.lines)
			}
			if answer.Credential == CredentialOK {
				t.Errorf("the credential counts as good: %v", err)
			}
		})
	}
}

func refuse2(w http.ResponseWriter, challenge string) {
	w.Header().Add("Www-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
}

// What TLS Go's client speaks by default is what we rely on; see the threat model.
func TestAskTLSVersions(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*tls.Config)
		ok     bool
	}{
		{"1.3", func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, true},
		{"1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		{"1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
		{"1.0", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }, false},
		{"RC4 and 3DES only", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}
		}, false},
	} {
		s := httptest.NewUnstartedServer(open)
		s.TLS = &tls.Config{}
		tc.change(s.TLS)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		_, err := Ask(context.Background(), config.Endpoint{URL: s.URL, InsecureSkipVerify: true}, good, nil, Options{})
		s.Close()
		if (err == nil) != tc.ok {
			t.Errorf("TLS %s: %v", tc.name, err)
		}
		checkLine(t, err)
	}
	tr, err := transport(config.Endpoint{}, Options{}, nil)
	if err != nil || tr.TLSClientConfig.Renegotiation != tls.RenegotiateNever || tr.TLSClientConfig.InsecureSkipVerify || !tr.DisableCompression {
		t.Errorf("%+v, %v", tr, err)
	}
}

// canned is a connection on which every request gets the same bytes.
type canned struct {
	net.Conn
	rest *bytes.Reader
	sent *bytes.Buffer
}

func (c canned) Read(p []byte) (int, error)         { return c.rest.Read(p) }
func (c canned) Write(p []byte) (int, error)        { return c.sent.Write(p) }
func (c canned) Close() error                       { return nil }
func (c canned) SetDeadline(time.Time) error        { return nil }
func (c canned) SetReadDeadline(time.Time) error    { return nil }
func (c canned) SetWriteDeadline(t time.Time) error { return nil }

// FuzzAsk: whatever bytes a registry, its token service and every server that it
// names answer, Ask ends with few requests, one clean line and no secret in it, and
// the password goes nowhere but to the endpoint and to a token service it named.
func FuzzAsk(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 401 Unauthorized\r\nWww-Authenticate: Bearer realm=\"http://harbor.example.com/service/token\",service=\"harbor-registry\"\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 401 Unauthorized\r\nWww-Authenticate: Basic realm=\"r\"\r\nContent-Length: 71\r\n\r\n" + `{"errors":[{"code":"UNAUTHORIZED","message":"` + "\x1b[2J" + `unauthorized"}]}  `,
		"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://evil.example.com/\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: file:///etc/shadow\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
		"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"token\":\"a\\r\\nX: y\",\"access_token\":\"b\"}    ",
		"HTTP/1.1 500 \x1b[2J\r\nContent-Length: 0\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x46", "SSH-2.0-x\r\n", "",
		"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 99999999\r\nContent-Length: 0\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		type line struct {
			addr string
			sent *bytes.Buffer
		}
		var mu sync.Mutex
		var lines []line
		secretAuth := &config.Auth{Username: robot, Password: secret.New(password)}
		a, err := newAsker(config.Endpoint{URL: "http://harbor.example.com"}, secretAuth, Options{Timeout: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		a.transport.DialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			if len(lines) > 60 {
				return nil, errors.New("too many")
			}
			l := line{addr, &bytes.Buffer{}}
			lines = append(lines, l)
			return canned{rest: bytes.NewReader(b), sent: l.sent}, nil
		}
		a.transport.DialTLSContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no TLS here") }
		a.transport.DisableKeepAlives = true
		err = a.all(t.Context(), []Image{private, absent})
		a.warn([]Image{private})
		mu.Lock()
		defer mu.Unlock()
		if len(lines) > 60 {
			t.Fatalf("%d connections", len(lines))
		}
		for _, l := range lines {
			known := l.addr == "harbor.example.com:80" || a.realm != nil && l.addr == net.JoinHostPort(a.realm.Hostname(), port(a.realm))
			if strings.Contains(l.sent.String(), "Authorization: Basic") && !known {
				t.Fatalf("the password goes to %s", l.addr)
			}
		}
		texts := []string{a.answer.Endpoint, a.answer.RealmHost}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("untyped error %v", err)
			}
			texts = append(texts, e.Text, e.Hint)
		}
		for _, w := range a.answer.Warnings {
			texts = append(texts, w.Text)
		}
		for _, s := range texts {
			if s != clean(s) || strings.Contains(s, password) || len(s) > maxText+len("…") {
				t.Fatalf("not one clean line: %q", s)
			}
		}
	})
}
