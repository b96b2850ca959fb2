package doctor_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/doctor"
)

// What only a running node tells: when containerd started, its unit, its images.
func TestLive(t *testing.T) {
	started := time.Now().Add(-time.Hour)
	dir := etc(t, map[string]string{
		"etc/containerd/config.toml":                 "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n",
		"etc/containerd/conf.d/new.toml":             "version = 2\n",
		"etc/containerd/certs.d/r.lan/hosts.toml":    "server = \"http://r.lan:5000\"\n[host]\n",
		"etc/containerd/conf.d/soon.toml":            "version = 2\n",
		"etc/ssl/certs/ca-certificates.crt":          "",
		"etc/kubernetes/manifests/etcd.yaml":         "spec:\n  containers:\n  - image: q.lan:5000/etcd:v1\n",
		"etc/containerd/certs.d/q.lan/hosts.toml":    "server = \"http://q.lan:5000\"\n[host]\n",
		"etc/containerd/certs.d/s.lan:5000/note.txt": "",
	})
	old := started.Add(-time.Hour)
	soon := started.Add(900 * time.Millisecond)
	if err := os.Chtimes(filepath.Join(dir, "etc/containerd/conf.d/soon.toml"), soon, soon); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"etc/containerd/config.toml", "etc/ssl/certs/ca-certificates.crt"} {
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		reason string
		live   *doctor.Live
		want   []string
	}{
		{"files alone know static pods", nil, []string{"DIR001 /etc/containerd/certs.d/q.lan"}},
		{"not running", &doctor.Live{KillMode: "process"}, []string{"DIR001 /etc/containerd/certs.d/q.lan"}},
		{"running", &doctor.Live{Started: started, KillMode: "mixed", Images: []string{"r.lan:5000/app:v1", "r.lan/app:v1", "s.lan:5000/x:1", "sha256:00", "docker.io/library/nginx:1"}},
			[]string{"CFG017 /etc/containerd/conf.d/new.toml", "DIR001 /etc/containerd/certs.d/q.lan", "DIR001 /etc/containerd/certs.d/r.lan", "RUN005 "}},
		{"started before the certificates", &doctor.Live{Started: old.Add(-time.Hour), KillMode: "process"},
			[]string{"CFG017 /etc/containerd/conf.d/new.toml", "CFG017 /etc/containerd/conf.d/soon.toml", "CFG017 /etc/containerd/config.toml", "DIR001 /etc/containerd/certs.d/q.lan", "RUN004 /etc/ssl/certs/ca-certificates.crt"}},
	} {
		r := doctor.Examine(doctor.Node{Files: doctor.Folder{Path: dir, At: "/"}, Release: release(t, "2.4.2"), Live: tc.live})
		var got []string
		for _, f := range r.Findings {
			got = append(got, f.Rule+" "+f.File)
		}
		slices.Sort(got)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
		}
	}
}

// What hosts answered a running node is told where they are named. What is no fault of
// the files, and what a credential would change, is not.
func TestAsked(t *testing.T) {
	for _, tc := range []struct {
		reason string
		asked  doctor.Asked
		want   string
	}{
		{"plain HTTP behind https", doctor.Asked{URL: "https://r.lan", Fault: "https-on-http", Text: "speaks plain HTTP"}, "HST005"},
		{"TLS behind http", doctor.Asked{URL: "http://r.lan", Fault: "http-on-https", Text: "speaks TLS"}, "HST005"},
		{"no such name", doctor.Asked{URL: "https://r.lan", Fault: "dns", Text: "no such host"}, "RUN008"},
		{"a certificate of others", doctor.Asked{URL: "https://r.lan", Fault: "san", Text: "is for q.lan"}, "RUN009"},
		{"down, which files cannot mend", doctor.Asked{URL: "https://r.lan", Fault: "unreachable", Text: "refused"}, ""},
		{"well", doctor.Asked{URL: "https://r.lan", Mirror: true}, ""},
		{"a mirror with a password", doctor.Asked{URL: "https://m.lan", Mirror: true, BasicOnly: true}, "AUT002"},
		{"one that the node has", doctor.Asked{URL: "https://m.lan", Mirror: true, BasicOnly: true, Credential: true}, ""},
		{"the registry itself: pull secrets are for it", doctor.Asked{URL: "https://r.lan", BasicOnly: true}, ""},
	} {
		tc.asked.File, tc.asked.Line = "/etc/containerd/certs.d/r.lan/hosts.toml", 3
		r := doctor.Examine(doctor.Node{Files: doctor.Folder{Path: t.TempDir(), At: "/"}, Release: release(t, "2.4.2"), Live: &doctor.Live{Asked: []doctor.Asked{tc.asked}}})
		var got []string
		for _, f := range r.Findings {
			if f.File == tc.asked.File {
				got = append(got, f.Rule)
				if f.Line != 3 || f.Severity != doctor.S4 || f.Hint == "" || !f.Now() {
					t.Errorf("%s: %+v", tc.reason, f)
				}
			}
		}
		if want := strings.Fields(tc.want); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", tc.reason, got, want)
		}
	}
}
