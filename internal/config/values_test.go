package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/secret"
)

func TestParseImage(t *testing.T) {
	sha := "sha256:" + strings.Repeat("ab", 32)
	for ref, want := range map[string]Image{
		"nginx":                                   {"docker.io", "library/nginx", "latest", ""},
		"nginx:1.27":                              {"docker.io", "library/nginx", "1.27", ""},
		"team/app":                                {"docker.io", "team/app", "latest", ""},
		"index.docker.io/nginx":                   {"docker.io", "library/nginx", "latest", ""},
		"registry-1.docker.io/library/nginx":      {"registry-1.docker.io", "library/nginx", "latest", ""},
		"harbor/app":                              {"docker.io", "harbor/app", "latest", ""},
		"localhost/app":                           {"localhost", "app", "latest", ""},
		"192.168.21.9/library/test-image:latest":  {"192.168.21.9", "library/test-image", "latest", ""},
		"192.168.21.9:5000/a/b/c:v1":              {"192.168.21.9:5000", "a/b/c", "v1", ""},
		"[fd00::1]:5000/app":                      {"[fd00::1]:5000", "app", "latest", ""},
		"harbor.example.com/app@" + sha:           {"harbor.example.com", "app", "", sha},
		"harbor.example.com/app:v1@" + sha:        {"harbor.example.com", "app", "", sha},
		"Harbor.example.com/app":                  {"Harbor.example.com", "app", "latest", ""},
		"gcr.io/distroless/static-debian12:debug": {"gcr.io", "distroless/static-debian12", "debug", ""},
	} {
		got, err := ParseImage(ref)
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v; want %+v", ref, got, err, want)
		}
	}
	for _, ref := range []string{"", "a b", "http://a.b/c", "a.b/C", "a.b/c:", "a.b/", strings.Repeat("a", 2000), strings.Repeat("a", 64)} {
		if im, err := ParseImage(ref); err == nil {
			t.Errorf("%.40q is %+v", ref, im)
		}
	}
}

func TestRegistryFor(t *testing.T) {
	d := Desired{Registries: []Registry{{Host: AnyHost}, {Host: "docker.io"}}}
	for host, want := range map[string]string{"docker.io": "docker.io", "quay.io": "*", "docker.io:443": "*"} {
		if r, ok := d.RegistryFor(host); !ok || r.Host != want {
			t.Errorf("%s is served by %q, %v; want %q", host, r.Host, ok, want)
		}
	}
	if r, ok := (Desired{Registries: []Registry{{Host: "docker.io"}}}).RegistryFor("quay.io"); ok {
		t.Errorf("quay.io is served by %q", r.Host)
	}
}

func TestQuota(t *testing.T) {
	for _, c := range []struct {
		spec        string
		total, want int
	}{
		{"3", 100, 3}, {"3", 2, 3}, {"10%", 100, 10}, {"10%", 109, 10}, {"10%", 9, 1}, {"1%", 5, 1},
		{"100%", 7, 7}, {"33%", 10, 3}, {"10%", 0, 1}, {"50%", 1, 1}, {"99%", 199, 197},
		{"10%", 3, 1}, {"10%", 1, 1}, {"10%", 11, 1}, {"10%", 19, 1}, {"10%", 20, 2}, {"100%", 1, 1}, {"100%", 3, 3}, {"34%", 3, 1}, {"67%", 3, 2}, {"1%", 5000, 50},
	} {
		q, err := ParseQuota(c.spec)
		if err != nil || q.Of(c.total) != c.want || q.String() != c.spec {
			t.Errorf("%s of %d is %d, %v, %s; want %d", c.spec, c.total, q.Of(c.total), err, q, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		total, percent := rapid.IntRange(0, 1<<50).Draw(t, "total"), rapid.IntRange(1, 100).Draw(t, "percent")
		n := Quota{Value: percent, Percent: true}.Of(total)
		if n < 1 || n > max(1, total) || total < 1<<40 && n != max(1, total*percent/100) {
			t.Fatalf("%d%% of %d is %d", percent, total, n)
		}
	})
	var q Quota
	if b, err := json.Marshal(Quota{10, true}); err != nil || string(b) != `"10%"` || json.Unmarshal(b, &q) != nil || q != (Quota{10, true}) {
		t.Errorf("as JSON %s, back %+v, %v", b, q, err)
	}
}

func TestDefaultFallback(t *testing.T) {
	for _, c := range []struct {
		reason, host string
		urls         []string
		want         v1alpha1.Fallback
	}{
		{"nothing but the host", "harbor.example.com", nil, "none"},
		{"the host over http", "192.168.21.9", []string{"http://192.168.21.9"}, "none"},
		{"the port of the scheme is the same server", "192.168.21.9", []string{"http://192.168.21.9:80/"}, "none"},
		{"and the other way round", "192.168.21.9:443", []string{"https://192.168.21.9"}, "none"},
		{"both schemes", "192.168.21.9", []string{"https://192.168.21.9", "http://192.168.21.9"}, "none"},
		{"Docker Hub's own server", "index.docker.io", []string{"https://registry-1.docker.io"}, "none"},
		{"another port is another server", "192.168.21.9", []string{"http://192.168.21.9:8080"}, "upstream"},
		{"a path is a mirror", "harbor.example.com", []string{"https://harbor.example.com/v2/cache"}, "upstream"},
		{"a mirror", "docker.io", []string{"http://192.168.21.9"}, "upstream"},
		{"a mirror beside the host", "a.example.com", []string{"https://a.example.com", "https://b.example.com"}, "upstream"},
		{"the rest", "*", []string{"http://192.168.21.9"}, "upstream"},
	} {
		r := v1alpha1.Registry{Host: c.host}
		for _, u := range c.urls {
			r.Endpoints = append(r.Endpoints, v1alpha1.Endpoint{URL: u})
		}
		in := v1alpha1.RegistryConfig{Spec: v1alpha1.Spec{Registries: []v1alpha1.Registry{r}}}
		before := fmt.Sprintf("%+v", in)
		got := Default(in).Spec.Registries[0]
		if got.Fallback != c.want {
			t.Errorf("%s: fallback is %s, want %s", c.reason, got.Fallback, c.want)
		}
		if after := fmt.Sprintf("%+v", in); before != after {
			t.Errorf("%s: the input was changed: %s", c.reason, after)
		}
		if diff := cmp.Diff(Default(in), Default(Default(in))); diff != "" {
			t.Errorf("%s: defaults twice differ: %s", c.reason, diff)
		}
	}
}

func TestHosts(t *testing.T) {
	for _, host := range []string{
		"*", "docker.io", "192.168.21.9", "192.168.21.9:5000", "[fd00::1]", "[fd00::1]:5000", "localhost", "localhost:5000", "harbor:5000",
		"a-b.example.com:65535", "xn--hrbor-gra.example.com", "Harbor.example.com", "1.example.com",
	} {
		if f := checkRegistryHost(host); f != nil {
			t.Errorf("%s: %v", host, f)
		}
	}
	for _, host := range []string{"", ".", "a.", ".a", "-a.b", "a-.b", "a.b:", "a.b:0", "a.b:65536", "a.b:+1", "a.b:1:2", "[::1", "[a.b]", "[::ffff:1.2.3.4]", "1.2.3", "1.2.3.4.5", "a.b\\c", "a.b'", `a.b"`, "$(id).b", "a.b\x00", "*.b", "../a", "a.b/../c"} {
		if checkRegistryHost(host) == nil {
			t.Errorf("%q was accepted", host)
		}
	}
	// A host that passes is safe as a folder's name and as a TOML key, and is
	// what a reference of it is read back as.
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.StringMatching(`[a-zA-Z0-9.:\[\]/@\\$" -]{0,20}`).Draw(t, "host")
		if checkRegistryHost(host) != nil || host == AnyHost {
			return
		}
		if strings.ContainsAny(host, "/\\\"'$ @") || strings.Contains(host, "..") {
			t.Fatalf("%q was accepted", host)
		}
		if im, err := ParseImage(host + "/a/b"); err != nil || im.Host != host {
			t.Fatalf("%q is read back as %+v, %v", host, im, err)
		}
	})
}

func TestDigest(t *testing.T) {
	make := func(change func(*Desired)) Desired {
		d := Desired{Name: "default", Registries: []Registry{{
			Host: "a.example.com", Fallback: v1alpha1.FallbackNone,
			Endpoints: []Endpoint{{URL: "https://a.example.com", Key: secret.New("k"), Headers: []Header{{"X", secret.New("h")}}}},
			Auth:      &Auth{Username: "u", Password: secret.New("p"), Delivery: v1alpha1.DeliveryAuto},
		}}}
		if change != nil {
			change(&d)
		}
		return d
	}
	want := make(nil).Digest()
	for name, change := range map[string]func(*Desired){
		"password":   func(d *Desired) { d.Registries[0].Auth.Password = secret.New("other") },
		"no secrets": func(d *Desired) { d.Registries[0].Auth.Password = secret.Value{} },
		"key":        func(d *Desired) { d.Registries[0].Endpoints[0].Key = secret.New("other") },
		"header":     func(d *Desired) { d.Registries[0].Endpoints[0].Headers[0].Value = secret.New("other") },
		"accepts":    func(d *Desired) { d.Registries[0].Auth.Accepts = AcceptsBasic },
	} {
		d := make(change)
		before := d.ToWire()
		if d.Digest() != want {
			t.Errorf("%s changes the digest", name)
		}
		if diff := cmp.Diff(before, d.ToWire()); diff != "" {
			t.Errorf("%s: taking the digest changed it: %s", name, diff)
		}
	}
	for name, change := range map[string]func(*Desired){
		"url":      func(d *Desired) { d.Registries[0].Endpoints[0].URL += ":1" },
		"user":     func(d *Desired) { d.Registries[0].Auth.Username = "v" },
		"no auth":  func(d *Desired) { d.Registries[0].Auth = nil },
		"fallback": func(d *Desired) { d.Registries[0].Fallback = v1alpha1.FallbackUpstream },
		"ca":       func(d *Desired) { d.Registries[0].Endpoints[0].CA = []byte("x") },
		"images":   func(d *Desired) { d.VerifyImages = []string{"x"} },
	} {
		if make(change).Digest() == want {
			t.Errorf("%s does not change the digest", name)
		}
	}
}

func TestWireCarriesSecretsAndPrintsNone(t *testing.T) {
	l, err := Load(t.Context(), "testdata/good/full.yaml", newFixture(t).sources(), atTestNow())
	if err != nil {
		t.Fatal(err)
	}
	w := l.Desired.ToWire()
	b, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var back Wire
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	got, err := FromWire(back)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.Desired, got); diff != "" {
		t.Error(diff)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, x := range []any{w, l.Desired, *l, l} {
			if s := fmt.Sprintf(verb, x); strings.Contains(s, password) || strings.Contains(s, "PRIVATE KEY") {
				t.Errorf("%s of %T shows a secret: %s", verb, x, s)
			}
		}
	}
}

func TestNearestKey(t *testing.T) {
	for _, c := range []struct{ unknown, meant, hint string }{
		{"hots", "host", "did you mean host?"},
		{"Host", "host", "did you mean host?"},
		{"fall_back", "fallback", "did you mean fallback?"},
		{"mirrors", "", "did you mean endpoints?"},
		{"url", "", "it belongs to spec.registries[].endpoints[].url"},
		{"zzzzzzzz", "", "known keys are host, endpoints, fallback, auth"},
		{strings.Repeat("host", 100), "", ""},
	} {
		meant, hint := nearestKeyOfRegistry(c.unknown)
		if meant != c.meant || hint != c.hint {
			t.Errorf("%.20s is %q, %q; want %q, %q", c.unknown, meant, hint, c.meant, c.hint)
		}
	}
}

func TestProblemsPrintOneLineEach(t *testing.T) {
	for want, p := range map[string]Problem{
		"f.yaml:3:5: spec.x: is bad": {File: "f.yaml", Path: "spec.x", Line: 3, Column: 5, Text: "is bad"},
		"f.yaml: is bad":             {File: "f.yaml", Text: "is bad", Hint: "h"},
		"spec.x: is bad":             {Path: "spec.x", Text: "is bad"},
		"is bad":                     {Text: "is bad"},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if (Problems{}).AsError() != nil || (Problems{{Text: "a"}}).AsError() == nil {
		t.Error("AsError is wrong about emptiness")
	}
}

func TestShowHidesCredentials(t *testing.T) {
	for in, want := range map[string]string{
		"http://admin:Harbor12345@h":    `"http://…@h"`,
		"admin:Harbor12345@h/x":         `"…@h/x"`,
		"admin:Har@bor12345@h":          `"…@h"`,
		"https://h/?token=Harbor12345":  `"https://h/…"`,
		"h/app@sha256:0123":             `"h/app@sha256:0123"`,
		"u:Harbor12345@h/app@sha256:01": `"…@h/app@sha256:01"`,
		"a\nb":                          `"a\nb"`,
	} {
		if got := show(in); got != want {
			t.Errorf("%s is shown as %s, want %s", in, got, want)
		}
	}
}

func nearestKeyOfRegistry(unknown string) (meant, hint string) {
	return nearestKey(unknown, reflect.TypeFor[v1alpha1.Registry](), reflect.TypeFor[v1alpha1.RegistryConfig]())
}
