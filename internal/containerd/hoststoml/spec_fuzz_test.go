package hoststoml

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

// fileName is what a file of a host directory may be called.
var fileName = regexp.MustCompile(`^(hosts\.toml|[a-z]+-[0-9a-f]{8,64}\.(pem|crt|cert|key))$`)

// checkRendered: names that stay in their folder, hosts.toml last, and what others may
// read holds no secret.
func checkRendered(t *testing.T, files []Rendered, secrets ...string) {
	t.Helper()
	for i, f := range files {
		if !fileName.MatchString(f.Name) || (f.Name == FileName) != (i == len(files)-1) {
			t.Fatalf("file %d of %d is called %q", i, len(files), f.Name)
		}
		for _, s := range secrets {
			if len(s) < 8 {
				continue
			}
			if f.Mode != 0o600 && strings.Contains(string(f.Data), s) {
				t.Fatalf("%s has mode %04o and holds %q", f.Name, f.Mode, s)
			}
			if f.Name == FileName && strings.Contains(string(Mask(f.Data)), s) {
				t.Fatalf("masked, %s holds %q: %s", f.Name, s, Mask(f.Data))
			}
		}
	}
}

// FuzzSpec: every specification that is accepted becomes, for every release, host
// directories whose names are hosts and whose files are read back as they were meant.
func FuzzSpec(f *testing.F) {
	seeds, err := filepath.Glob("../../config/testdata/*/*.yaml")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no specifications to begin with: %v", err)
	}
	for _, path := range seeds {
		if b, err := os.ReadFile(path); err == nil && len(b) < 2<<10 {
			f.Add(b, "Harbor12345")
		}
	}
	for _, host := range []string{"192.168.21.9", "'*'", "'[fd00::1]:5000'", "docker.io", "'a/../b'", `"\x00"`} {
		f.Add([]byte("apiVersion: pullway.dev/v1alpha1\nkind: RegistryConfig\nmetadata: {name: default}\nspec:\n  registries:\n    - host: "+host+
			"\n      endpoints: [{url: \"http://192.168.21.9/v2/x\", overridePath: true, headers: {X-A: \"b\\\"]\"}}]\n      auth: {username: 'robot$a+b', password: {env: P}}\n"), "kX7\"]\n\\q")
	}
	f.Fuzz(func(t *testing.T, text []byte, password string) {
		sources := secret.Sources{LookupEnv: func(string) (string, bool) { return password, true },
			ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }}
		l, err := config.Parse(context.Background(), text, "x.yaml", sources)
		if err != nil {
			return
		}
		for _, text := range []string{"1.6.20", "1.7.35", "2.0.5", "2.4.2"} {
			rel := release(t, text)
			for _, reg := range l.Desired.Registries {
				dir := DirName(reg.Host)
				if dir == "" {
					t.Fatalf("host %q is accepted and is no directory's name", reg.Host)
				}
				files, err := Render(reg, Options{Release: rel, Dir: "/etc/containerd/certs.d/" + dir, HeaderAuth: reg.Auth != nil})
				if err != nil {
					if strings.ContainsAny(err.Error(), "\n\r\x00") {
						t.Fatalf("not one line: %q", err)
					}
					continue
				}
				checkRendered(t, files, password)
				doc, problems := Parse(files[len(files)-1].Data, rel)
				for _, p := range problems {
					if p.Discards {
						t.Fatalf("containerd %s discards what we wrote: %+v\n%s", text, p, files[len(files)-1].Data)
					}
				}
				for _, h := range doc.Hosts {
					if strings.HasPrefix(h.URL, "http://") && !slices.ContainsFunc(reg.Endpoints, func(e config.Endpoint) bool { return strings.HasPrefix(e.URL, "http://") }) && !loopback(reg.Host) {
						t.Fatalf("%s is asked without TLS, which nobody wrote: %+v", h.URL, reg.Endpoints)
					}
				}
				if reg.Auth == nil {
					continue
				}
				found := false
				for _, h := range append(doc.Hosts, doc.Root) {
					for _, header := range h.Headers {
						found = found || strings.HasPrefix(header.Value.Reveal(), "Basic ")
					}
				}
				if !found {
					t.Fatalf("containerd %s does not see the credential:\n%s", text, files[len(files)-1].Data)
				}
			}
		}
	})
}

// FuzzLegacy: whatever stands in the deprecated tables, what is made of it are host
// directories with hosts for names, written and read back without loss, and each
// problem is one line.
func FuzzLegacy(f *testing.F) {
	f.Add("docker.io", "https://mirror.example.com/", "mirror.example.com", "/etc/ssl/ca.pem", "", true)
	f.Add("*", "http://192.168.21.9", "192.168.21.9", "ca.pem", "../key", false)
	f.Add("../../x", "127.0.0.1:5000", "h\"]\n[x", "/a\x00b", "\u202e", true)
	f.Add("[fd00::1]:5000", "https://u:p@h/?q#f", "registry-1.docker.io", "", "", false)
	f.Fuzz(func(t *testing.T, host, endpoint, tlsHost, ca, key string, skip bool) {
		for _, text := range []string{"1.6.20", "1.7.35", "2.1.3"} {
			rel := release(t, text)
			dirs, problems := FromLegacy([]LegacyMirror{{Host: host, Endpoints: []string{endpoint, endpoint}}, {Host: "*", Endpoints: []string{endpoint}}},
				[]LegacyTLS{{Host: tlsHost, CAFile: ca, CertFile: ca, KeyFile: key, InsecureSkipVerify: skip}}, rel)
			for _, p := range problems {
				if p.Text == "" || strings.ContainsAny(p.Text+p.Hint, "\n\r\x00") {
					t.Fatalf("not one line: %+v", p)
				}
			}
			for _, d := range dirs {
				if d.Name == "" || d.Name != filepath.Base(d.Name) || strings.ContainsAny(d.Name, "\\\x00\n ") || strings.HasPrefix(d.Name, ".") {
					t.Fatalf("directory %q", d.Name)
				}
				files, err := d.Render(rel)
				if err != nil {
					if strings.ContainsAny(err.Error(), "\n\r\x00") {
						t.Fatalf("not one line: %q", err)
					}
					continue
				}
				checkRendered(t, files)
				if _, problems := Parse(files[len(files)-1].Data, rel); len(problems) > 0 && problems[0].Discards && problems[0].ID == "" {
					t.Fatalf("%+v of\n%s", problems, files[len(files)-1].Data)
				}
			}
		}
	})
}
