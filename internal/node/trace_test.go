package node

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/registry"
	"github.com/pullway/pullway/internal/secret"
	"github.com/pullway/pullway/internal/trace"
)

func TestAskWay(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("ns") != "docker.io":
			w.WriteHeader(http.StatusTeapot)
		case r.Header.Get("X-Key") != "k":
			w.Header().Set("Www-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path != "/v2/hub/team/app/manifests/v1":
			http.NotFound(w, r)
		default:
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("a", 64))
			w.Header().Set("Content-Length", "2")
		}
	}))
	defer server.Close()
	key := []config.Header{{Name: "X-Key", Value: secret.New("k")}}
	way := func(url string) trace.Way {
		return trace.Way{Endpoint: config.Endpoint{URL: url + "/v2/hub", OverridePath: true, Headers: key}, Namespace: "docker.io"}
	}
	https := way("https" + strings.TrimPrefix(server.URL, "http"))
	https.HTTP = server.URL + "/v2/hub"
	noKey := way(server.URL)
	noKey.Endpoint.Headers = nil
	for _, tc := range []struct {
		name  string
		way   trace.Way
		tag   string
		fault string
		plain bool
		hint  string
	}{
		{"served", way(server.URL), "v1", "", false, ""},
		{"missing", way(server.URL), "v2", "missing-image", false, "push it"},
		{"https first, then http", https, "v1", "", true, ""},
		{"no credential", noKey, "v1", "credential", false, "check the user name"},
		{"nobody there", way("http://127.0.0.1:1"), "v1", "unreachable", false, "check the port"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := askWay(t.Context(), tc.way, registry.Image{Path: "team/app", Reference: tc.tag}, registry.Options{})
			if a.Fault != tc.fault || a.HTTP != tc.plain || !strings.Contains(a.Hint, tc.hint) || len(a.Steps) == 0 || a.Took <= 0 {
				t.Errorf("%+v", a)
			}
			if again := slices.ContainsFunc(a.Steps, func(s trace.Step) bool { return s.Name == "http" }); again != tc.plain {
				t.Errorf("steps %+v", a.Steps)
			}
		})
	}
}

// askWay asks one host what the image's name stands for.
func askWay(ctx context.Context, w trace.Way, image registry.Image, opt registry.Options) trace.Answer {
	g := newGuests([]trace.Way{w}, image, opt)
	defer g.close()
	return g[0].resolve(ctx)
}
