//go:build e2e

package e2e

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/test/lab"
)

// dripEnv makes this test's program a hostile registry at that address; see
// TestMain.
const dripEnv = "PULLWAY_E2E_DRIP"

// dripRegistry takes robot and its password, and drips for ever where its path
// says so: at the API's root (slow-root/…), in a manifest (…/slow-manifest) or in a
// layer (…/slow-layer).
func dripRegistry(addr string) error {
	digest := func(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }
	layer := digest("a layer that never comes")
	// containerd looks at once whether there are as many layers here as in the manifest.
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, layer)
	// Each image has a manifest of its own: containerd goes on with what it was given
	// of one digest before.
	manifestFor := func(path string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","annotations":{"path":%q},
"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},
"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":1000000}]}`, strings.SplitAfter(path, "/manifests/")[0], digest(config), len(config), layer)
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(time.Second):
			}
		}
	}
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		slowRoot := strings.HasSuffix(addr, ":8098")
		_, password, _ := r.BasicAuth()
		switch {
		case slowRoot:
			drip(w, r)
		case password != secret1:
			w.Header().Set("Www-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "/manifests/"):
			manifest := manifestFor(r.URL.Path)
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Docker-Content-Digest", digest(manifest))
			w.Header().Set("Content-Length", fmt.Sprint(len(manifest)))
			switch {
			case r.Method == http.MethodHead:
			case strings.Contains(r.URL.Path, "slow-manifest"):
				drip(w, r)
			default:
				_, _ = w.Write([]byte(manifest))
			}
		case strings.HasSuffix(r.URL.Path, digest(config)):
			_, _ = w.Write([]byte(config))
		case strings.Contains(r.URL.Path, "/blobs/"):
			w.Header().Set("Content-Length", "1000000")
			drip(w, r)
		default:
			_, _ = w.Write([]byte("{}"))
		}
	}))
}

// startDrip runs a dripRegistry in the lab's network.
func startDrip(t *testing.T, l *lab.Lab, addr string) { startSelf(t, l, dripEnv, addr) }

// TestDrippingRegistry: a registry that drips for ever, in a manifest, in a layer
// or before it says what it is, ends in a failed proof, and every node is as before.
func TestDrippingRegistry(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	startDrip(t, l, "192.168.21.9:8099")
	startDrip(t, l, "192.168.21.9:8098")
	registry := func(host string) string {
		return "    - host: " + host + "\n      endpoints: [{url: \"http://" + host + "\"}]\n      auth: {username: robot$nodes, password: {env: HARBOR_PASSWORD}}\n"
	}
	o := newOperator(t, l)

	// What the node asks of the registry to make its plan has an end well before the
	// plan's own minute.
	began := time.Now()
	slow := o.file("root.yaml", spec(registry("192.168.21.9:8098"), "192.168.21.9:8098/team/app:v1"))
	o.must(0, "plan", "-f", slow, "--no-preflight")
	if took := time.Since(began); took > 40*time.Second {
		t.Errorf("a plan took %s", took)
	}
	r := o.must(0, "plan", "-f", slow)
	says(t, r, "192.168.21.9:8098", "asked from this machine")

	for _, what := range []string{"slow-manifest", "slow-layer"} {
		t.Run(what, func(t *testing.T) {
			was := calmly(t, l)
			ref := "192.168.21.9:8099/team/" + what + ":v1"
			text := strings.Replace(spec(registry("192.168.21.9:8099"), ref), "canary: 1", "canary: 3", 1)
			began := time.Now()
			run := o.apply(4, o.file(what+".yaml", text), "--no-preflight", "--limit", "node2,node3,node4")
			if took := time.Since(began); took < 110*time.Second {
				t.Errorf("failed after %s already, for another reason than the drip: %+v", took, run.Nodes[0].Error)
			}
			t.Logf("failed and put back after %s: %s", time.Since(began).Round(time.Second), phases(run))
			for _, n := range run.Nodes {
				if n.Phase != fleet.Restored || n.Error == nil || !strings.Contains(n.Error.Text, ref) {
					t.Errorf("%s: %s, %+v", n.Name, n.Phase, n.Error)
				}
			}
			was.asBefore()
		})
	}
}
