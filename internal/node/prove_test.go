package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
)

// A proof that fails before the swap changes nothing and says so.
func TestAProofThatFailsFirstChangesNothing(t *testing.T) {
	cases := map[string]struct {
		pullErr error
		restart bool
		failed  protocol.Step
		outcome protocol.Outcome
		text    string
	}{
		"wrong password": {&cri.PullError{Text: `HEAD "http://192.168.21.8/v2/": 401 Unauthorized`}, false, protocol.StepProbe, protocol.OutcomeRefused, "401"},
		// containerd runs with something else than its files say.
		"directory not read": {&cri.PullError{Text: `failed to do request: Head "https://pullway-probe.invalid/v2/library": no such host`}, false,
			protocol.StepProbe, protocol.OutcomeRefused, "does not read the hosts directory"},
		// The restart may be what it takes; then it is proven after it, as ever.
		"directory not read yet": {&cri.PullError{Text: `failed to do request: Head "https://pullway-probe.invalid/v2/library": no such host`}, true,
			protocol.StepProve, protocol.OutcomeRestored, "does not read the hosts directory"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b, changes := calmBench(t)
			tr := b.calmTransaction(changes, "20260101T000000.000Z-0001", nil)
			p := &prover{disk: b.store.disk, cri: b.cri, release: release242, hostsDir: b.hosts(), restart: tc.restart,
				desired: config.Desired{VerifyImages: []string{"harbor.example.com/library/test-image:latest"},
					Registries: []config.Registry{tlsRegistry("harbor.example.com", "https://192.168.21.8", "NEW", "new")}},
				provable: func(config.Registry) bool { return true }, tell: func(protocol.Step, string) {}}
			tr.probe, tr.prove, tr.dropPulled, tr.record.Restart = p.probe, p.prove, p.dropPulled, tc.restart
			b.cri.pullErr = tc.pullErr
			var told []protocol.Step
			tr.tell = func(s protocol.Step, _ string) { told = append(told, s) }
			res, err := tr.run(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.text) || res.Failed != tc.failed || res.Outcome != tc.outcome {
				t.Fatalf("run = %+v, %v", res, err)
			}
			if undone := slices.Contains(told, protocol.StepUndo); undone != (tc.outcome == protocol.OutcomeRestored) {
				t.Errorf("told %v", told)
			}
			if len(res.Proofs) != 1 || res.Proofs[0].OK || res.Proofs[0].Error == "" {
				t.Errorf("proofs %+v", res.Proofs)
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

// An image that cannot be taken away is told of, and makes no node broken.
func TestAnImageThatStaysBreaksNothing(t *testing.T) {
	b, changes := calmBench(t)
	tr := b.calmTransaction(changes, "20260101T000000.000Z-0001", nil)
	tr.prove = nil
	tr.confirm = func(context.Context) error { return errNotConfirmed }
	b.cri.dropErr = errors.New("the collector does not answer")
	res, err := tr.run(t.Context())
	if err == nil || res.Outcome != protocol.OutcomeRestored || len(res.Warnings) != 1 || res.Warnings[0].ID != "tidy-up" {
		t.Fatalf("run = %+v, %v", res, err)
	}
	if d := b.isOld(); d != "" {
		t.Error(d)
	}
}

// What was proven before a restart is proven again after it, and the layers that
// the first pull fetched count for both.
func TestAProofIsRepeatedAfterARestart(t *testing.T) {
	b, changes := calmBench(t)
	tr := b.calmTransaction(changes, "20260101T000000.000Z-0001", nil)
	p := &prover{disk: b.store.disk, cri: b.cri, release: release242, hostsDir: b.hosts(), restart: true,
		desired: config.Desired{VerifyImages: []string{"harbor.example.com/library/test-image:latest"},
			Registries: []config.Registry{tlsRegistry("harbor.example.com", "https://192.168.21.8", "NEW", "new")}},
		provable: func(config.Registry) bool { return true }, tell: func(protocol.Step, string) {}}
	tr.probe, tr.prove, tr.dropPulled, tr.record.Restart = p.probe, p.prove, p.dropPulled, true
	var pulls []int
	b.cri.onPull = func(string) error { pulls = append(pulls, b.daemon.restarts); return nil }
	b.cri.stale = func() bool { return b.daemon.restarts > 0 }
	res, err := tr.run(t.Context())
	if err != nil || len(res.Proofs) != 1 || !res.Proofs[0].Fresh {
		t.Fatalf("run = %+v, %v", res, err)
	}
	if d := cmp.Diff([]int{0, 1, 1}, pulls); d != "" {
		t.Errorf("restarts at each pull: %s", d)
	}
}
