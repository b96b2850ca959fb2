//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

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
			if proof.Why == nil || !strings.Contains(node.Error.Text, proof.Why.Text) {
				t.Errorf("the error does not hold the verdict: %s", node.Error.Text)
			}
			// The node remembers it, too.
			s := decode[report.Status](t, o.must(0, "status", "-o", "json", "--limit", n.Name))
			if h := s.Nodes[0].Status.History; len(h) == 0 || !strings.Contains(h[0].Reason, "is not served. "+at) {
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
