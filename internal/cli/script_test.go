package cli

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pullway": func() {
		os.Exit(Run(context.Background(), os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, nil))
	}})
}

// TestScripts drives the command line through its front door. Scripts find a
// registry that takes robot/secret at $REGISTRY, and a port that nobody listens
// on at $CLOSED; $CLUSTER and the others of clusters are kubeconfigs, and so is
// $KUBECONFIG_FILE, of shopCluster. "exits N CMD…" checks the exit code, "golden
// FILE" the output of the last command.
func TestScripts(t *testing.T) {
	registry := httptest.NewServer(http.HandlerFunc(htpasswd))
	t.Cleanup(registry.Close)
	kube := clusters(t)
	kube["EVENTS"], kube["CALM"], kube["NOEVENTS"] = eventServer(t, false), calmServer(t), eventServer(t, true)
	recorded, err := filepath.Abs("../../test/docs/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/scripts",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("REGISTRY", strings.TrimPrefix(registry.URL, "http://"))
			e.Setenv("CLOSED", closedPort(t))
			e.Setenv("PULLWAY_STATE_DIR", e.WorkDir+"/state")
			e.Setenv("HOME", e.WorkDir+"/home")
			e.Setenv("RECORDED", recorded)
			if err := shopKubeconfig(t, e); err != nil {
				return err
			}
			return kubeconfigs(e, kube)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "golden": golden},
	})
}

// exits runs a command and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// htpasswd answers as a registry with passwords does.
func htpasswd(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	switch {
	case user != "robot" || password != "secret":
		w.Header().Set("Www-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/v2/":
		_, _ = w.Write([]byte("{}"))
	case r.URL.Path == "/v2/library/app/manifests/v1":
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		_, _ = w.Write([]byte(`{"schemaVersion":2}`))
	default:
		http.NotFound(w, r)
	}
}

func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it is to be closed
	return l.Addr().String()
}
