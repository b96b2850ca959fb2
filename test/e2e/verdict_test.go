//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
)

// explains checks that a proof ends with the verdict of a trace.
func explains(t *testing.T, node string, p protocol.Proof, host string, parts ...string) {
	t.Helper()
	if p.OK || p.Why == nil || p.Why.Served || p.Why.Host != host || !strings.HasPrefix(p.Why.Text, p.Image+" is not served") || strings.Contains(p.Why.Text, "pullway-probe") {
		t.Errorf("%s: %+v, why %+v", node, p, p.Why)
		return
	}
	t.Logf("%s: %s\n  why: %s\n  hint: %s", node, p.Error, p.Why.Text, p.Why.Hint)
	for _, part := range parts {
		if !strings.Contains(p.Why.Text, part) {
			t.Errorf("%s: %q does not say %q", node, p.Why.Text, part)
		}
	}
}

// TestFailedProofsAreExplained: verify and apply that fail end with what a trace of
// the very same pull found, and the failed apply has put back every byte.
func TestFailedProofsAreExplained(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	o := newOperator(t, l)
	const none = "192.168.21.9/library/none:v1"
	const at = "http://192.168.21.9/v2"

	t.Run("apply", func(t *testing.T) {
		for _, n := range l.Nodes() {
			o, was := newOperator(t, l), etc(t, n)
			o.env["HARBOR_PASSWORD"] = "wrong"
			began := time.Now()
			run := o.apply(4, o.file("spec.yaml", spec(harbor, image)), "--no-preflight", "--limit", n.Name)
			t.Logf("%s: %s in all", n.Name, time.Since(began).Round(time.Millisecond))
			unchanged(t, n.Name, was, etc(t, n))
			clean(t, n)
			healthy(t, n)
			node := run.Nodes[0]
			if node.Result == nil || len(node.Result.Proofs) != 1 || node.Error == nil {
				t.Fatalf("%+v", node)
			}
			proof := node.Result.Proofs[0]
			explains(t, n.Name, proof, at, "refuses")
			if proof.Why == nil || !strings.Contains(node.Error.Text, "Trace: "+at+": refuses") {
				t.Errorf("the error does not hold the verdict: %s", node.Error.Text)
			}
			// The node remembers it, too.
			s := decode[report.Status](t, o.must(0, "status", "-o", "json", "--limit", n.Name))
			if h := s.Nodes[0].Status.History; len(h) == 0 || !strings.Contains(h[0].Reason, "Trace: "+at) {
				t.Errorf("%s remembers %+v", n.Name, h)
			}
		}
		o := newOperator(t, l)
		o.env["HARBOR_PASSWORD"] = "wrong"
		r := o.must(4, "apply", "-f", o.file("spec.yaml", spec(harbor, image)), "--yes", "--no-preflight")
		t.Logf("%s", r.out)
		mentions(t, r, "why: "+image+" is not served. "+at)
	})

	o.apply(0, o.file("wired.yaml", spec(harbor, image)))

	t.Run("probe", func(t *testing.T) {
		for _, n := range l.Nodes() {
			was := etc(t, n)
			run := o.apply(1, o.file("spec.yaml", spec(mirrored, none)), "--no-preflight", "--limit", n.Name)
			unchanged(t, n.Name, was, etc(t, n))
			explains(t, n.Name, run.Nodes[0].Result.Proofs[0], at, "has no image")
		}
	})
	t.Run("verify", func(t *testing.T) {
		was := allEtc(t, l)
		wrong := newOperator(t, l)
		wrong.env["HARBOR_PASSWORD"] = "wrong"
		file := wrong.file("spec.yaml", spec(harbor, image, appImage))
		began := time.Now()
		v := decode[report.Verify](t, wrong.must(3, "verify", "--no-preflight", "-o", "json", "-f", file))
		t.Logf("%d nodes in %s", len(v.Nodes), time.Since(began).Round(time.Millisecond))
		for _, n := range v.Nodes {
			explains(t, n.Name, n.Proofs[0], at, "refuses")
			if w := n.Proofs[1].Why; w == nil || w.SameAs != image {
				t.Errorf("%s: %+v, why %+v", n.Name, n.Proofs[1], w)
			}
		}
		r := wrong.must(3, "verify", "--no-preflight", "-f", file)
		t.Logf("%s", r.out)
		for _, line := range []string{"why: " + image + " is not served. " + at, "why: as for " + image, "pullway trace " + image} {
			mentions(t, r, line)
		}
		unchanged(t, "verify", was, allEtc(t, l))
		for _, n := range l.Nodes() {
			clean(t, n)
		}
	})
	t.Run("registry away", func(t *testing.T) {
		reg := l.Registry(lab.Harbor)
		if err := reg.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		v := decode[report.Verify](t, o.must(3, "verify", "-o", "json", "-f", o.file("spec.yaml", spec(harbor, image))))
		if err := reg.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, n := range v.Nodes {
			explains(t, n.Name, n.Proofs[0], at, "connection refused")
		}
	})
}

// TestDoctorReadsTheJournal: after a pull that failed, doctor names the image, the
// error and the rule from containerd's own journal, on each release; once it was
// pulled it says so; and the journal can be left out.
func TestDoctorReadsTheJournal(t *testing.T) {
	t.Parallel()
	var nodes []lab.NodeSpec
	for i, r := range releases() {
		config := lab.DefaultContainerdConfig(r) + fmt.Sprintf("\n[plugins.%q.registry]\n  config_path = \"/etc/containerd/certs.d\"\n", criTable(r))
		nodes = append(nodes, lab.NodeSpec{Name: fmt.Sprintf("node%d", i+1), Containerd: r, Config: config})
	}
	l := up(t, nodes...)
	o := newOperator(t, l)
	good := header(secret1)
	write := func(n *lab.Node, host, text string) {
		sh(t, n, "mkdir -p /etc/containerd/certs.d/"+host)
		if err := n.WriteFile(t.Context(), "/etc/containerd/certs.d/"+host+"/hosts.toml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const nginx = "docker.io/library/nginx:1.27"
	for _, n := range l.Nodes() {
		write(n, "192.168.21.9", "server = \"https://192.168.21.9:80\"\n[header]"+good+"[host]\n")
		if err := pull(t, n, appImage); err == nil {
			t.Fatalf("%s: plain HTTP was taken for HTTPS", n.Name)
		}
		// A mirror that is not let in, then an upstream that is not there.
		write(n, "docker.io", "server = \"https://192.0.2.1\"\n[host.\"https://harbor.example.com\"]\n")
		if err := pull(t, n, nginx); err == nil {
			t.Fatalf("%s: pulled from nowhere", n.Name)
		}
	}
	before := allEtc(t, l)
	find := func(n report.DoctorNode, image string) *doctor.FailedPull {
		if n.Journal == nil || n.Journal.Unread != "" {
			t.Fatalf("%s: journal %+v", n.Name, n.Journal)
		}
		for i, p := range n.Journal.Pulls {
			if p.Image == image {
				return &n.Journal.Pulls[i]
			}
		}
		t.Fatalf("%s: no %s in %+v", n.Name, image, n.Journal.Pulls)
		return nil
	}
	began := time.Now()
	d := decode[report.Doctor](t, o.on("doctor", "-o", "json"))
	t.Logf("%d nodes in %s", len(d.Nodes), time.Since(began).Round(time.Millisecond))
	for _, n := range d.Nodes {
		p := find(n, appImage)
		if p.Times < 1 || !slices.Contains(p.Rules, "HST005") || !p.Pulled.IsZero() || time.Since(p.At) > time.Hour || !strings.Contains(p.Text, "HTTP response to HTTPS client") {
			t.Errorf("%s (%s): %+v", n.Name, n.Release, p)
		}
		p = find(n, nginx)
		t.Logf("%s (%s): %s\n  before: %q\n  rules: %v", n.Name, n.Release, p.Text, p.Before, p.Rules)
		if !strings.Contains(p.Text+strings.Join(p.Before, " "), "unknown authority") {
			t.Errorf("%s: the mirror's answer is lost: %+v", n.Name, p)
		}
	}
	unchanged(t, "doctor", before, allEtc(t, l))
	human := o.on("doctor")
	t.Logf("%s", human.out)
	if strings.Contains(human.out+human.err, secret1) || strings.Contains(human.out, strings.TrimSpace(good)[20:40]) {
		t.Error("a secret is shown")
	}
	for _, want := range []string{"by containerd's journal", appImage, "HST005"} {
		mentions(t, human, want)
	}
	first := l.Nodes()[0]
	write(first, "192.168.21.9", "server = \"http://192.168.21.9\"\n[header]"+good+"[host]\n")
	if err := pull(t, first, appImage); err != nil {
		t.Fatal(err)
	}
	d = decode[report.Doctor](t, o.on("doctor", "-o", "json", "--limit", first.Name))
	if p := find(d.Nodes[0], appImage); p.Pulled.Before(p.At) {
		t.Errorf("it has been pulled since: %+v", p)
	}
	t.Logf("%s", o.on("doctor", "--limit", first.Name).out)
	d = decode[report.Doctor](t, o.on("doctor", "-o", "json", "--since", "0", "--limit", first.Name))
	if d.Nodes[0].Journal != nil {
		t.Errorf("the journal was read: %+v", d.Nodes[0].Journal)
	}
	// Without journalctl that is said, and all else goes on.
	sh(t, first, "mv /usr/bin/journalctl /usr/bin/journalctl.away")
	r := o.on("doctor", "--limit", first.Name)
	mentions(t, r, "not looked at:", "there is no journalctl on this node")
	sh(t, first, "mv /usr/bin/journalctl.away /usr/bin/journalctl")
}
