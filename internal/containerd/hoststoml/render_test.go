package hoststoml

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files")

const dir = "/etc/containerd/certs.d/host"

func harbor() config.Registry {
	return config.Registry{
		Host:      "192.168.21.9",
		Endpoints: []config.Endpoint{{URL: "http://192.168.21.9"}},
		Fallback:  v1alpha1.FallbackNone,
		Auth:      &config.Auth{Username: "robot$nodes", Password: secret.New("Harbor12345")},
	}
}

func mirrored(host string, fallback v1alpha1.Fallback, endpoints ...config.Endpoint) config.Registry {
	return config.Registry{Host: host, Endpoints: endpoints, Fallback: fallback}
}

// files shows what was rendered: name, mode and contents of each.
func files(all []Rendered) string {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "-- %s %04o secret=%t --\n%s", f.Name, f.Mode, f.Secret, f.Data)
	}
	return b.String()
}

func TestRenderGolden(t *testing.T) {
	const upstream, none = v1alpha1.FallbackUpstream, v1alpha1.FallbackNone
	ca, cert, key := []byte("CA\n"), []byte("CERT\n"), secret.New("KEY\n")
	hub := config.Endpoint{URL: "https://harbor.example.com/v2/hubcache", OverridePath: true, CA: ca, DialTimeout: 2 * time.Second}
	plain := config.Endpoint{URL: "http://192.168.21.9:5000", CA: ca, InsecureSkipVerify: true, DialTimeout: 2 * time.Second}
	odd := config.Endpoint{URL: "https://harbor.example.com", Headers: []config.Header{
		{Name: "X-Quote", Value: secret.New(`a "b" \c`)}, {Name: "X.Dotted", Value: secret.New("tab\there é 😀")},
	}}
	tests := []struct {
		name     string // also the golden file
		releases []string
		reg      config.Registry
		opt      Options
	}{
		{"harbor-http-auth", []string{"1.5.18", "1.6.20", "1.7.35", "2.0.7", "2.4.2"}, harbor(), Options{HeaderAuth: true}},
		{"harbor-http-cri", []string{"1.6.20", "2.4.2"}, harbor(), Options{}},
		{"mirror-upstream", []string{"2.4.2"}, mirrored("docker.io", upstream, hub, plain), Options{}},
		{"mirror-upstream-old", []string{"1.6.20", "1.7.35", "2.0.11"}, mirrored("docker.io", upstream, hub, plain), Options{}},
		{"mirror-none", []string{"2.4.2"}, mirrored("docker.io", none, hub, plain), Options{}},
		{"mirror-probe", []string{"2.4.2"}, mirrored("docker.io", upstream, hub, plain), Options{OnlyEndpoints: true}},
		{"default-upstream", []string{"1.6.20", "2.0.7"}, mirrored("*", upstream, plain), Options{}},
		{"default-none", []string{"1.6.20", "2.0.7"}, mirrored("*", none, plain), Options{}},
		{"client-certificate", []string{"1.6.20", "2.4.2"}, mirrored("harbor.example.com", none, config.Endpoint{URL: "https://harbor.example.com", CA: ca, Cert: cert, Key: key, InsecureSkipVerify: true}), Options{}},
		{"client-combined", []string{"2.4.2"}, mirrored("harbor.example.com", none, config.Endpoint{URL: "https://harbor.example.com", Cert: cert}), Options{}},
		{"headers", []string{"1.6.20", "2.4.2"}, mirrored("harbor.example.com", none, odd), Options{}},
		{"upstream-listed-first", []string{"2.4.2"}, mirrored("harbor.example.com", upstream, config.Endpoint{URL: "https://harbor.example.com", CA: ca}, config.Endpoint{URL: "https://mirror.example.com"}), Options{}},
		{"upstream-listed-for-pull", []string{"2.4.2"}, mirrored("harbor.example.com", upstream, config.Endpoint{URL: "https://harbor.example.com:443/", CA: ca, Capabilities: []string{"pull"}}), Options{}},
		{"upstream-shares-server", []string{"2.4.2"}, mirrored("harbor.example.com", upstream, config.Endpoint{URL: "https://harbor.example.com/v2/hubcache", OverridePath: true, CA: ca, Headers: []config.Header{{Name: "X-Team", Value: secret.New("blue")}}}), Options{}},
		{"ipv6-alone", []string{"1.6.20", "2.4.2"}, mirrored("[fd00::1]:5000", none, config.Endpoint{URL: "http://[fd00::1]:5000"}), Options{}},
		{"ipv6-among-others", []string{"2.4.2"}, mirrored("docker.io", upstream, config.Endpoint{URL: "http://[fd00::1]:5000"}), Options{}},
	}
	for _, tc := range tests {
		for _, rel := range tc.releases {
			t.Run(tc.name+"/"+rel, func(t *testing.T) {
				tc.opt.Release, tc.opt.Dir = release(t, rel), dir
				out, err := Render(tc.reg, tc.opt)
				if err != nil {
					t.Fatal(err)
				}
				got, golden := files(out), filepath.Join("testdata", "render", tc.name+".golden")
				if *update {
					if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if _, problems := Parse(out[len(out)-1].Data, tc.opt.Release); len(problems) > 0 {
					t.Errorf("what was written has problems: %v", problems)
				}
			})
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	withHeader := func(name, value string) config.Registry {
		r := harbor()
		r.Endpoints[0].Headers = []config.Header{{Name: name, Value: secret.New(value)}}
		return r
	}
	endpoint := func(e config.Endpoint) config.Registry { return mirrored("docker.io", v1alpha1.FallbackNone, e) }
	user := func(name string) config.Registry {
		r := harbor()
		r.Auth.Username = name
		return r
	}
	tests := []struct {
		name, release string
		reg           config.Registry
		mentions      string
	}{
		{"host with a path", "2.4.2", mirrored("a/../b", "none", config.Endpoint{URL: "http://a"}), "not a registry host"},
		{"* on a release without _default", "1.6.16", mirrored("*", "none", config.Endpoint{URL: "http://a"}), "no effect"},
		{"no endpoint", "2.4.2", mirrored("docker.io", "none"), "no endpoint"},
		{"override_path on 1.5", "1.5.18", endpoint(config.Endpoint{URL: "https://a/v2/x", OverridePath: true}), "override_path"},
		{"IPv6 in a table name on 1.x", "1.7.35", mirrored("docker.io", "upstream", config.Endpoint{URL: "http://[fd00::1]:5000"}), "brackets"},
		{"endpoint without scheme", "2.4.2", endpoint(config.Endpoint{URL: "a.example.com"}), "http:// or https://"},
		{"endpoint with a password", "2.4.2", endpoint(config.Endpoint{URL: "https://u:Harbor12345@a.example.com"}), "http:// or https://"},
		{"endpoint that is no URL", "2.4.2", endpoint(config.Endpoint{URL: "https://a b"}), "http:// or https://"},
		{"endpoint twice", "2.4.2", mirrored("docker.io", "none", config.Endpoint{URL: "https://a"}, config.Endpoint{URL: "https://a:443/v2"}), "twice"},
		{"capabilities of nothing", "2.4.2", endpoint(config.Endpoint{URL: "https://a", Capabilities: []string{"push"}}), "neither pull nor resolve"},
		{"key without certificate", "2.4.2", endpoint(config.Endpoint{URL: "https://a", Key: secret.New("Harbor12345")}), "without certificate"},
		{"negative timeout", "2.4.2", endpoint(config.Endpoint{URL: "https://a", DialTimeout: -1}), "negative"},
		{"line end in a header", "2.4.2", withHeader("X", "Harbor12345\nY: z"), "line end"},
		{"NUL in a header", "2.4.2", withHeader("X", "Harbor12345\x00"), "control"},
		{"invalid UTF-8 in a header", "2.4.2", withHeader("X", "Harbor12345\xff"), "UTF-8"},
		{"header name", "2.4.2", withHeader("X Y", "z"), "not the name"},
		{"second Authorization", "2.4.2", withHeader("authorization", "Basic Harbor12345"), "two values"},
		{"user name with a colon", "2.4.2", user("a:b"), "Basic"},
		{"no user name", "2.4.2", user(""), "Basic"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			out, err := Render(tc.reg, Options{Release: release(t, tc.release), Dir: dir, HeaderAuth: true})
			var e *Error
			if !errors.As(err, &e) || out != nil {
				t.Fatalf("got %v, %v, want an *Error", out, err)
			}
			if !strings.Contains(e.Text, tc.mentions) || strings.ContainsAny(e.Text+e.Hint, "\n\r") || strings.Contains(e.Text, "Harbor12345") {
				t.Errorf("text %q", e.Text)
			}
		})
	}
	if _, err := Render(harbor(), Options{Release: release(t, "2.4.2"), Dir: "certs.d"}); err == nil {
		t.Error("a relative directory was taken")
	}
}
