package node

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

// TestAskAll: every endpoint is asked once, images at the registry that serves them,
// and the credential goes only where it is known to be good.
func TestAskAll(t *testing.T) {
	var withPassword atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, given := r.BasicAuth()
		if given {
			withPassword.Add(1)
		}
		switch {
		case user != "robot" || password != "secret":
			w.Header().Set("Www-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/v2/", r.URL.Path == "/v2/app/manifests/1":
			_, _ = w.Write([]byte("{}"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	d := config.Desired{Registries: []config.Registry{
		{Host: host, Endpoints: []config.Endpoint{{URL: server.URL}}, Fallback: "none", Auth: &config.Auth{Username: "robot", Password: secret.New("secret")}},
		{Host: "gone.example.com", Endpoints: []config.Endpoint{{URL: "http://127.0.0.1:1"}}, Fallback: "none"},
	}}
	all := askAll(t.Context(), d, nil, nil)
	if len(all) != 2 || all[0].Fault != "" || all[1].Fault != "unreachable" || withPassword.Load() != 0 {
		t.Errorf("%+v, %d requests with a password", all, withPassword.Load())
	}
	images := []string{host + "/app:1", host + "/missing:1", "gone.example.com/app:1", "NO REFERENCE"}
	all = askAll(t.Context(), d, []string{host}, images)
	if len(all[0].Images) != 2 || all[0].Images[0].Fault != "" || all[0].Images[1].Fault != "missing-image" || len(all[1].Images) != 0 {
		t.Errorf("%+v", all)
	}
	d.Registries[0].Auth.Password = secret.New("wrong")
	withPassword.Store(0)
	all = askAll(t.Context(), d, []string{host}, images)
	if all[0].Fault != "credential" || len(all[0].Images) != 0 || withPassword.Load() != 1 {
		t.Errorf("%+v, %d requests with a wrong password", all, withPassword.Load())
	}
}
