package node

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
)

// TestAskHosts: the hosts that the files name are asked what they are, without a
// credential; the registry that the image names is not, where no file names it.
func TestAskHosts(t *testing.T) {
	var sent atomic.Bool
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			sent.Store(true)
		}
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		w.Header().Set("Www-Authenticate", `Basic realm="r"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	plain, tls := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer tls.Close()
	at := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	dir := t.TempDir()
	hosts := filepath.Join(dir, "certs.d")
	write := func(name, text string) {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("config.toml", fmt.Sprintf("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = %q\n", hosts))
	write("certs.d/a.lan/hosts.toml", "server = \"https://"+at(plain)+"\"\n[host]\n")
	write("certs.d/b.lan/hosts.toml", "[host.\"http://"+at(tls)+"\"]\n")
	write("certs.d/c.lan/hosts.toml", "server = \"http://"+at(plain)+"\"\n[header]\nAuthorization = [\"Basic eDp5\"]\n[host]\n")
	write("certs.d/docker.io/hosts.toml", "server = \"https://registry-1.docker.io\"\n[host.\"http://"+at(plain)+"\"]\n")
	write("certs.d/_default/hosts.toml", "[host.\"https://nowhere.invalid\"]\n")
	write("certs.d/note.txt", "")
	rel, err := containerd.ParseRelease("1.7.35")
	if err != nil {
		t.Fatal(err)
	}
	o := &observation{}
	o.Release, o.ConfigFile = rel, filepath.Join(dir, "config.toml")
	if o.Tree, err = configtoml.Load(osSource{}, o.ConfigFile, rel); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range o.askHosts(t.Context()) {
		name := filepath.Base(filepath.Dir(a.File))
		url := strings.NewReplacer(at(plain), "PLAIN", at(tls), "TLS").Replace(a.URL)
		got = append(got, fmt.Sprintf("%s:%d %s fault=%s mirror=%v credential=%v basic=%v", name, a.Line, url, a.Fault, a.Mirror, a.Credential, a.BasicOnly))
	}
	want := []string{
		"_default:1 https://nowhere.invalid fault=dns mirror=true credential=false basic=false",
		"a.lan:1 https://PLAIN fault=https-on-http mirror=true credential=false basic=false",
		"b.lan:1 http://TLS fault=http-on-https mirror=true credential=false basic=false",
		"c.lan:1 http://PLAIN fault= mirror=true credential=true basic=true",
		"docker.io:2 http://PLAIN fault= mirror=true credential=false basic=true",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if sent.Load() {
		t.Error("a credential was sent")
	}
}
