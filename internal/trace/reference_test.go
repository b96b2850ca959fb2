package trace

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	reference "github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/containerd/log"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/sirupsen/logrus"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
)

// TestOrderAgreesWithContainerd lets containerd's own package (2.4.2) read trees of
// many hosts.toml files, with and without a directory for the image's host and a
// default one, and compares the hosts and whether the pull fails before them.
func TestOrderAgreesWithContainerd(t *testing.T) {
	recorded, err := filepath.Glob("../containerd/hoststoml/testdata/recorded/*.txtar")
	if err != nil || len(recorded) < 20 {
		t.Fatal("no recordings", err)
	}
	rel, err := containerd.ParseRelease("2.4.2")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, file := range recorded {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"r.lan_5000_", "r.lan:5000", "_default", "docker.io", "localhost_5000_"} {
			root := t.TempDir()
			hosts := filepath.Join(root, "etc/containerd/certs.d")
			write(t, filepath.Join(hosts, dir, "hosts.toml"), ar.Files[0].Data)
			write(t, filepath.Join(root, "etc/containerd/config.toml"), []byte(current+withDir))
			tree, err := Load(os.DirFS(root), "/etc/containerd/config.toml", rel)
			if err != nil {
				t.Fatal(err)
			}
			for _, ref := range []string{"r.lan:5000/a", "nginx", "quay.io/a/b", "localhost:5000/a"} {
				image, err := config.ParseImage(ref)
				if err != nil {
					t.Fatal(err)
				}
				tr, _ := Order(os.DirFS(root), tree, image)
				got := "fails\n"
				if tr.Broken == nil {
					got = ""
					for _, h := range tr.Hosts {
						got += fmt.Sprintf("%s %s first=%v skip=%v headers=%d\n", h.URL, strings.Join(h.Capabilities, ","), h.HTTPSFirst, h.SkipVerify && !h.HTTPSFirst, len(h.Headers))
					}
				}
				if want := asks(image.Host, hosts); got != want {
					t.Errorf("%s in %s, %s: containerd asks\n%swe say\n%sof\n%s", filepath.Base(file), dir, ref, want, got, ar.Files[0].Data)
				}
				compared++
			}
		}
	}
	t.Logf("%d trees and images compared", compared)
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// asks is what containerd's package makes of a hosts directory.
func asks(host, dir string) string {
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	all, err := reference.ConfigureHosts(log.WithLogger(context.Background(), logrus.NewEntry(quiet)), reference.HostOptions{HostDir: reference.HostDirFromRoot(dir)})(host)
	if err != nil {
		return "fails\n"
	}
	var b strings.Builder
	for _, h := range all {
		var caps []string
		for i, name := range []string{"pull", "resolve", "push", "referrers"} {
			if h.Capabilities.Has(docker.HostCapabilities(1 << i)) {
				caps = append(caps, name)
			}
		}
		tr, plain := h.Client.Transport.(*http.Transport)
		fmt.Fprintf(&b, "%s://%s%s %s first=%v skip=%v headers=%d\n", h.Scheme, h.Host, strings.TrimSuffix(path.Join("/", h.Path), "/"), strings.Join(caps, ","), !plain, plain && tr.TLSClientConfig.InsecureSkipVerify, len(h.Header))
	}
	return b.String()
}
