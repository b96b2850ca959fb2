package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/trace"
)

var testImage = config.Image{Host: "harbor.example.com", Path: "library/test-image", Tag: "latest"}

func TestWhyOf(t *testing.T) {
	host := func(url string) trace.Host { return trace.Host{URL: url, Answer: &trace.Answer{}} }
	for _, tc := range []struct {
		reason string
		trace  *trace.Trace
		want   protocol.Why
	}{
		{"refused", &trace.Trace{Hosts: []trace.Host{host("http://192.168.21.8/v2"), host("http://192.168.21.8"), host("http://192.168.21.9/v2")},
			Verdict: &trace.Verdict{Text: "i is not served. http://192.168.21.9/v2: refuses; http://192.168.21.8/v2: no route.", Hint: "check the password"}},
			protocol.Why{Host: "http://192.168.21.9/v2", Text: "i is not served. http://192.168.21.9/v2: refuses; http://192.168.21.8/v2: no route.", Hint: "check the password"}},
		{"of two that begin alike the longer one", &trace.Trace{Hosts: []trace.Host{host("http://192.168.21.8"), host("http://192.168.21.8/v2")},
			Verdict: &trace.Verdict{Text: "i is not served. http://192.168.21.8/v2: no route."}},
			protocol.Why{Host: "http://192.168.21.8/v2", Text: "i is not served. http://192.168.21.8/v2: no route."}},
		{"a host that was not asked is none", &trace.Trace{Hosts: []trace.Host{{URL: "http://192.168.21.8"}}, Verdict: &trace.Verdict{Text: "i is not served. http://192.168.21.8."}},
			protocol.Why{Text: "i is not served. http://192.168.21.8."}},
		{"served now", &trace.Trace{Verdict: &trace.Verdict{Served: true, By: "http://h/v2", Text: "i is served by http://h/v2."}},
			protocol.Why{Served: true, Host: "http://h/v2", Text: "A trace now finds that i is served by http://h/v2: the failure may have passed, or is the node's own."}},
		{"the probe's directory is gone in a moment", &trace.Trace{Verdict: &trace.Verdict{Text: "The pull fails before any host is asked: the CA file /etc/containerd/certs.d/pullway-probe.invalid/ca.pem cannot be read.", Hint: "look at pullway-probe.invalid"}},
			protocol.Why{Text: "The pull fails before any host is asked: the CA file /etc/containerd/certs.d/harbor.example.com/ca.pem cannot be read.", Hint: "look at harbor.example.com"}},
	} {
		if d := cmp.Diff(tc.want, *whyOf(tc.trace, testImage)); d != "" {
			t.Errorf("%s: %s", tc.reason, d)
		}
	}
}

// saying is an explainer whose traces say text.
func saying(left time.Duration, text string) (x *explainer, asked *[]string) {
	asked = &[]string{}
	return &explainer{left: left, trace: func(_ context.Context, pulled, _ config.Image, _ time.Duration) *trace.Trace {
		*asked = append(*asked, pulled.String())
		return &trace.Trace{Verdict: &trace.Verdict{Text: text}}
	}}, asked
}

func TestImagesThatFailTheSameWayAreExplainedOnce(t *testing.T) {
	x, asked := saying(time.Minute, "why")
	of := func(ref, text string) *protocol.Why {
		image, err := config.ParseImage(ref)
		if err != nil {
			t.Fatal(err)
		}
		probe := image
		probe.Host = ProbeHost
		return x.of(t.Context(), protocol.Proof{Image: ref, Error: text}, probe, image)
	}
	same := func(path, tag string) string {
		return `unexpected status from HEAD request to http://192.168.21.9/v2/` + path + `/manifests/` + tag + `?ns=pullway-probe.invalid: 401 Unauthorized`
	}
	got := []*protocol.Why{
		of("r.lan/team/app:v1", same("team/app", "v1")), of("r.lan/team/web:2", same("team/web", "2")),
		of("other.lan/team/web:2", same("team/web", "2")), // another registry
		of("r.lan/team/db:v1", "no such host"),
		of("r.lan/team/db:v2", "too many: a fourth kind"),
		of("r.lan/team/db:v3", "no such host"),
	}
	image := func(ref string) config.Image {
		i, err := config.ParseImage(ref)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	for _, pair := range [][2]string{
		{"pulling from host r.lan failed with status code [manifests v1]: 401", "pulling from host r.lan failed with status code [manifests 2]: 401"}, // 1.6
		{`failed to resolve reference "r.lan/team/app:v1": EOF`, `failed to resolve reference "r.lan/team/web:2": EOF`},
	} {
		if a, b := sameWay(pair[0], image("r.lan/team/app:v1"), image("r.lan/team/app:v1")), sameWay(pair[1], image("r.lan/team/web:2"), image("r.lan/team/web:2")); a != b {
			t.Errorf("%q is not %q", a, b)
		}
	}
	if a, b := image("r.lan/app@sha256:"+strings.Repeat("0", 64)), image("r.lan/web@sha256:"+strings.Repeat("1", 64)); sameWay(a.Digest, a, a) != sameWay(b.Digest, b, b) {
		t.Error("digests differ")
	}
	want := []*protocol.Why{{Text: "why"}, {SameAs: "r.lan/team/app:v1"}, {Text: "why"}, {Text: "why"}, nil, {SameAs: "r.lan/team/db:v1"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"pullway-probe.invalid/team/app:v1", "pullway-probe.invalid/team/web:2", "pullway-probe.invalid/team/db:v1"}, *asked); d != "" {
		t.Error(d)
	}
}

// The one line of an error holds the reason and the verdict, and names things once.
func TestTheErrorOfAProofIsShort(t *testing.T) {
	proof := protocol.Proof{Image: "r.lan/app:1", Error: `failed to do request: Head "https://r.lan/v2/app/manifests/1?ns=%5BREDACTED%5D": tls: unknown authority`}
	const head = "the configured endpoints did not serve the verify image r.lan/app:1: "
	for want, why := range map[string]*protocol.Why{
		head + `failed to do request: Head "https://r.lan/v2/app/manifests/1?ns=%5BREDACTED%5D": tls: unknown authority`: nil,
		head + "tls: unknown authority. Trace: https://r.lan/v2: the authority is not known.":                            {Text: "r.lan/app:1 is not served. https://r.lan/v2: the authority is not known."},
		head + "tls: unknown authority. Trace: i is served by h.":                                                        {Served: true, Text: "A trace now finds that i is served by h."},
	} {
		proof.Why = why
		if err := verdict(proof, nil); err == nil || err.Error() != want || !errors.Is(err, errNotProven) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// What told nothing once is no explanation for others.
func TestNothingIsNoExplanation(t *testing.T) {
	x := &explainer{left: time.Minute, trace: func(context.Context, config.Image, config.Image, time.Duration) *trace.Trace { return nil }}
	for range 2 {
		if w := x.of(t.Context(), protocol.Proof{Image: "i", Error: "401"}, testImage, testImage); w != nil {
			t.Errorf("%+v", w)
		}
	}
}

func TestWhatIsNotExplained(t *testing.T) {
	failed := protocol.Proof{Image: "i", Error: "401"}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	x, asked := saying(time.Minute, "why")
	var none *explainer
	late, lateAsked := saying(0, "why")
	for reason, got := range map[string]*protocol.Why{
		"a change that is being taken back": x.of(gone, failed, testImage, testImage),
		"a pull that worked":                x.of(t.Context(), protocol.Proof{OK: true}, testImage, testImage),
		"no explainer":                      none.of(t.Context(), failed, testImage, testImage),
		"no time is left":                   late.of(t.Context(), failed, testImage, testImage),
	} {
		if got != nil {
			t.Errorf("%s: %+v", reason, got)
		}
	}
	if len(*asked)+len(*lateAsked) > 0 {
		t.Errorf("asked %v, %v", asked, lateAsked)
	}
}

// A trace that heeds nothing, or falls over, costs its time and no more.
func TestATraceHoldsNothingUp(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	for name, tc := range map[string]struct {
		trace func(context.Context, config.Image, config.Image, time.Duration) *trace.Trace
		want  string
	}{
		"does not end": {func(context.Context, config.Image, config.Image, time.Duration) *trace.Trace { <-block; return nil }, "came to no end"},
		"panics":       {func(context.Context, config.Image, config.Image, time.Duration) *trace.Trace { panic("garbage") }, ""},
		"was cut off": {func(ctx context.Context, _, _ config.Image, _ time.Duration) *trace.Trace {
			<-ctx.Done()
			return &trace.Trace{Verdict: &trace.Verdict{Text: "no answer from a host that was not waited for"}}
		}, "came to no end"},
	} {
		t.Run(name, func(t *testing.T) {
			x := &explainer{left: 20 * time.Millisecond, trace: tc.trace}
			began := time.Now()
			w := x.of(t.Context(), protocol.Proof{Image: "i", Error: "401"}, testImage, testImage)
			if (w == nil) != (tc.want == "") || w != nil && !strings.Contains(w.Text, tc.want) || time.Since(began) > 5*time.Second {
				t.Errorf("%+v after %s", w, time.Since(began))
			}
		})
	}
	// Taken back in the middle: no word, and at once.
	ctx, cancel := context.WithCancel(t.Context())
	x := &explainer{left: time.Hour, trace: func(context.Context, config.Image, config.Image, time.Duration) *trace.Trace {
		cancel()
		<-block
		return nil
	}}
	if w := x.of(ctx, protocol.Proof{Image: "i", Error: "401"}, testImage, testImage); w != nil {
		t.Errorf("%+v", w)
	}
}

// The trace of a failed change sees the files that failed, before they go back, and
// its sentence is in the error, the proof and the node's own record.
func TestAFailedChangeIsExplainedBeforeItIsUndone(t *testing.T) {
	for _, at := range []protocol.Step{protocol.StepProbe, protocol.StepProve} {
		t.Run(string(at), func(t *testing.T) {
			b, changes := calmBench(t)
			tr := b.calmTransaction(changes, "20260101T000000.000Z-0001", nil)
			seen := map[string]string{}
			p := &prover{disk: b.store.disk, cri: b.cri, release: release242, hostsDir: b.hosts(),
				desired: config.Desired{VerifyImages: []string{testImage.String()},
					Registries: []config.Registry{tlsRegistry("harbor.example.com", "https://192.168.21.8", "NEW", "new")}},
				provable: func(config.Registry) bool { return true }, tell: func(protocol.Step, string) {},
				why: &explainer{left: time.Minute, trace: func(_ context.Context, pulled, shown config.Image, _ time.Duration) *trace.Trace {
					seen = b.tree()
					data, err := os.ReadFile(filepath.Join(b.hosts(), pulled.Host, "hosts.toml"))
					if err != nil || !strings.Contains(string(data), "192.168.21.8") || shown != testImage {
						t.Errorf("%s is traced as %s, its file: %s, %v", pulled, shown, data, err)
					}
					return &trace.Trace{Hosts: []trace.Host{{URL: "https://192.168.21.8/v2", Answer: &trace.Answer{}}},
						Verdict: &trace.Verdict{Text: shown.String() + " is not served. https://192.168.21.8/v2: refuses.", Hint: "check the password"}}
				}}}
			tr.probe, tr.prove, tr.dropPulled = p.probe, p.prove, p.dropPulled
			b.cri.onPull = func(ref string) error {
				if at == protocol.StepProbe || !strings.HasPrefix(ref, ProbeHost) {
					return &cri.PullError{Text: "401 Unauthorized", Hint: "a hint of the pull"}
				}
				return nil
			}
			e := NewEngine(b.store.dir, func(protocol.Step, string) {}, nil)
			reply, err := e.outcome(tr.run(t.Context()))
			const why = "harbor.example.com/library/test-image:latest is not served. https://192.168.21.8/v2: refuses."
			if err == nil || reply.Result.Failed != at || !strings.Contains(err.Error(), "401 Unauthorized. Trace: https://192.168.21.8/v2: refuses.") {
				t.Fatalf("%+v, %v", reply.Result, err)
			}
			if hint := asError(err).Hint; hint != "check the password" {
				t.Errorf("hint %q", hint)
			}
			want := &protocol.Why{Host: "https://192.168.21.8/v2", Text: why, Hint: "check the password"}
			if d := cmp.Diff(want, reply.Result.Proofs[0].Why); d != "" {
				t.Error(d)
			}
			if at == protocol.StepProve {
				if seen["certs.d/harbor.example.com/hosts.toml"] == b.old["certs.d/harbor.example.com/hosts.toml"] {
					t.Error("the files had gone back already")
				}
				if !slices.ContainsFunc(b.store.putBacks(), func(p protocol.Transaction) bool {
					return strings.Contains(p.Reason, "Trace: https://192.168.21.8/v2: refuses.")
				}) {
					t.Errorf("the node remembers %+v", b.store.putBacks())
				}
			}
			if d := b.isOld(); d != "" {
				t.Error(d)
			}
			if err := b.clean(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The signs of life of an engine go on while it waits for a trace, so its dead man's
// switch stays quiet.
func TestTheBeatGoesOnDuringATrace(t *testing.T) {
	b := emptyBench(t)
	e := NewEngine(b.store.dir, func(protocol.Step, string) {}, nil)
	release, err := e.hold(protocol.Request{Run: "run", Op: protocol.OpApply, ConfirmWithin: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	began := uptime()
	var during heartbeat
	x := &explainer{left: 30 * time.Second, trace: func(ctx context.Context, _, _ config.Image, _ time.Duration) *trace.Trace {
		for during = b.store.lastBeat(); during.At <= began.At && ctx.Err() == nil; during = b.store.lastBeat() {
			time.Sleep(time.Millisecond) // for a sign of life from after the trace began
		}
		return &trace.Trace{Verdict: &trace.Verdict{Text: "why"}}
	}}
	if w := x.of(t.Context(), protocol.Proof{Image: "i", Error: "401"}, testImage, testImage); w == nil || w.Text != "why" || during.At <= began.At {
		t.Errorf("%+v, no sign of life since %v: %v", w, began.At, during.At)
	}
}

// What CRI itself failed for is nothing for a trace to find.
func TestWithoutCRINothingIsTraced(t *testing.T) {
	x, asked := saying(time.Minute, "why")
	p := &prover{why: x}
	proof := protocol.Proof{Image: testImage.String(), Error: "gone"}
	p.explainOwn(t.Context(), &proof, &cri.PullError{Kind: cri.CRIMissing})
	if proof.Why != nil || len(*asked) > 0 {
		t.Errorf("%+v, %v", proof.Why, *asked)
	}
	p.explainOwn(t.Context(), &proof, &cri.PullError{Kind: cri.Other})
	if proof.Why == nil {
		t.Error("nothing was traced")
	}
}

// A change that is taken back while its failed proof is looked into goes back at
// once, and fails for that reason.
func TestAnUndoDoesNotWaitForATrace(t *testing.T) {
	b, changes := calmBench(t)
	tr := b.calmTransaction(changes, "20260101T000000.000Z-0001", nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	block := make(chan struct{})
	defer close(block)
	p := &prover{disk: b.store.disk, cri: b.cri, release: release242, hostsDir: b.hosts(),
		desired:  config.Desired{VerifyImages: []string{testImage.String()}, Registries: []config.Registry{tlsRegistry("harbor.example.com", "https://192.168.21.8", "NEW", "new")}},
		provable: func(config.Registry) bool { return true }, tell: func(protocol.Step, string) {},
		why: &explainer{left: time.Hour, trace: func(context.Context, config.Image, config.Image, time.Duration) *trace.Trace {
			cancel(errTakenBack)
			<-block
			return nil
		}}}
	tr.probe, tr.prove, tr.dropPulled = nil, p.prove, p.dropPulled
	b.cri.pullErr = &cri.PullError{Text: "401 Unauthorized"}
	res, err := tr.run(ctx)
	if err == nil || !strings.Contains(err.Error(), errTakenBack.Error()) || res.Outcome != protocol.OutcomeRestored {
		t.Fatalf("%+v, %v", res, err)
	}
	if d := b.isOld(); d != "" {
		t.Error(d)
	}
}
