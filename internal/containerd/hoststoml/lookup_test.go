package hoststoml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLookup(t *testing.T) {
	tests := []struct {
		name, host, release string
		have                []string
		want                string // "" for none
	}{
		{"plain name", "docker.io", "1.6.20", []string{"docker.io"}, "docker.io"},
		{"DIR003: the underscore form comes first", "h.example.com:5000", "2.4.2", []string{"h.example.com:5000", "h.example.com_5000_"}, "h.example.com_5000_"},
		{"literal form", "h.example.com:5000", "2.4.2", []string{"h.example.com:5000", "_default"}, "h.example.com:5000"},
		{"DIR001: the port must be there", "h.example.com:5000", "2.4.2", []string{"h.example.com"}, ""},
		{"DIR005: an empty directory hides _default", "docker.io", "2.4.2", []string{"docker.io", "_default"}, "docker.io"},
		{"_default", "docker.io", "1.6.17", []string{"_default"}, "_default"},
		{"DIR004: no _default before 1.6.17", "docker.io", "1.6.16", []string{"_default"}, ""},
		{"DIR004: no _default on 1.5", "docker.io", "1.5.9", []string{"_default"}, ""},
		{"DIR008: Docker Hub's server is another host", "docker.io", "2.4.2", []string{"registry-1.docker.io", "index.docker.io"}, ""},
		{"IPv6", "[fd00::1]:5000", "2.4.2", []string{"[fd00::1]_5000_"}, "[fd00::1]_5000_"},
		{"nothing", "docker.io", "2.4.2", nil, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			has := func(n string) bool {
				for _, h := range tc.have {
					if h == n {
						return true
					}
				}
				return false
			}
			name, found := Lookup(has, tc.host, release(t, tc.release))
			if name != tc.want || found != (tc.want != "") {
				t.Errorf("got %q %t, want %q", name, found, tc.want)
			}
		})
	}
}

func TestLookupNames(t *testing.T) {
	for host, want := range map[string][]string{
		"docker.io":      {"docker.io", "_default"},
		"h:5000":         {"h_5000_", "h:5000", "_default"},
		"[fd00::1]:5000": {"[fd00::1]_5000_", "[fd00::1]:5000", "_default"},
	} {
		if diff := cmp.Diff(want, LookupNames(host)); diff != "" {
			t.Errorf("%s: %s", host, diff)
		}
	}
}

func TestDirName(t *testing.T) {
	for host, want := range map[string]string{
		"docker.io": "docker.io", "192.168.21.9": "192.168.21.9", "192.168.21.9:5000": "192.168.21.9:5000",
		"[fd00::1]:5000": "[fd00::1]:5000", "localhost:5000": "localhost:5000", "a": "a", "Registry.EXAMPLE": "Registry.EXAMPLE", "*": "_default",
		"": "", ".": "", "..": "", "a/b": "", "../x": "", "/etc": "", `a\b`: "", "a b": "", "a\x00": "", "a\n": "", "_default": "", "-a": "", "a-": "",
		"a..b": "", ".a": "", "a.": "", "http://a": "", "a:": "", "a:0": "", "a:65536": "", "a:x": "", "a:1:2": "", "[::1": "", "fd00::1": "", "a:5000/": "",
		"_backup": "", "a_5000_": "", "*.example.com": "", strings.Repeat("a", 256): "", "é.example.com": "",
	} {
		if got := DirName(host); got != want {
			t.Errorf("DirName(%q) = %q, want %q", host, got, want)
		}
	}
}

func FuzzDirName(f *testing.F) {
	for _, s := range []string{"docker.io", "*", "..", "a/b", "h:5000", "[::1]:5000", "_default", "a\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name := DirName(host)
		if name == "" {
			return
		}
		if strings.ContainsAny(name, "/\\\x00\n\r\t \"'`$&|;<>()*?!~#%") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") || len(name) > 255 {
			t.Fatalf("DirName(%q) = %q", host, name)
		}
		if name != host && host != "*" {
			t.Fatalf("DirName(%q) = %q", host, name)
		}
		if found, ok := Lookup(func(n string) bool { return n == name }, host, release(t, "2.4.2")); !ok || found != name {
			t.Fatalf("containerd does not find %q for %q", name, host)
		}
	})
}
