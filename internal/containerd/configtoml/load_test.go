package configtoml

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLoadImports(t *testing.T) {
	cases := []struct {
		reason, release string
		files           files
		want            []string // after the root
		missing         []string
	}{
		{"relative pattern on 1.6.28 is below the working directory", "1.6.28",
			files{root: "imports = ['conf.d/*.toml']", "/conf.d/a.toml": "", "/etc/containerd/conf.d/b.toml": ""}, []string{"/conf.d/a.toml"}, nil},
		{"and beside the file since 1.6.29", "1.6.29",
			files{root: "imports = ['conf.d/*.toml']", "/conf.d/a.toml": "", "/etc/containerd/conf.d/b.toml": ""}, []string{"/etc/containerd/conf.d/b.toml"}, nil},
		{"1.7.15 is as old", "1.7.15",
			files{root: "imports = ['conf.d/*.toml']", "/conf.d/a.toml": "", "/etc/containerd/conf.d/b.toml": ""}, []string{"/conf.d/a.toml"}, nil},
		{"1.7.16 is not", "1.7.16",
			files{root: "imports = ['conf.d/*.toml']", "/conf.d/a.toml": "", "/etc/containerd/conf.d/b.toml": ""}, []string{"/etc/containerd/conf.d/b.toml"}, nil},
		{"a relative name is beside the file everywhere", "1.6.20",
			files{root: "imports = ['b.toml']", "/etc/containerd/b.toml": ""}, []string{"/etc/containerd/b.toml"}, nil},
		{"only a star makes a pattern", "2.4.2",
			files{root: "imports = ['[ab].toml']", "/etc/containerd/a.toml": ""}, nil, []string{"/etc/containerd/[ab].toml"}},
		{"breadth first, in the order of the list, each once", "2.4.2",
			files{root: "imports = ['/b.toml', '/a*.toml', '/b.toml']", "/b.toml": "imports = ['/c.toml', '/etc/containerd/config.toml']", "/a1.toml": "imports = ['/b.toml']", "/a2.toml": "", "/c.toml": ""},
			[]string{"/b.toml", "/a1.toml", "/a2.toml", "/c.toml"}, nil},
	}
	for _, tc := range cases {
		tr := load(t, tc.files, tc.release)
		var got []string
		for _, f := range tr.Files[1:] {
			got = append(got, f.Path)
		}
		if !slices.Equal(got, tc.want) || !slices.Equal(tr.Missing, tc.missing) {
			t.Errorf("%s: %q, missing %q; want %q and %q", tc.reason, got, tr.Missing, tc.want, tc.missing)
		}
	}
}

var errBoom = errors.New("boom")

type broken struct{ files }

func (b broken) ReadFile(p string) ([]byte, error) {
	if p != root {
		return nil, errBoom
	}
	return b.files.ReadFile(p)
}

func TestLoadUnreadable(t *testing.T) {
	rel := load(t, files{}, "2.4.2").Release
	if _, err := Load(broken{files{root: "imports = ['/x.toml']"}}, root, rel); !errors.Is(err, errBoom) {
		t.Errorf("got %v, want the read error", err)
	}
}

// What a file says never comes back in an error, because it may be a password.
func TestErrorsKeepSecrets(t *testing.T) {
	const word = "1.7e9999"
	tr := load(t, files{root: "version = 2\n" + v2 + ".registry.configs.h.auth]\npassword = " + word + "\n"}, "1.7.35")
	for _, p := range tr.Problems() {
		if strings.Contains(p.Text+p.Hint, word) {
			t.Errorf("%s quotes the value: %s", p.ID, p.Text)
		}
	}
	if _, err := Change(tr, certsD); err == nil || strings.Contains(err.Error(), word) || !strings.HasPrefix(err.Error(), root+":3:") {
		t.Errorf("got %v, want the place and not the value", err)
	}
}

// Ten thousand drop-ins that all import each other, and files made to be slow.
// The bounds are generous; what they guard against took minutes.
func TestBounded(t *testing.T) {
	many := files{root: "version = 2\nimports = ['/d/*.toml']\n"}
	for i := range 10_000 {
		many[fmt.Sprintf("/d/%d.toml", i)] = fmt.Sprintf("version = 2\nimports = ['/d/*.toml']\n%s.registry.mirrors.h%d]\nendpoint = ['x']\n", v2, i)
	}
	cases := []struct {
		name    string
		files   files
		release string
	}{
		{"drop-ins on 1.x", many, "1.7.35"},
		{"drop-ins on 2.2", many, "2.2.3"},
		{"drop-ins on 2.4", many, "2.4.2"},
		{"one table with very many keys", files{root: "version = 2\n" + mirrors(100_000)}, "1.7.35"},
		{"a key of a million parts", files{root: strings.Repeat("a.", 1<<20) + "b = 1\n"}, "2.4.2"},
		{"ten megabytes of mirrors", files{root: "version = 2\n" + strings.ReplaceAll(mirrors(4000), "'x'", "'"+strings.Repeat("x", 2500)+"'")}, "2.4.2"},
	}
	for _, tc := range cases {
		start := time.Now()
		tr := load(t, tc.files, tc.release)
		tr.Problems()
		_, _ = Change(tr, certsD) // an error for what is beyond the limits
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%s: took %s", tc.name, d)
		}
	}
}

func mirrors(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s.registry.mirrors.h%d]\nendpoint = ['x']\n", v2, i)
	}
	return b.String()
}

func FuzzLoad(f *testing.F) {
	f.Add("version = 2\nimports = ['*', 'a.toml']\n"+v2+".registry]\nconfig_path = '/c'\n", "version = 3\nplugins = {cri = {registry = {mirrors = 1}}}\n")
	f.Add("imports = ['a.toml']\n[[plugins]]\n", "disabled_plugins = ['cri']\n[plugins.cri.registry.auths]\n'%' = {}\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		src := files{root: a, "/etc/containerd/a.toml": b}
		for _, release := range []string{"1.5.8", "1.7.35", "2.0.5", "2.2.1", "2.3.4", "2.4.2"} {
			tr := load(t, src, release)
			for _, p := range tr.Problems() {
				if p.ID == "" || p.Text == "" || strings.Contains(p.Text, "\n") || p.Severity < 1 || p.Severity > 4 || p.Fatal != (p.Severity <= 2) {
					t.Errorf("%s: malformed problem %+v", release, p)
				}
			}
		}
	})
}
