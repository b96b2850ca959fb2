package hoststoml

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/secret"
)

// certificate makes a PEM certificate and its key.
func certificate(t testing.TB) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}

// releases stand on both sides of every bound that Render and Parse know.
var releases = []string{"1.5.18", "1.6.16", "1.6.20", "1.7.31", "1.7.35", "2.0.7", "2.0.12", "2.1.0", "2.2.0", "2.4.2"}

func anyRelease() *rapid.Generator[containerd.Release] {
	return rapid.Custom(func(t *rapid.T) containerd.Release {
		r, _ := containerd.ParseRelease(rapid.SampledFrom(releases).Draw(t, "release"))
		return r
	})
}

// anyRegistry draws registries that internal/config would let through.
func anyRegistry(cert, key []byte) *rapid.Generator[config.Registry] {
	value := rapid.StringOfN(rapid.RuneFrom([]rune("aZ09 \"\\#='[]{}\tü€😀$+,;")), 0, 12, -1)
	endpoint := rapid.Custom(func(t *rapid.T) config.Endpoint {
		e := config.Endpoint{
			URL: rapid.SampledFrom([]string{"http://", "https://"}).Draw(t, "scheme") +
				rapid.SampledFrom([]string{"192.168.21.9", "192.0.2.7:5000", "harbor.example.com", "harbor.example.com:8443", "mirror.example.com"}).Draw(t, "host"),
			Capabilities: rapid.SampledFrom([][]string{nil, {"pull", "resolve"}, {"pull"}}).Draw(t, "capabilities"),
			DialTimeout:  rapid.SampledFrom([]time.Duration{0, time.Second, 90 * time.Second, 1500 * time.Millisecond}).Draw(t, "dial"),
		}
		switch rapid.IntRange(0, 3).Draw(t, "path") {
		case 1:
			e.URL, e.OverridePath = e.URL+"/v2/hubcache", true
		case 2:
			e.URL += "/registry"
		}
		if rapid.Bool().Draw(t, "tls") {
			e.CA, e.InsecureSkipVerify = cert, rapid.Bool().Draw(t, "skip")
		}
		if rapid.Bool().Draw(t, "client") {
			e.Cert, e.Key = cert, secret.New(string(key))
		}
		for _, n := range []string{"User-Agent", "X-Api.Key", "x-lower", "X!#$%&'*+^`|~"} {
			if rapid.IntRange(0, 3).Draw(t, "header") == 0 {
				e.Headers = append(e.Headers, config.Header{Name: n, Value: secret.New(value.Draw(t, n))})
			}
		}
		return e
	})
	return rapid.Custom(func(t *rapid.T) config.Registry {
		r := config.Registry{
			Host: rapid.SampledFrom([]string{"docker.io", "harbor.example.com", "192.168.21.9", "192.0.2.7:5000", "[fd00::1]:5000", "*"}).Draw(t, "registry"),
			Endpoints: rapid.SliceOfNDistinct(endpoint, 1, 4, func(e config.Endpoint) string {
				return e.URL
			}).Draw(t, "endpoints"),
			Fallback: rapid.SampledFrom([]v1alpha1.Fallback{v1alpha1.FallbackNone, v1alpha1.FallbackUpstream}).Draw(t, "fallback"),
		}
		if rapid.Bool().Draw(t, "auth") {
			r.Auth = &config.Auth{Username: "robot$team+puller", Password: secret.New("pa:ss\"\\" + value.Draw(t, "password"))}
		}
		return r
	})
}

var sameHeaders = cmp.Comparer(func(a, b secret.Value) bool { return a.Reveal() == b.Reveal() })

// What is written for a release is read by it without a word, and means the same.
func TestRenderRoundTrip(t *testing.T) {
	cert, key := certificate(t)
	rapid.Check(t, func(t *rapid.T) {
		reg, rel := anyRegistry(cert, key).Draw(t, "registry"), anyRelease().Draw(t, "release")
		opt := Options{Release: rel, Dir: "/etc/containerd/certs.d/x", HeaderAuth: rapid.Bool().Draw(t, "headerAuth"), OnlyEndpoints: rapid.Bool().Draw(t, "only")}
		dir, err := FromRegistry(reg, opt)
		if err != nil {
			if (reg.Host == "*" && !rel.HasDefaultHost()) || !rel.HasOverridePath() {
				return
			}
			t.Fatal(err)
		}
		files, err := dir.Render(rel)
		if err != nil {
			t.Fatal(err)
		}
		toml := files[len(files)-1]
		doc, problems := Parse(toml.Data, rel)
		problems = slices.DeleteFunc(problems, func(p Problem) bool {
			// The registry as it was asked for may be one that cannot serve tags, and
			// may name two paths of one server with different certificates.
			return p.ID == "HST010" || (p.ID == "HST012" && sharedServers(reg))
		})
		if len(problems) > 0 {
			t.Fatalf("%v\n%s", problems, toml.Data)
		}
		if diff := cmp.Diff(&dir.Document, doc, cmpopts.IgnoreFields(Host{}, "Line"), sameHeaders, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-meant +read)\n%s\n%s", diff, toml.Data)
		}
		checkMeaning(t, reg, opt, doc)
		checkFiles(t, files, opt, doc)
		if masked := Mask(toml.Data); strings.Count(string(masked), "\n") != strings.Count(string(toml.Data), "\n") {
			t.Fatalf("masking moved lines:\n%s\n%s", toml.Data, masked)
		}
	})
}

// checkMeaning says the promises of Render apart from its code.
func checkMeaning(t *rapid.T, reg config.Registry, opt Options, doc *Document) {
	entries := slices.Clone(doc.Hosts)
	if doc.Server != "" {
		root := doc.Root
		root.URL = doc.Server
		entries = append(entries, root)
	}
	upstream := reg.Fallback == v1alpha1.FallbackUpstream && !opt.OnlyEndpoints
	if !upstream && len(entries) != len(reg.Endpoints) {
		t.Fatalf("%d entries for %d endpoints without upstream", len(entries), len(reg.Endpoints))
	}
	if doc.Server == "" && !(upstream && reg.Host == "*") {
		t.Fatal("without server containerd asks the upstream")
	}
	for i, e := range reg.Endpoints {
		if entries[i].URL != e.URL {
			t.Fatalf("entry %d is %q, want %q", i, entries[i].URL, e.URL)
		}
		if strings.HasPrefix(e.URL, "http://") && entries[i].hasTLS() {
			t.Fatalf("http endpoint %q has TLS keys", e.URL)
		}
		has := slices.Contains(headerNames(&entries[i]), "Authorization")
		if want := opt.HeaderAuth && reg.Auth != nil; has != want {
			t.Fatalf("endpoint %q: Authorization %t, want %t", e.URL, has, want)
		}
	}
	for _, extra := range entries[len(reg.Endpoints):] {
		listed := slices.ContainsFunc(reg.Endpoints, func(e config.Endpoint) bool { return e.URL == extra.URL })
		if !listed && len(extra.Headers) > 0 {
			t.Fatalf("upstream %q that nobody listed has headers", extra.URL)
		}
		if !slices.ContainsFunc(reg.Endpoints, func(e config.Endpoint) bool { return strings.HasPrefix(e.URL, extra.URL) }) && extra.hasTLS() {
			t.Fatalf("upstream %q that no endpoint shares has TLS keys", extra.URL)
		}
	}
}

// sharedServers reports whether two endpoints are paths of one server.
func sharedServers(reg config.Registry) bool {
	seen := map[string]bool{}
	for _, e := range reg.Endpoints {
		t, _ := targetOf(e.URL, false)
		if k := t.scheme + t.dial(); seen[k] {
			return true
		} else {
			seen[k] = true
		}
	}
	return false
}

func checkFiles(t *rapid.T, files []Rendered, opt Options, doc *Document) {
	byName := map[string]Rendered{}
	for _, f := range files {
		if path.Base(f.Name) != f.Name || strings.HasSuffix(f.Name, ".crt") || strings.HasSuffix(f.Name, ".cert") {
			t.Fatalf("file name %q", f.Name)
		}
		if f.Secret != (f.Mode == 0o600) {
			t.Fatalf("%s: secret %t, mode %o", f.Name, f.Secret, f.Mode)
		}
		byName[f.Name] = f
	}
	toml := files[len(files)-1]
	if toml.Name != FileName || len(byName) != len(files) || !Ours(toml.Data) {
		t.Fatalf("files %v", byName)
	}
	headers := 0
	for _, h := range append(slices.Clone(doc.Hosts), doc.Root) {
		headers += len(h.Headers)
		named := slices.Clone(h.CA)
		for _, p := range h.Client {
			named = append(named, p[0], p[1])
		}
		for _, n := range named {
			if _, ok := byName[path.Base(n)]; !ok || path.Dir(n) != opt.Dir {
				t.Fatalf("hosts.toml names %q, which is not written", n)
			}
		}
	}
	if toml.Secret != (headers > 0) {
		t.Fatalf("secret %t with %d headers", toml.Secret, headers)
	}
}

// rereadOptions compare documents apart from where they were read.
var rereadOptions = []cmp.Option{cmpopts.IgnoreFields(Host{}, "Line"), sameHeaders, cmpopts.EquateEmpty()}
