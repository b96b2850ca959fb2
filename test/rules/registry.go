package rules

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"path"
	"strings"
)

// The one account of the world.
const (
	robot    = "robot"
	password = "Harbor12345"
)

// answer is every registry at once.
func (w *world) answer(rw http.ResponseWriter, r *http.Request, scheme string) {
	host, _, _ := strings.Cut(r.Host, ":")
	if r.URL.Path == "/token" {
		w.token(rw, r)
		return
	}
	if host == "docker.io" {
		w.note(r, scheme, "", "")
		rw.Header().Set("Content-Type", "text/html")
		_, _ = rw.Write([]byte("<html>Docker</html>"))
		return
	}
	prefix, repo, kind, reference := parts(r.URL.Path)
	if repo == "" {
		rw.WriteHeader(http.StatusNotFound)
		return
	}
	key, byTag := reference, kind == "manifests" && !strings.HasPrefix(reference, "sha256:")
	if !byTag {
		b, ok := w.images.blob(reference)
		if !ok {
			rw.WriteHeader(http.StatusNotFound)
			return
		}
		key = b.key
	}
	w.note(r, scheme, prefix, key)
	switch {
	case prefix != "/v2" && prefix != "/v2/hub",
		strings.HasPrefix(repo, "absent/") && host == "mirror.example.com":
		rw.WriteHeader(http.StatusNotFound)
		return
	case host == "auth.example.com" && !basic(r):
		rw.Header().Set("Www-Authenticate", `Basic realm="auth"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return
	case strings.HasPrefix(repo, "private/") && r.Header.Get("Authorization") != "Bearer good":
		rw.Header().Set("Www-Authenticate", fmt.Sprintf(`Bearer realm="https://%s/token",service="world",scope="repository:%s:pull"`, r.Host, repo))
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.serve(rw, r, reference, byTag)
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request, reference string, byTag bool) {
	if byTag {
		reference = w.images.manifest(reference)
	}
	b, _ := w.images.blob(reference)
	rw.Header().Set("Content-Type", b.mediaType)
	rw.Header().Set("Docker-Content-Digest", reference)
	rw.Header().Set("Content-Length", fmt.Sprint(len(b.data)))
	if r.Method != http.MethodHead {
		_, _ = rw.Write([]byte(b.data))
	}
}

// token is the token service: a good one for who has the password, else one that
// opens nothing.
func (w *world) token(rw http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	form := r.PostForm.Get("username") == robot && r.PostForm.Get("password") == password
	token := "anonymous"
	if basic(r) || form {
		token = "good"
	}
	rw.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(rw, `{"token":%q,"access_token":%q,"expires_in":300}`, token, token)
}

func basic(r *http.Request) bool {
	return r.Header.Get("Authorization") == "Basic "+base64.StdEncoding.EncodeToString([]byte(robot+":"+password))
}

// note writes a request down. Of docker.io, which knows no images, the tag in the
// path is the key.
func (w *world) note(r *http.Request, scheme, prefix, key string) {
	if key == "" {
		key = path.Base(r.URL.Path)
		prefix = "/v2"
	}
	a := Asked{Method: r.Method, Where: scheme + "://" + r.Host, ByTag: strings.Contains(r.URL.Path, "/manifests/") && !strings.Contains(r.URL.Path, "sha256:"),
		Credential: r.Header.Get("Authorization") != ""}
	if prefix != "/v2" {
		a.Where += prefix
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[key] = append(w.asked[key], a)
}

// parts takes a request's path apart; repositories of the world have two elements.
func parts(p string) (prefix, repo, kind, reference string) {
	for _, kind = range []string{"manifests", "blobs"} {
		before, reference, ok := strings.Cut(p, "/"+kind+"/")
		elements := strings.Split(before, "/")
		if !ok || len(elements) < 4 {
			continue
		}
		n := len(elements) - 2
		return strings.Join(elements[:n], "/"), strings.Join(elements[n:], "/"), kind, reference
	}
	return "", "", "", ""
}
