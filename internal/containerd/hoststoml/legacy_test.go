package hoststoml

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFromLegacy(t *testing.T) {
	mirror := func(host string, endpoints ...string) LegacyMirror {
		return LegacyMirror{Host: host, Endpoints: endpoints}
	}
	trust := LegacyTLS{Host: "harbor.example.com", CAFile: "/etc/ssl/harbor.pem"}
	skip := func(host string) LegacyTLS { return LegacyTLS{Host: host, InsecureSkipVerify: true} }
	tests := []struct {
		name     string
		release  string
		mirrors  []LegacyMirror
		tls      []LegacyTLS
		want     map[string]string // directory -> its effective entries
		problems string
	}{
		{
			name: "the upstream comes after the mirrors", mirrors: []LegacyMirror{mirror("docker.io", "https://a.example.com", "http://b.example.com:5000")},
			want: map[string]string{"docker.io": "https a.example.com /v2\nhttp b.example.com:5000 /v2\nhttps registry-1.docker.io /v2\n"},
		},
		{
			name: "but not after the host itself", mirrors: []LegacyMirror{mirror("192.168.21.9", "http://192.168.21.9")},
			want: map[string]string{"192.168.21.9": "http 192.168.21.9 /v2\n"},
		},
		{
			name: "wherever it stands in the list", mirrors: []LegacyMirror{mirror("r.example.com:5000", "https://r.example.com:5000", "https://m.example.com")},
			want: map[string]string{"r.example.com:5000": "https r.example.com:5000 /v2\nhttps m.example.com /v2\n"},
		},
		{
			name: "another port is another host", mirrors: []LegacyMirror{mirror("r.example.com", "http://r.example.com:80")},
			want: map[string]string{"r.example.com": "http r.example.com:80 /v2\nhttps r.example.com /v2\n"},
		},
		{
			name: "Docker Hub's own server is not asked twice", mirrors: []LegacyMirror{mirror("docker.io", "https://registry-1.docker.io")},
			want: map[string]string{"docker.io": "https registry-1.docker.io /v2\n"},
		},
		{
			name: "no endpoints", mirrors: []LegacyMirror{mirror("quay.io"), mirror("*", "http://m.example.com")},
			want: map[string]string{"quay.io": "https quay.io /v2\n", "_default": "http m.example.com /v2\nupstream\n", "m.example.com": "http m.example.com /v2\n"},
		},
		{
			name: "a path is taken as it is", mirrors: []LegacyMirror{mirror("docker.io", "https://harbor.example.com/v2/hubcache", "https://harbor.example.com/v2", "https://harbor.example.com/hub/v2/")},
			want: map[string]string{"docker.io": "https harbor.example.com /v2/hubcache\nhttps harbor.example.com /v2\nhttps harbor.example.com /hub/v2\nhttps registry-1.docker.io /v2\n"},
		},
		{
			name: "a slash at the end never worked", mirrors: []LegacyMirror{mirror("docker.io", "https://m.example.com/")},
			want:     map[string]string{"docker.io": "https m.example.com /\nhttps registry-1.docker.io /v2\n"},
			problems: "HST008",
		},
		{
			name: "endpoints without scheme", mirrors: []LegacyMirror{mirror("docker.io", "m.example.com:5000", "localhost:5000", "127.0.0.1")},
			want: map[string]string{"docker.io": "https m.example.com:5000 /v2\nhttp localhost:5000 /v2\nhttp 127.0.0.1 /v2\nhttps registry-1.docker.io /v2\n"},
		},
		{
			name: "a registry on this machine is asked over http", mirrors: []LegacyMirror{mirror("localhost:5000", "https://m.example.com")},
			want: map[string]string{"localhost:5000": "https m.example.com /v2\nhttp localhost:5000 /v2\n"},
		},
		{
			name: "TLS settings go by the contacted host", mirrors: []LegacyMirror{mirror("docker.io", "https://harbor.example.com", "https://harbor.example.com:8443")}, tls: []LegacyTLS{trust},
			want: map[string]string{
				"docker.io":          "https harbor.example.com /v2 ca=/etc/ssl/harbor.pem\nhttps harbor.example.com:8443 /v2\nhttps registry-1.docker.io /v2\n",
				"harbor.example.com": "https harbor.example.com /v2 ca=/etc/ssl/harbor.pem\n",
			},
		},
		{
			name: "TLS settings of Docker Hub's server", tls: []LegacyTLS{skip("registry-1.docker.io")},
			want: map[string]string{"docker.io": "https registry-1.docker.io /v2 skip\n", "registry-1.docker.io": "https registry-1.docker.io /v2 skip\n"},
		},
		{
			name: "TLS settings for the alias never worked", tls: []LegacyTLS{skip("docker.io")},
			want: map[string]string{"docker.io": "https registry-1.docker.io /v2\n"},
		},
		{
			name: "a host with TLS settings keeps the mirrors of *", mirrors: []LegacyMirror{mirror("*", "http://m.example.com")}, tls: []LegacyTLS{trust},
			want: map[string]string{
				"_default":           "http m.example.com /v2\nupstream\n",
				"m.example.com":      "http m.example.com /v2\n",
				"harbor.example.com": "http m.example.com /v2\nhttps harbor.example.com /v2 ca=/etc/ssl/harbor.pem\n",
			},
		},
		{
			name: "an http endpoint has no TLS keys", mirrors: []LegacyMirror{mirror("192.168.21.9", "http://192.168.21.9")}, tls: []LegacyTLS{skip("192.168.21.9")},
			want: map[string]string{"192.168.21.9": "http 192.168.21.9 /v2\n"},
		},
		{
			name: "client pair", tls: []LegacyTLS{{Host: "r.example.com", CertFile: "/c.pem", KeyFile: "/k.pem"}},
			want: map[string]string{"r.example.com": "https r.example.com /v2 client=/c.pem,/k.pem\n"},
		},
		{
			name: "half a client pair", tls: []LegacyTLS{{Host: "r.example.com", CertFile: "/c.pem"}},
			want: map[string]string{"r.example.com": "https r.example.com /v2\n"}, problems: "HST014",
		},
		{
			name: "relative file", tls: []LegacyTLS{{Host: "r.example.com", CAFile: "ca.pem"}},
			want: map[string]string{"r.example.com": "https r.example.com /v2 ca=/ca.pem\n"}, problems: "HST014",
		},
		{
			name: "keys with a scheme", mirrors: []LegacyMirror{mirror("http://r.example.com", "http://r.example.com")}, tls: []LegacyTLS{skip("https://r.example.com:8080")},
			want: map[string]string{}, problems: "CFG021,CFG021",
		},
		{
			name: "2.x ignores TLS settings", release: "2.0.5", mirrors: []LegacyMirror{mirror("docker.io", "https://harbor.example.com")}, tls: []LegacyTLS{trust},
			want: map[string]string{"docker.io": "https harbor.example.com /v2\nhttps registry-1.docker.io /v2\n"}, problems: "CFG023",
		},
		{
			name: "endpoints that are none", mirrors: []LegacyMirror{mirror("docker.io", "ftp://m.example.com", "https://", "https://a b", "https://u:p@m.example.com?x=y")},
			want: map[string]string{"docker.io": "https m.example.com /v2\nhttps registry-1.docker.io /v2\n"}, problems: "HST030,HST030,HST030",
		},
		{
			name: "the same endpoint twice", mirrors: []LegacyMirror{mirror("docker.io", "https://m.example.com", "https://m.example.com")},
			want: map[string]string{"docker.io": "https m.example.com /v2\nhttps registry-1.docker.io /v2\n"},
		},
		{
			name: "* before _default", release: "1.6.10", mirrors: []LegacyMirror{mirror("*", "http://m.example.com")},
			want: map[string]string{"_default": "http m.example.com /v2\nupstream\n", "m.example.com": "http m.example.com /v2\n"}, problems: "DIR004",
		},
		{
			name: "a path on 1.5", release: "1.5.18", mirrors: []LegacyMirror{mirror("docker.io", "https://harbor.example.com/v2/hubcache")},
			want: map[string]string{"docker.io": "https harbor.example.com /v2/hubcache\nhttps registry-1.docker.io /v2\n"}, problems: "HST009",
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if tc.release == "" {
				tc.release = "1.7.35"
			}
			rel := release(t, tc.release)
			dirs, problems := FromLegacy(tc.mirrors, tc.tls, rel)
			got := map[string]string{}
			for _, d := range dirs {
				got[d.Name] = asked(d.Document)
				out, err := d.Render(rel)
				if err != nil {
					t.Fatal(err)
				}
				if len(out) != 1 || out[0].Secret {
					t.Errorf("%s: files %v", d.Name, out)
				}
				doc, _ := Parse(out[0].Data, rel)
				if diff := cmp.Diff(&d.Document, doc, rereadOptions...); diff != "" && rel.HasOverridePath() {
					t.Errorf("%s (-meant +read)\n%s", d.Name, diff)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			var ids []string
			for _, p := range problems {
				ids = append(ids, p.ID)
				if strings.Contains(p.Text, "u:p@") || p.Text == "" || p.Hint == "" {
					t.Errorf("problem %+v", p)
				}
			}
			if diff := cmp.Diff(tc.problems, strings.Join(ids, ",")); diff != "" {
				t.Errorf("problems (-want +got)\n%s%v", diff, problems)
			}
			if !slices.IsSortedFunc(dirs, func(a, b Directory) int { return strings.Compare(a.Name, b.Name) }) {
				t.Error("directories are not sorted")
			}
		})
	}
}

// asked lists the servers of a document in the order in which they are asked.
func asked(doc Document) string {
	entries := slices.Clone(doc.Hosts)
	tail := "upstream\n"
	if doc.Server != "" {
		root := doc.Root
		root.URL, tail = doc.Server, ""
		entries = append(entries, root)
	}
	var b strings.Builder
	for _, h := range entries {
		t, _ := targetOf(h.URL, h.OverridePath)
		b.WriteString(t.scheme + " " + t.host + " " + t.path)
		if h.CA != nil {
			b.WriteString(" ca=" + strings.Join(h.CA, ","))
		}
		for _, c := range h.Client {
			b.WriteString(" client=" + c[0] + "," + c[1])
		}
		if h.SkipVerify != nil {
			b.WriteString(" skip")
		}
		b.WriteString("\n")
	}
	return b.String() + tail
}
