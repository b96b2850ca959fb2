package hoststoml

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	reference "github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/sirupsen/logrus"
	"pgregory.net/rapid"
)

// referenceRelease is the release of the containerd module in go.mod.
const referenceRelease = "2.4.2"

// ask lets containerd's own package read a host directory, in the words of effective.
func ask(t fataler, host, dir string) string {
	var logged bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&logged)
	hosts, err := reference.ConfigureHosts(log.WithLogger(context.Background(), logrus.NewEntry(logger)), reference.HostOptions{
		HostDir: func(string) (string, error) { return dir, nil },
	})(host)
	if err != nil {
		t.Fatalf("containerd: %v", err)
	}
	var b strings.Builder
	if strings.Contains(logged.String(), "failed to decode") {
		b.WriteString("discarded\n")
	}
	for _, h := range hosts {
		var caps []string
		for i, name := range []string{"pull", "resolve", "push", "referrers"} {
			if h.Capabilities.Has(docker.HostCapabilities(1 << i)) {
				caps = append(caps, name)
			}
		}
		fmt.Fprintf(&b, "%s %s %s %s", h.Scheme, h.Host, h.Path, strings.Join(caps, ","))
		if tr, ok := h.Client.Transport.(*http.Transport); ok {
			if tr.TLSClientConfig.InsecureSkipVerify {
				b.WriteString(" skip")
			}
			if tr.TLSClientConfig.RootCAs != nil {
				b.WriteString(" ca")
			}
			if n := len(tr.TLSClientConfig.Certificates); n > 0 {
				fmt.Fprintf(&b, " certs=%d", n)
			}
		} else {
			b.WriteString(" https-first")
		}
		names := make([]string, 0, len(h.Header))
		for name := range h.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			fmt.Fprintf(&b, " %s=%q", name, h.Header[name])
		}
		b.WriteString("\n")
	}
	return b.String()
}

type fataler interface{ Fatalf(string, ...any) }

func write(t fataler, dir string, files ...Rendered) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatalf("%v", err)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatalf("%v", err)
		}
	}
}

func TestRenderAgreesWithContainerd(t *testing.T) {
	cert, key := certificate(t)
	rel, root, n := release(t, referenceRelease), t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		reg := anyRegistry(cert, key).Draw(t, "registry")
		host := "harbor.example.com"
		if reg.Host != "*" {
			reg.Host = host
		}
		n++
		dir := filepath.Join(root, fmt.Sprint(n))
		files, err := Render(reg, Options{Release: rel, Dir: dir, HeaderAuth: true})
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, files...)
		toml := files[len(files)-1].Data
		doc, problems := Parse(toml, rel)
		if got, want := ask(t, host, dir), effective(doc, problems, host, rel); got != want {
			t.Fatalf("containerd asks\n%swe say\n%sof\n%s", got, want, toml)
		}
	})
}

// Parse says what containerd does with files that are damaged in random places.
func TestParseAgreesWithContainerd(t *testing.T) {
	cert, key := certificate(t)
	rel, root, n := release(t, referenceRelease), t.TempDir(), 0
	recorded, err := filepath.Glob("testdata/recorded/*.txtar")
	if err != nil || len(recorded) == 0 {
		t.Fatal("no recordings", err)
	}
	var all [][]string
	var pool []string
	for _, f := range recorded {
		ar, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(ar.Files[0].Data), "\n")
		all, pool = append(all, lines), append(pool, lines...)
	}
	rapid.Check(t, func(t *rapid.T) {
		lines := slices.Clone(rapid.SampledFrom(all).Draw(t, "file"))
		for range rapid.IntRange(0, 4).Draw(t, "damages") {
			at := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				lines = slices.Insert(lines, at, rapid.SampledFrom(pool).Draw(t, "more"))
			case 1:
				lines[at] = ""
			case 2:
				to := rapid.IntRange(0, len(lines)-1).Draw(t, "to")
				lines[at], lines[to] = lines[to], lines[at]
			}
		}
		toml := []byte(strings.Join(lines, "\n"))
		if len(bytes.TrimSpace(toml)) == 0 || bytes.Contains(toml, []byte("= []")) {
			return // an empty list of header values is not kept apart from none
		}
		n++
		dir := filepath.Join(root, fmt.Sprint(n))
		both := append(append([]byte{}, cert...), key...)
		write(t, dir, Rendered{Name: FileName, Data: toml}, Rendered{Name: "ca.pem", Data: cert}, Rendered{Name: "cert.pem", Data: cert},
			Rendered{Name: "key.pem", Data: key}, Rendered{Name: "both.pem", Data: both})
		doc, problems := Parse(toml, rel)
		if got, want := ask(t, "r.lan", dir), effective(doc, problems, "r.lan", rel); got != want {
			t.Fatalf("containerd asks\n%swe say\n%sof\n%s\n%v", got, want, toml, problems)
		}
	})
}

func TestLookupAgreesWithContainerd(t *testing.T) {
	rel := release(t, referenceRelease)
	for _, host := range []string{"docker.io", "h.example.com:5000", "[fd00::1]:5000", "[fd00::1]"} {
		names := LookupNames(host)
		for set := range 1 << len(names) {
			root := t.TempDir()
			has := map[string]bool{}
			for i, n := range names {
				if set&(1<<i) != 0 {
					write(t, filepath.Join(root, n))
					has[n] = true
				}
			}
			dir, err := reference.HostDirFromRoot(root)(host)
			if err != nil && !errdefs.IsNotFound(err) {
				t.Fatal(err)
			}
			name, found := Lookup(func(n string) bool { return has[n] }, host, rel)
			if found != (dir != "") || (found && filepath.Join(root, name) != dir) {
				t.Errorf("%s with %v: containerd finds %q, we %q", host, has, dir, name)
			}
		}
	}
}
