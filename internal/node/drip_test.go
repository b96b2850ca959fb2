package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
)

// dripping is a CRI whose pulls never come to an end by themselves.
type dripping struct{ fakeCRI }

func (*dripping) Pull(ctx context.Context, ref string) (cri.Pulled, error) {
	<-ctx.Done()
	return cri.Pulled{}, &cri.PullError{Ref: ref, Text: ctx.Err().Error()}
}

// A registry that drips for ever is a failed proof after two minutes, which undoes
// the change; nothing of the probe is left. TestDrippingRegistry of test/e2e has a
// real one.
func TestAPullThatNeverEndsIsAFailedProof(t *testing.T) {
	hosts := filepath.Join(t.TempDir(), "certs.d")
	must(t, os.Mkdir(hosts, 0o755))
	synctest.Test(t, func(t *testing.T) {
		p := prover{cri: &dripping{}, release: containerd.Release{Major: 1, Minor: 7, Patch: 35}, hostsDir: hosts, tell: func(protocol.Step, string) {},
			desired: config.Desired{VerifyImages: []string{"192.168.21.9/library/app:v1"}, Registries: []config.Registry{{Host: "192.168.21.9", Fallback: v1alpha1.FallbackNone,
				Endpoints: []config.Endpoint{{URL: "http://192.168.21.9", Capabilities: []string{"pull", "resolve"}}}}}}}
		began := time.Now()
		proofs, err := p.prove(t.Context())
		if !errors.Is(err, errNotProven) || len(proofs) != 1 || proofs[0].OK || proofs[0].Error == "" {
			t.Errorf("prove = %+v, %v", proofs, err)
		}
		if took := time.Since(began); took != pullWithin {
			t.Errorf("took %s, want %s", took, pullWithin)
		}
	})
	if inside, _ := os.ReadDir(hosts); len(inside) != 0 {
		t.Errorf("left behind: %v", inside)
	}
}
