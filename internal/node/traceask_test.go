package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/registry"
	"github.com/pullway/pullway/internal/secret"
	"github.com/pullway/pullway/internal/trace"
)

// imageServer has the image team/app:v1, for who has the password where one is wanted.
func imageServer(t *testing.T, password string, blobs bool) (url string, asked func() string) {
	t.Helper()
	layer := "sha256:" + strings.Repeat("1", 64)
	doc := fmt.Sprintf(`{"config":{"digest":%q},"layers":[{"digest":%q}]}`, layer, layer)
	sum := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(doc)))
	var mu sync.Mutex
	var all []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, given, _ := r.BasicAuth()
		mu.Lock()
		all = append(all, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/v2/team/app/")+" "+given)
		mu.Unlock()
		switch {
		case password != "" && given != password:
			w.Header().Set("Www-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Docker-Content-Digest", sum)
			w.Header().Set("Content-Length", fmt.Sprint(len(doc)))
			if r.Method == http.MethodGet {
				_, _ = w.Write([]byte(doc))
			}
		case blobs:
			_, _ = w.Write(make([]byte, 1<<20))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.NewReplacer(sum, "SUM", layer, "LAYER").Replace(strings.Join(all, ", "))
	}
}

func tracedHosts(ways ...trace.Way) *trace.Trace {
	t := &trace.Trace{Image: "r.lan/team/app:v1"}
	for _, w := range ways {
		t.Hosts = append(t.Hosts, trace.Host{URL: w.Endpoint.URL, Capabilities: []string{"pull", "resolve"}})
	}
	return t
}

func wayTo(url string, auth *config.Auth) trace.Way {
	return trace.Way{Endpoint: config.Endpoint{URL: url + "/v2", OverridePath: true}, Auth: auth}
}

var tracedImage = config.Image{Host: "r.lan", Path: "team/app", Tag: "v1"}

func TestAskHostsInOrder(t *testing.T) {
	good, asked := imageServer(t, "", true)
	bare, _ := imageServer(t, "", false)
	locked, lockedAsked := imageServer(t, "right", true)
	auth := func(p string) *config.Auth { return &config.Auth{Username: "u", Password: secret.New(p)} }

	tr := tracedHosts(wayTo(good, nil))
	AskHosts(t.Context(), tr, []trace.Way{wayTo(good, nil)}, tracedImage, ContainerdOptions(), func(string) {})
	if got, want := asked(), "HEAD manifests/v1 , GET manifests/SUM , GET blobs/LAYER "; got != want || !tr.Verdict.Served {
		t.Errorf("%s, want %s; %+v", got, want, tr.Verdict)
	}
	steps := tr.Hosts[0].Content.Steps
	if last := steps[len(steps)-1]; last.Name != "layer" || last.Text != "200 OK, first byte of 1048576" && last.Text != "200 OK, first byte" {
		t.Errorf("%+v", steps)
	}

	ways := []trace.Way{wayTo(bare, nil), wayTo(good, nil)}
	tr = tracedHosts(ways...)
	AskHosts(t.Context(), tr, ways, tracedImage, ContainerdOptions(), func(string) {})
	if v := tr.Verdict; !v.Served || v.By != bare+"/v2" || v.Layers != good+"/v2" {
		t.Errorf("%+v", v)
	}

	ways = []trace.Way{wayTo(locked, auth("wrong")), wayTo(good, nil)}
	tr = tracedHosts(ways...)
	AskHosts(t.Context(), tr, ways, tracedImage, ContainerdOptions(), func(string) {})
	if n := strings.Count(lockedAsked(), "wrong"); n != 1 || !tr.Verdict.Served {
		t.Errorf("a wrong password was sent %d times; %+v", n, tr.Verdict)
	}
	tr = tracedHosts(wayTo(locked, auth("right")))
	AskHosts(t.Context(), tr, []trace.Way{wayTo(locked, auth("right"))}, tracedImage, ContainerdOptions(), func(string) {})
	if !tr.Verdict.Served {
		t.Errorf("%+v", tr.Verdict)
	}
}

// silent is an address where connections are neither taken nor refused: a listener that
// nobody serves, with its queue full.
func silent(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
	for range 64 {
		c, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return "http://" + address
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("every connection is taken")
	return ""
}

// TestDeadHostsSideBySide: hosts where nobody answers cost their time-out once
// together.
func TestDeadHostsSideBySide(t *testing.T) {
	good, _ := imageServer(t, "", true)
	dead := silent(t)
	var ways []trace.Way
	for range 4 {
		w := wayTo(dead, nil)
		w.Endpoint.DialTimeout = 2 * time.Second
		ways = append(ways, w)
	}
	ways = append(ways, wayTo(good, nil))
	tr := tracedHosts(ways...)
	began := time.Now()
	AskHosts(t.Context(), tr, ways, tracedImage, ContainerdOptions(), func(string) {})
	if took := time.Since(began); took > 5*time.Second || !tr.Verdict.Served {
		t.Errorf("%s for four dead hosts of two seconds each; %+v", took, tr.Verdict)
	}
	if a := tr.Hosts[1].Answer; a.Fault != "timeout" || !strings.Contains(a.Text, "within 2s, the dial_timeout of this host") {
		t.Errorf("%+v", a)
	}
}

func TestProxyOf(t *testing.T) {
	proxy := proxyOf("PATH=/bin\x00HTTPS_PROXY=http://u:secret-text@proxy.lan:3128\x00no_proxy=harbor.lan\x00")
	ways := []trace.Way{wayTo("https://a.lan", nil), wayTo("https://harbor.lan", nil), wayTo("http://a.lan", nil)}
	tr := tracedHosts(ways...)
	throughProxy(tr, ways, proxy)
	if got := []string{tr.Hosts[0].Proxy, tr.Hosts[1].Proxy, tr.Hosts[2].Proxy}; got[0] != "http://proxy.lan:3128" || got[1] != "" || got[2] != "" {
		t.Errorf("%q", got)
	}
	if proxyOf("PATH=/bin\x00") != nil {
		t.Error("a proxy out of nothing")
	}
}

// TestThroughProxy: the host is asked through the proxy and by no other way.
func TestThroughProxy(t *testing.T) {
	good, asked := imageServer(t, "", true)
	to, err := url.Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	ways := []trace.Way{wayTo("http://only-the-proxy-knows.example.com", nil)}
	tr := tracedHosts(ways...)
	opt := ContainerdOptions()
	opt.ProxyOf = func(*url.URL) (*url.URL, error) { return to, nil }
	AskHosts(t.Context(), tr, ways, tracedImage, opt, func(string) {})
	if !tr.Verdict.Served || !strings.Contains(asked(), "HEAD manifests/v1") || tr.Hosts[0].Proxy != good {
		t.Errorf("%+v %s", tr.Verdict, asked())
	}
}

type fakePuller struct {
	present bool
	err     error
	dropped int
}

func (f *fakePuller) Present(context.Context, string) (bool, error) { return f.present, nil }
func (f *fakePuller) Pull(_ context.Context, ref string) (cri.Pulled, error) {
	return cri.Pulled{Ref: ref, Digest: "sha256:1", Fresh: true}, f.err
}

func (f *fakePuller) DropPulled(context.Context, cri.Pulled) ([]string, error) {
	f.dropped++
	return nil, nil
}

func TestPullAndDrop(t *testing.T) {
	for _, tc := range []struct {
		name    string
		fake    fakePuller
		outcome trace.Outcome
		dropped int
	}{
		{"pulled and dropped", fakePuller{}, trace.Pulled, 1},
		{"there already", fakePuller{present: true}, trace.NotMade, 0},
		{"failed", fakePuller{err: &cri.PullError{Text: "401"}}, trace.Failed, 0},
	} {
		tr := &trace.Trace{Verdict: &trace.Verdict{Served: true}}
		if err := pullAndDrop(t.Context(), &tc.fake, tr, "r.lan/a:v1"); err != nil {
			t.Error(err)
		}
		if tr.Pull == nil || tr.Pull.Outcome != tc.outcome || tc.fake.dropped != tc.dropped {
			t.Errorf("%s: %+v, dropped %d times", tc.name, tr.Pull, tc.fake.dropped)
		}
	}
}

func TestFallsBack(t *testing.T) {
	for _, tc := range []struct {
		kind registry.Kind
		at   string
		want bool
	}{
		{registry.HTTPSOnHTTP, "https://a.lan:5000/v2", true},
		{registry.Unreachable, "https://a.lan:5000/v2", false},
		{registry.Unreachable, "https://a.lan/v2", true},
		{registry.UnknownCA, "https://a.lan/v2", false},
	} {
		if got := fallsBack(&registry.Error{Kind: tc.kind}, tc.at); got != tc.want {
			t.Errorf("%s at %s: %v", tc.kind, tc.at, got)
		}
	}
}
