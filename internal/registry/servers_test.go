package registry

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

const (
	robot    = "robot$team+puller"
	password = "s3cret-of-the-robot"
)

var (
	good = &config.Auth{Username: robot, Password: secret.New(password)}
	bad  = &config.Auth{Username: robot, Password: secret.New("not-it")}

	private = Image{"team/app", "v1"}
	public  = Image{"open/app", "v1"}
	foreign = Image{"other/app", "v1"}
	absent  = Image{"team/nosuch", "v1"}
	lost    = Image{"nosuch/app", "v1"}
)

func basicOf(user, pass string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass))
}

// journal keeps what a server was asked: "METHOD PATH none|basic|bearer".
type journal struct {
	sync.Mutex
	lines   []string
	headers []http.Header
}

func (j *journal) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, _ := strings.Cut(strings.ToLower(r.Header.Get("Authorization")), " ")
		if kind == "" {
			kind = "none"
		}
		j.Lock()
		j.lines = append(j.lines, r.Method+" "+r.URL.Path+" "+kind)
		j.headers = append(j.headers, r.Header.Clone())
		j.Unlock()
		h.ServeHTTP(w, r)
	})
}

func (j *journal) count(line string) (n int) {
	j.Lock()
	defer j.Unlock()
	for _, l := range j.lines {
		if l == line {
			n++
		}
	}
	return n
}

func (j *journal) with(kind string) (n int) {
	j.Lock()
	defer j.Unlock()
	for _, l := range j.lines {
		if strings.HasSuffix(l, " "+kind) {
			n++
		}
	}
	return n
}

func serve(t testing.TB, h http.Handler) (config.Endpoint, *journal) {
	t.Helper()
	j := &journal{}
	s := httptest.NewServer(j.wrap(h))
	t.Cleanup(s.Close)
	return config.Endpoint{URL: s.URL}, j
}

func refuse(w http.ResponseWriter, challenge string) {
	w.Header().Set("Www-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`)
}

// repository takes /v2/PATH/manifests/TAG apart; ok is false for other paths.
func repository(path string) (string, bool) {
	path, ok := strings.CutPrefix(path, "/v2/")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(path, "/manifests/v1")
}

// harbor answers as Harbor 2.15 does. The robot reads team/, not other/.
func harbor(scheme string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization := r.Header.Get("Authorization")
		known := authorization == basicOf(robot, password)
		repo, isManifest := repository(r.URL.Path)
		bearer := fmt.Sprintf(`Bearer realm="%s://%s/service/token",service="harbor-registry"`, scheme, r.Host)
		if isManifest {
			bearer += `,scope="repository:` + repo + `:pull"`
		}
		switch {
		case r.URL.Path == "/service/token" && r.Method != http.MethodGet:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case r.URL.Path == "/service/token" && r.URL.Query().Get("scope") == "" && !known:
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/service/token":
			fmt.Fprintf(w, `{"token":"for-%s","access_token":"","expires_in":1800}`, r.URL.Query().Get("scope"))
		case !strings.HasPrefix(r.URL.Path, "/v2/"):
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!doctype html><title>Harbor</title>")
		case strings.HasPrefix(repo, "nosuch/") && authorization != "":
			refuse(w, "")
		case strings.HasPrefix(repo, "open/") && authorization != "":
			fmt.Fprint(w, "{}")
		case authorization == "":
			refuse(w, bearer)
		case !known || strings.HasPrefix(repo, "other/"):
			refuse(w, `Basic realm="harbor"`)
		case !isManifest && r.URL.Path != "/v2/", repo == "team/nosuch":
			w.WriteHeader(http.StatusNotFound)
		default:
			fmt.Fprint(w, "{}")
		}
	})
}

// tokenOnly answers as Docker Hub's shape does: Basic is nothing on /v2/, and
// the token service refuses a wrong password. realm "" means the same host.
func tokenOnly(realm string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization := r.Header.Get("Authorization")
		repo, isManifest := repository(r.URL.Path)
		if realm == "" {
			realm = "http://" + r.Host
		}
		bearer := fmt.Sprintf(`Bearer realm="%s/token",service="registry.example.com"`, realm)
		switch {
		case r.URL.Path == "/token":
			who := "nobody"
			if authorization != "" {
				if authorization != basicOf(robot, password) {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				who = "robot"
			}
			fmt.Fprintf(w, `{"access_token":"%s"}`, who)
		case !strings.HasPrefix(authorization, "Bearer "):
			refuse(w, bearer)
		case !isManifest, strings.HasPrefix(repo, "open/"):
			fmt.Fprint(w, "{}")
		case repo == "team/app" && authorization == "Bearer robot":
			fmt.Fprint(w, "{}")
		case repo == "team/nosuch" && authorization == "Bearer robot":
			w.WriteHeader(http.StatusNotFound)
		default:
			refuse(w, bearer+`,error="insufficient_scope"`)
		}
	})
}

// htpasswd answers as distribution does with auth.htpasswd; noHead as one that
// knows no HEAD.
func htpasswd(noHead bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		repo, isManifest := repository(r.URL.Path)
		switch {
		case noHead && r.Method == http.MethodHead:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case r.Header.Get("Authorization") != basicOf(robot, password):
			refuse(w, `Basic realm="Registry Realm"`)
		case isManifest && repo != "team/app":
			w.WriteHeader(http.StatusNotFound)
		default:
			fmt.Fprint(w, "{}")
		}
	})
}

// open is a registry without authentication.
var open = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if repo, ok := repository(r.URL.Path); ok && repo != "open/app" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	fmt.Fprint(w, "{}")
})
