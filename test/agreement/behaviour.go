package agreement

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

// The one account of the world.
const (
	User     = "robot"
	Password = "Harbor12345"
)

// asked is a request to a registry, taken apart.
type asked struct {
	prefix, repo, kind, reference string
}

// behaviours are the registries that are called NAME.example.com. One returns false to have
// the request answered as a good registry does.
var behaviours = map[string]func(rw http.ResponseWriter, r *http.Request, a asked) bool{
	"registry": good,
	"mirror":   good,
	"second":   good,
	"httpbin":  good, // its name begins with http
	"private":  good,
	"storage":  good,
	"e400":     status(400),
	"e403":     status(403),
	"e404":     status(404),
	"e418":     status(418),
	"e429":     status(429),
	"e500":     status(500),
	"e502":     status(502),
	"e503":     status(503),
	"r300":     status(300),
	"r304":     status(304),
	"e401": func(rw http.ResponseWriter, _ *http.Request, _ asked) bool {
		rw.Header().Set("Www-Authenticate", `Basic realm="e401"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return true
	},
	"bare401": status(401), // with no challenge
	"basic": func(rw http.ResponseWriter, r *http.Request, _ asked) bool {
		if basic(r) {
			return false
		}
		rw.Header().Set("Www-Authenticate", `Basic realm="basic"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return true
	},
	"token":    tokens("token"),
	"notoken":  tokens("notoken"), // its token service is broken
	"yestoken": tokens("yestoken"),
	"html": func(rw http.ResponseWriter, _ *http.Request, _ asked) bool {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = rw.Write([]byte("<html>a page</html>"))
		return true
	},
	"redirect": func(rw http.ResponseWriter, r *http.Request, _ asked) bool {
		http.Redirect(rw, r, "https://storage.example.com"+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		return true
	},
	"loop": func(rw http.ResponseWriter, r *http.Request, _ asked) bool {
		http.Redirect(rw, r, r.URL.RequestURI(), http.StatusFound)
		return true
	},
	"hops": func(rw http.ResponseWriter, r *http.Request, _ asked) bool {
		n := len(r.URL.Query()["hop"])
		if n >= 5 {
			return false
		}
		q := r.URL.Query()
		q.Add("hop", "x")
		http.Redirect(rw, r, r.URL.Path+"?"+q.Encode(), http.StatusFound)
		return true
	},
	"lost": func(rw http.ResponseWriter, _ *http.Request, _ asked) bool {
		rw.WriteHeader(http.StatusFound) // to nowhere
		return true
	},
	"closes": func(_ http.ResponseWriter, _ *http.Request, _ asked) bool { panic(http.ErrAbortHandler) },
	"nohead": func(rw http.ResponseWriter, r *http.Request, _ asked) bool {
		if r.Method != http.MethodHead {
			return false
		}
		rw.WriteHeader(http.StatusMethodNotAllowed)
		return true
	},
	"nodigest":   good, // see serve
	"nomanifest": on(func(a asked) bool { return a.kind == "manifests" && strings.HasPrefix(a.reference, "sha256:") }, status(404)),
	"noblob":     on(func(a asked) bool { return a.kind == "blobs" }, status(404)),
	"blob401":    on(func(a asked) bool { return a.kind == "blobs" }, status(401)),
	"blob403":    on(func(a asked) bool { return a.kind == "blobs" }, status(403)),
	"blob500":    on(func(a asked) bool { return a.kind == "blobs" }, status(500)),
	"blobcut":    on(func(a asked) bool { return a.kind == "blobs" }, func(http.ResponseWriter, *http.Request, asked) bool { panic(http.ErrAbortHandler) }),
	"blobfar": on(func(a asked) bool { return a.kind == "blobs" }, func(rw http.ResponseWriter, r *http.Request, _ asked) bool {
		http.Redirect(rw, r, "https://storage.example.com"+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		return true
	}),
}

type behaviour = func(rw http.ResponseWriter, r *http.Request, a asked) bool

func good(http.ResponseWriter, *http.Request, asked) bool { return false }

func on(when func(asked) bool, then behaviour) behaviour {
	return func(rw http.ResponseWriter, r *http.Request, a asked) bool { return when(a) && then(rw, r, a) }
}

func status(code int) behaviour {
	return func(rw http.ResponseWriter, _ *http.Request, _ asked) bool {
		rw.WriteHeader(code)
		return true
	}
}

// tokens gives images for a token of its own service only.
func tokens(name string) behaviour {
	return func(rw http.ResponseWriter, r *http.Request, a asked) bool {
		if r.Header.Get("Authorization") == "Bearer good" {
			return false
		}
		rw.Header().Set("Www-Authenticate", fmt.Sprintf(`Bearer realm="https://auth.example.com/%s",service="%s",scope="repository:%s:pull"`, name, name, a.repo))
		rw.WriteHeader(http.StatusUnauthorized)
		return true
	}
}

// answer is every registry at once.
func (w *world) answer(rw http.ResponseWriter, r *http.Request, scheme string) {
	e := Event{Method: r.Method, Where: scheme + "://" + r.Host, Path: r.URL.RequestURI(), Header: r.Header.Get("X-Pullway")}
	e.Authorization, _, _ = strings.Cut(r.Header.Get("Authorization"), " ")
	event := w.note(e)
	noted := &noting{ResponseWriter: rw, told: func(status int) { w.answered(event, status) }}
	name, _, _ := strings.Cut(r.Host, ":")
	if name == "auth.example.com" {
		token(noted, r)
		return
	}
	a, ok := parts(r.URL.Path)
	if name == "docker.io" {
		behaviours["html"](noted, r, a)
		return
	}
	if !ok || a.prefix != "/v2" && a.prefix != "/v2/hub" && a.prefix != "/hub/v2" {
		noted.WriteHeader(http.StatusNotFound)
		return
	}
	if b, ok := behaviours[strings.TrimSuffix(name, ".example.com")]; ok && b(noted, r, a) {
		return
	}
	w.serve(noted, r, a, name)
}

type noting struct {
	http.ResponseWriter
	told func(status int)
}

func (n *noting) WriteHeader(status int) {
	n.told(status)
	n.ResponseWriter.WriteHeader(status)
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request, a asked, host string) {
	d := a.reference
	if a.kind == "manifests" && !strings.HasPrefix(d, "sha256:") {
		if strings.HasPrefix(a.repo, "absent/") {
			rw.WriteHeader(http.StatusNotFound)
			return
		}
		d = w.images.top(a.repo, d)
	}
	b, ok := w.images.blob(d)
	if !ok || (a.kind == "blobs") != (b.mediaType == layerType || b.mediaType == configType) {
		rw.WriteHeader(http.StatusNotFound)
		return
	}
	rw.Header().Set("Content-Type", b.mediaType)
	if a.kind == "manifests" && host != "nodigest.example.com" {
		rw.Header().Set("Docker-Content-Digest", d)
	}
	rw.Header().Set("Content-Length", fmt.Sprint(len(b.data)))
	rw.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = rw.Write([]byte(b.data))
	}
}

// token is the token service: a good one for who has the password, and for everybody
// at yestoken, else one that opens nothing.
func token(rw http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	name := strings.TrimPrefix(r.URL.Path, "/")
	form := r.PostForm.Get("username") == User && r.PostForm.Get("password") == Password
	presented := r.Header.Get("Authorization") != "" || r.PostForm.Get("password") != ""
	switch {
	case name == "notoken":
		rw.WriteHeader(http.StatusInternalServerError)
		return
	case name == "token" && presented && !basic(r) && !form:
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	token := "anonymous"
	if basic(r) || form || name == "yestoken" {
		token = "good"
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(http.StatusOK)
	_, _ = fmt.Fprintf(rw, `{"token":%q,"access_token":%q,"expires_in":300}`, token, token)
}

func basic(r *http.Request) bool {
	return r.Header.Get("Authorization") == "Basic "+base64.StdEncoding.EncodeToString([]byte(User+":"+Password))
}

// parts takes a request's path apart; repositories of the world have two elements.
func parts(p string) (asked, bool) {
	for _, kind := range []string{"manifests", "blobs"} {
		before, reference, ok := strings.Cut(p, "/"+kind+"/")
		elements := strings.Split(before, "/")
		if !ok || len(elements) < 4 {
			continue
		}
		n := len(elements) - 2
		return asked{strings.Join(elements[:n], "/"), strings.Join(elements[n:], "/"), kind, reference}, true
	}
	return asked{}, false
}
