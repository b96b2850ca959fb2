//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/internal/trace"
	"github.com/pullway/pullway/test/lab"
)

// header is a header table with the credential of a user.
func header(password string) string {
	return "\nAuthorization = \"Basic " + base64.StdEncoding.EncodeToString([]byte("robot$nodes:"+password)) + "\"\n"
}

// TestTrace: what a trace says of an image is what a pull of it through CRI shows,
// on each release, for many ways to wire a node.
func TestTrace(t *testing.T) {
	t.Parallel()
	var nodes []lab.NodeSpec
	for i, r := range lab.Releases() {
		config := lab.DefaultContainerdConfig(r) + fmt.Sprintf("\n[plugins.%q.registry]\n  config_path = \"/etc/containerd/certs.d\"\n", criTable(r))
		nodes = append(nodes, lab.NodeSpec{Name: fmt.Sprintf("node%d", i+1), Containerd: r, Config: config})
	}
	l := up(t, nodes...)
	o := newOperator(t, l)
	good, wrong := header(secret1), header("wrong")
	const token = "192.168.21.7:5000/team/app:v1"
	cases := []struct {
		name, image, dir, hosts string
		says                    string // of every verdict; empty where releases differ
	}{
		{"healthy", appImage, "192.168.21.9", "server = \"http://192.168.21.9\"\n[header]" + good + "[host]\n", "served by http://192.168.21.9/v2"},
		{"default directory", appImage, "_default", "[host.\"http://192.168.21.9\"]\n[host.\"http://192.168.21.9\".header]" + good, "served by http://192.168.21.9/v2"},
		{"dead mirror, then upstream", appImage, "192.168.21.9", "server = \"http://192.168.21.9\"\n[header]" + good + "[host.\"http://192.168.21.9:9\"]\n", "after http://192.168.21.9:9/v2 failed"},
		{"wrong password", appImage, "192.168.21.9", "server = \"http://192.168.21.9\"\n[header]" + wrong + "[host]\n", "refuses the Authorization header"},
		{"no password", appImage, "192.168.21.9", "server = \"http://192.168.21.9\"\n[host]\n", "without a user name and password"},
		{"wrong password, then a good one", appImage, "192.168.21.9", "server = \"http://192.168.21.9\"\n[header]" + good + "[host.\"http://192.168.21.9/\"]\n[host.\"http://192.168.21.9/\".header]" + wrong, "served by"},
		{"missing image", "192.168.21.9/library/nosuch:v9", "192.168.21.9", "server = \"http://192.168.21.9\"\n[header]" + good + "[host]\n", "has no image"},
		{"no configuration", appImage, "", "", "connection refused on port 443"},
		{"broken file", appImage, "192.168.21.9", "server = \"http://192.168.21.9\n", "connection refused on port 443"},
		{"mirror that only pulls", appImage, "192.168.21.9", "server = \"http://192.168.21.9:9\"\n[host.\"http://192.168.21.9\"]\ncapabilities = [\"pull\"]\n[host.\"http://192.168.21.9\".header]" + good, "connection refused"},
		{"no authority", tlsImage, "harbor.example.com", "server = \"https://harbor.example.com\"\n[header]" + good + "[host]\n", "unknown authority"},
		{"not verified", tlsImage, "harbor.example.com", "server = \"https://harbor.example.com\"\nskip_verify = true\n[header]" + good + "[host]\n", "served by https://harbor.example.com/v2"},
		{"authority that is not there", tlsImage, "harbor.example.com", "server = \"https://harbor.example.com\"\nca = \"gone.pem\"\n[host]\n", "fails before any host is asked"},
		{"http with TLS keys", appImage, "192.168.21.9", "server = \"http://192.168.21.9\"\nskip_verify = true\n[header]" + good + "[host]\n", ""},
		{"header and tokens", token, "192.168.21.7:5000", "server = \"http://192.168.21.7:5000\"\n[header]" + good + "[host]\n", ""},
	}
	agreed := 0
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			for _, n := range l.Nodes() {
				sh(t, n, "rm -rf /etc/containerd/certs.d && mkdir -p /etc/containerd/certs.d/"+tc.dir)
				if tc.dir != "" {
					if err := n.WriteFile(t.Context(), "/etc/containerd/certs.d/"+tc.dir+"/hosts.toml", []byte(tc.hosts), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			r := o.on("trace", "-o", "json", tc.image)
			got := decode[report.Trace](t, r)
			if got.Schema != report.TraceSchema || len(got.Nodes) != len(l.Nodes()) || got.Summary.Failed != 0 {
				t.Fatalf("%s", r)
			}
			if want := map[bool]int{true: 3, false: 0}[got.Summary.NotServed > 0]; r.code != want {
				t.Errorf("exit code %d, want %d", r.code, want)
			}
			if strings.Contains(r.out+r.err, secret1) || strings.Contains(r.out+r.err, good[len("\nAuthorization = \"Basic "):40]) {
				t.Error("a secret is shown")
			}
			for i, n := range l.Nodes() {
				tr := got.Nodes[i].Trace
				if tr == nil || tr.Verdict == nil || got.Nodes[i].Name != n.Name {
					t.Fatalf("%s: no verdict: %s", n.Name, r)
				}
				v := tr.Verdict
				t.Logf("%s (%s): %s [%s]", n.Name, tr.Release, v.Text, v.Hint)
				if !strings.Contains(v.Text, tc.says) {
					t.Errorf("%s: %q is not in %q", n.Name, tc.says, v.Text)
				}
				if v.Served && !slices.ContainsFunc(tr.Hosts, func(h trace.Host) bool { return h.Content != nil && h.Content.Then == trace.ThenServes }) {
					t.Errorf("%s: nobody was asked for a layer", n.Name)
				}
				if err := pull(t, n, tc.image); (err == nil) != v.Served {
					t.Errorf("%s: the trace says %q, the pull %v", n.Name, v.Text, err)
				} else {
					agreed++
				}
			}
		})
	}
	tracePulls(t, l, o, cases[0].hosts, cases[3].hosts)
	for i, show := range []int{2, 3} { // as docs/trace.md shows it
		n := l.Nodes()[i]
		sh(t, n, "mkdir -p /etc/containerd/certs.d/192.168.21.9")
		if err := n.WriteFile(t.Context(), "/etc/containerd/certs.d/192.168.21.9/hosts.toml", []byte(cases[show].hosts), 0o600); err != nil {
			t.Fatal(err)
		}
		r := o.on("trace", "--limit", n.Name, appImage)
		t.Logf("%s%s", r.out, o.on("trace", "--limit", n.Name, "-o", "json", appImage).out)
		mentions(t, r, map[int]string{0: "└─ SERVED", 1: "└─ FAILS"}[i])
		sh(t, n, "rm -r /etc/containerd/certs.d")
	}
	t.Logf("trace and pull agree in %d of %d", agreed, len(cases)*len(l.Nodes()))
	r := o.on("trace", appImage)
	t.Logf("%s", r.out)
	for _, want := range []string{"node1", "node3", "✗ connection refused on port 443", "→ there is no further host", "Trace: 0 nodes served, 3 not served."} {
		mentions(t, r, want)
	}
}

// tracePulls: with --pull the pull agrees, the node has no more images than before, and
// one that it has is not pulled.
func tracePulls(t *testing.T, l *lab.Lab, o *operator, good, bad string) {
	t.Helper()
	for _, tc := range []struct {
		hosts   string
		present bool
		outcome trace.Outcome
		code    int
	}{{good, false, trace.Pulled, 0}, {good, true, trace.NotMade, 0}, {bad, false, trace.Failed, 3}} {
		before := map[string][]string{}
		for _, n := range l.Nodes() {
			sh(t, n, "rm -rf /etc/containerd/certs.d && mkdir -p /etc/containerd/certs.d/192.168.21.9")
			if err := n.WriteFile(t.Context(), "/etc/containerd/certs.d/192.168.21.9/hosts.toml", []byte(tc.hosts), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := n.CRIRemove(t.Context(), appImage); err != nil {
				t.Fatal(err)
			}
			if tc.present {
				if _, err := n.CRIPull(t.Context(), appImage); err != nil {
					t.Fatal(err)
				}
			}
			images, err := n.CRIImages(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			before[n.Name] = images
		}
		r := o.on("trace", "--pull", "-o", "json", appImage)
		got := decode[report.Trace](t, r)
		if r.code != tc.code || got.Summary.Disagree != 0 || len(got.Nodes) != len(l.Nodes()) {
			t.Fatalf("exit code %d, want %d: %s", r.code, tc.code, r)
		}
		for i, n := range l.Nodes() {
			if p := got.Nodes[i].Trace.Pull; p == nil || p.Outcome != tc.outcome || (p.Agrees == nil) != (tc.outcome == trace.NotMade) {
				t.Errorf("%s: %+v, want %s", n.Name, p, tc.outcome)
			}
			images, err := n.CRIImages(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(slices.Sorted(slices.Values(images)), slices.Sorted(slices.Values(before[n.Name]))) {
				t.Errorf("%s: images %v, before %v", n.Name, images, before[n.Name])
			}
			if !tc.present {
				continue
			}
			if err := n.CRIRemove(t.Context(), appImage); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := o.on("trace", "--pull", "--limit", "node1", appImage)
	t.Logf("%s", r.out)
	mentions(t, r, "PULL AGREES")
	mentions(t, r, "the pull failed, as the trace says")
}

// TestTraceTables is the same for nodes of the deprecated tables.
func TestTraceTables(t *testing.T) {
	t.Parallel()
	var nodes []lab.NodeSpec
	for i, r := range lab.Releases() {
		nodes = append(nodes, lab.NodeSpec{Name: fmt.Sprintf("node%d", i+1), Containerd: r, Config: legacy(r)})
	}
	l := up(t, nodes...)
	o := newOperator(t, l)
	for _, image := range []string{appImage, tlsImage, "192.168.21.9/library/nosuch:v9", "192.168.21.7:5000/team/app:v1"} {
		got := decode[report.Trace](t, o.on("trace", "-o", "json", image))
		for i, n := range l.Nodes() {
			tr := got.Nodes[i].Trace
			if tr == nil || tr.Verdict == nil {
				t.Fatalf("%s: no verdict: %+v", n.Name, got.Nodes[i].Error)
			}
			t.Logf("%s (%s): %s [%s]", n.Name, tr.Release, tr.Verdict.Text, tr.Verdict.Hint)
			if err := pull(t, n, image); (err == nil) != tr.Verdict.Served {
				t.Errorf("%s: the trace says %q, the pull %v", n.Name, tr.Verdict.Text, err)
			}
		}
	}
}
